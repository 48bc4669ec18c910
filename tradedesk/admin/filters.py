from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest

from tradedesk import wiring
from tradedesk.admin.outcomes import Outcome, alerts_with, decisions_with
from tradedesk.models import Alert, Bot, Decision, Incident, Reason

PERIODS = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}


def reason_word(reason: str) -> str:
    """Return a reason's code as a short phrase, such as "Same colour"."""
    words = reason.replace("_", " ").capitalize()
    return words.replace("Di ", "DI ").replace("color", "colour")


class PeriodFilter(SimpleListFilter):
    """Lets only recent rows through; which column says so is up to the subclass."""

    parameter_name = "period"
    column: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(key, label) for key, (label, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in PERIODS:
            return queryset
        _, length = PERIODS[str(self.value())]
        return queryset.filter(**{f"{self.column}__gte": wiring.desk().now() - length})


class ReceivedFilter(PeriodFilter):
    title = "received"
    column = "received_at"


class CreatedFilter(PeriodFilter):
    title = "time"
    column = "created_at"


class OutcomeFilter(SimpleListFilter):
    """Filters alerts and decisions by what became of them. The choices are fixed, so none costs a query."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        alerts_only = {Outcome.UNDECIDED, Outcome.INVALID}
        is_for_alerts = model_admin.model is Alert
        return [
            (outcome.name.lower(), outcome.value.label)
            for outcome in Outcome
            if is_for_alerts or outcome not in alerts_only
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = str(self.value()).upper()
        if name not in Outcome.__members__:
            return queryset
        narrow: Any = alerts_with if queryset.model is Alert else decisions_with
        filtered: QuerySet[Model] = narrow(queryset, Outcome[name])
        return filtered


class ReasonFilter(SimpleListFilter):
    """Filters alerts and decisions by reason; folded away, for there are many."""

    template = "panel/closed_filter.html"
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(reason.value, reason_word(reason)) for reason in Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in Reason.values:
            return queryset
        if queryset.model is Decision:
            return queryset.filter(reason=self.value())
        return queryset.filter(Exists(Decision.objects.filter(alert=OuterRef("pk"), reason=self.value())))


class BotFilter(SimpleListFilter):
    """Filters by bot. Bots are few; the rows themselves are never searched for choices."""

    title = "bot"
    parameter_name = "bot"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(slug, slug) for slug in Bot.objects.values_list("slug", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        if queryset.model is Alert:
            decided = Decision.objects.filter(alert=OuterRef("pk"), bot__slug=self.value())
            return queryset.filter(Exists(decided))
        if queryset.model is Incident:
            account = Bot.objects.filter(slug=self.value()).values("account")
            return queryset.filter(Q(bot__slug=self.value()) | Q(bot=None, account__in=account))
        return queryset.filter(bot__slug=self.value())


class OpenFilter(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"open", "closed"}:
            return queryset
        return queryset.filter(closed_at__isnull=self.value() == "open")
