from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from strategy.types import Action
from tradedesk.models import (
    Account,
    Alert,
    AlertOutcome,
    Bot,
    Decision,
    Fill,
    Incident,
    IncidentKind,
    Instrument,
    Order,
    OrderPurpose,
    OrderSide,
    OrderStatus,
    Reason,
    Strategy,
)
from tradedesk.services.alerts.signals import WORDS

PAGING = {"cursor", "page_size", "format"}
LARGEST_ID = 2**63 - 1
YES_OR_NO = [("true", "Yes"), ("false", "No")]


class StrictFilters(filters.DjangoFilterBackend):  # type: ignore[misc]
    """Filters by query parameters, and refuses those that it does not know: a typo must not widen a list."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        known = set(self.get_filterset_class(view, queryset).base_filters)
        unknown = set(request.query_params) - known - PAGING
        if unknown:
            sentence = f"No such filter. There are {', '.join(sorted(known))}."
            raise ValidationError({name: [sentence] for name in sorted(unknown)})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


def _named(model: type[Model], by: str, path: str, what: str) -> filters.ModelChoiceFilter:
    """Return a filter by the name of a row; a name that nobody has is an error."""
    return filters.ModelChoiceFilter(
        queryset=model._default_manager.all(), to_field_name=by, field_name=path, help_text=what
    )


def _one_of(choices: Any, path: str | None = None) -> filters.MultipleChoiceFilter:
    """Return a filter by a closed set of words; given several times, any of them matches."""
    pairs = getattr(choices, "choices", choices)
    return filters.MultipleChoiceFilter(
        choices=pairs, field_name=path, help_text="May be given several times."
    )


class WholeNumber(filters.Filter):  # type: ignore[misc]
    field_class = forms.IntegerField


def _after(path: str) -> filters.IsoDateTimeFilter:
    return filters.IsoDateTimeFilter(
        field_name=path, lookup_expr="gte", help_text="At this ISO-8601 time or later."
    )


def _before(path: str) -> filters.IsoDateTimeFilter:
    return filters.IsoDateTimeFilter(
        field_name=path, lookup_expr="lt", help_text="Before this ISO-8601 time."
    )


class BotFilters(filters.FilterSet):  # type: ignore[misc]
    strategy = _named(Strategy, "slug", "strategy", "Slug of the strategy.")
    account = _named(Account, "name", "account", "Name of the account.")
    instrument = _named(Instrument, "root", "instrument", "Root of the instrument, such as MES.")

    class Meta:
        model = Bot
        fields: list[str] = []


class AlertFilters(filters.FilterSet):  # type: ignore[misc]
    strategy = _named(Strategy, "slug", "strategy", "Slug of the strategy.")
    bot = _named(Bot, "slug", "strategy__bots", "Slug of a bot: the alerts of its strategy.")
    account = filters.ModelChoiceFilter(
        queryset=Account.objects.all(),
        to_field_name="name",
        method="on_account",
        help_text="Name of an account: the alerts of the strategies that trade on it.",
    )
    outcome = _one_of(AlertOutcome)
    action = _one_of([(word, word) for word in WORDS])
    indicator = _one_of(sorted({(words[0], words[0]) for words in WORDS.values()}))
    symbol = filters.CharFilter(help_text="As the alert had it, such as MES1!.")
    timeframe = filters.CharFilter(help_text="As the alert had it, such as 10.")
    created_after = _after("received_at")
    created_before = _before("received_at")

    class Meta:
        model = Alert
        fields: list[str] = []

    @extend_schema_field(OpenApiTypes.STR)
    def on_account(self, alerts: QuerySet[Alert], _name: str, account: Account) -> QuerySet[Alert]:
        return alerts.filter(strategy__in=Strategy.objects.filter(bots__account=account))


class DecisionFilters(filters.FilterSet):  # type: ignore[misc]
    bot = _named(Bot, "slug", "bot", "Slug of the bot.")
    strategy = _named(Strategy, "slug", "bot__strategy", "Slug of the strategy.")
    account = _named(Account, "name", "bot__account", "Name of the account.")
    alert = filters.UUIDFilter(field_name="alert_id", help_text="Id of the alert.")
    action = _one_of([(action.value, action.value) for action in Action])
    reason = _one_of(Reason)
    created_after = _after("created_at")
    created_before = _before("created_at")

    class Meta:
        model = Decision
        fields: list[str] = []


class OrderFilters(filters.FilterSet):  # type: ignore[misc]
    bot = _named(Bot, "slug", "bot", "Slug of the bot.")
    strategy = _named(Strategy, "slug", "bot__strategy", "Slug of the strategy.")
    account = _named(Account, "name", "account", "Name of the account.")
    decision = filters.UUIDFilter(field_name="decision_id", help_text="Id of the decision.")
    alert = filters.UUIDFilter(field_name="decision__alert_id", help_text="Id of the alert.")
    status = _one_of(OrderStatus)
    open = filters.ChoiceFilter(
        choices=YES_OR_NO, method="by_open", help_text="Whether its end is not known yet."
    )
    side = _one_of(OrderSide)
    purpose = _one_of(OrderPurpose)
    contract = filters.CharFilter(help_text="Such as MESZ6.")
    client_order_id = filters.CharFilter(help_text="The desk's own id of the order.")
    broker_order_id = WholeNumber(min_value=0, max_value=LARGEST_ID, help_text="The broker's id.")
    created_after = _after("created_at")
    created_before = _before("created_at")

    class Meta:
        model = Order
        fields: list[str] = []

    def by_open(self, orders: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        return orders.filter(settled_at__isnull=value == "true")


class FillFilters(filters.FilterSet):  # type: ignore[misc]
    bot = _named(Bot, "slug", "bot", "Slug of the bot.")
    strategy = _named(Strategy, "slug", "bot__strategy", "Slug of the strategy.")
    account = _named(Account, "name", "account", "Name of the account.")
    order = filters.UUIDFilter(field_name="order_id", help_text="Id of the order.")
    decision = filters.UUIDFilter(field_name="order__decision_id", help_text="Id of the decision.")
    alert = filters.UUIDFilter(field_name="order__decision__alert_id", help_text="Id of the alert.")
    client_order_id = filters.CharFilter(
        field_name="order__client_order_id", help_text="The desk's own id of the order."
    )
    side = _one_of(OrderSide)
    contract = filters.CharFilter(help_text="Such as MESZ6.")
    created_after = _after("created_at")
    created_before = _before("created_at")

    class Meta:
        model = Fill
        fields: list[str] = []


class IncidentFilters(filters.FilterSet):  # type: ignore[misc]
    bot = _named(Bot, "slug", "bot", "Slug of the bot.")
    strategy = _named(Strategy, "slug", "bot__strategy", "Slug of the strategy.")
    account = _named(Account, "name", "account", "Name of the account.")
    kind = _one_of(IncidentKind)
    open = filters.ChoiceFilter(
        choices=YES_OR_NO, method="by_open", help_text="Whether it is not closed yet."
    )
    subject = filters.CharFilter(help_text="What it is about: a bot's slug, a client order id.")
    created_after = _after("opened_at")
    created_before = _before("opened_at")

    class Meta:
        model = Incident
        fields: list[str] = []

    def by_open(self, incidents: QuerySet[Incident], _name: str, value: str) -> QuerySet[Incident]:
        return incidents.filter(closed_at__isnull=value == "true")
