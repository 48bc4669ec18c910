"""Lists as CSV files, with the filters of the list that they were asked from."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from tradedesk.admin.csv_files import Columns, stream
from tradedesk.models import Alert, Decision, Fill, Order

ROWS_AT_ONCE = 2000


def _slug(row: Any) -> str:
    return row.bot.slug if row.bot else ""


FILLS: Columns = (
    ("filled_at", attrgetter("filled_at")),
    ("account", attrgetter("account.name")),
    ("bot", _slug),
    ("contract", attrgetter("contract")),
    ("side", attrgetter("side")),
    ("quantity", attrgetter("quantity")),
    ("price", attrgetter("price")),
    ("client_order_id", attrgetter("order.client_order_id")),
    ("broker_order_id", attrgetter("order.broker_order_id")),
    ("broker_fill_id", attrgetter("broker_fill_id")),
)
ORDERS: Columns = (
    ("created_at", attrgetter("created_at")),
    ("account", attrgetter("account.name")),
    ("bot", _slug),
    ("purpose", attrgetter("purpose")),
    ("side", attrgetter("side")),
    ("quantity", attrgetter("quantity")),
    ("contract", attrgetter("contract")),
    ("price", attrgetter("price")),
    ("status", attrgetter("status")),
    ("filled_quantity", attrgetter("filled_quantity")),
    ("average_price", attrgetter("average_price")),
    ("sent_at", attrgetter("sent_at")),
    ("acknowledged_at", attrgetter("acknowledged_at")),
    ("settled_at", attrgetter("settled_at")),
    ("client_order_id", attrgetter("client_order_id")),
    ("broker_order_id", attrgetter("broker_order_id")),
    ("note", attrgetter("note")),
)
ALERTS: Columns = (
    ("received_at", attrgetter("received_at")),
    ("strategy", attrgetter("strategy.slug")),
    ("outcome", attrgetter("outcome")),
    ("action", attrgetter("action")),
    ("symbol", attrgetter("symbol")),
    ("timeframe", attrgetter("timeframe")),
    ("bar_open", attrgetter("bar_open")),
    ("fired_at", attrgetter("fired_at")),
    ("close", attrgetter("close")),
    ("source_address", attrgetter("source_address")),
    ("event_key", attrgetter("event_key")),
    ("errors", lambda alert: "; ".join(f"{field}: {why[0]}" for field, why in alert.errors.items())),
)
DECISIONS: Columns = (
    ("created_at", attrgetter("created_at")),
    ("bot", _slug),
    ("action", attrgetter("action")),
    ("reason", attrgetter("reason")),
    ("alert_action", attrgetter("alert.action")),
    ("symbol", attrgetter("alert.symbol")),
    ("received_at", attrgetter("alert.received_at")),
    ("figures", lambda decision: decision.detail.get("figures", "")),
    ("alert", attrgetter("alert_id")),
)
FILES: dict[type[Model], tuple[Columns, tuple[str, ...]]] = {
    Alert: (ALERTS, ("strategy",)),
    Decision: (DECISIONS, ("bot", "alert")),
    Fill: (FILLS, ("account", "bot", "order")),
    Order: (ORDERS, ("account", "bot")),
}
NAMES = {str(model._meta.model_name): model for model in FILES}


def page(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return the rows that a list shows with these filters, all of them, newest first."""
    if name not in NAMES:
        raise Http404
    model = NAMES[name]
    model_admin = admin.site.get_model_admin(model)
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        listed = model_admin.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect(reverse(f"admin:tradedesk_{name}_changelist"))
    columns, parents = FILES[model]
    found: QuerySet[Any] = listed.get_queryset(request).prefetch_related(None).select_related(*parents)
    count = str(listed.result_count)
    return stream(f"{model._meta.verbose_name_plural}", columns, newest_first(found), count)


def newest_first(rows: QuerySet[Any]) -> Iterator[Any]:
    """Yield rows by falling id, a few at a time: no query is long, whatever comes in meanwhile."""
    batch = list(rows.order_by("-id")[:ROWS_AT_ONCE])
    while batch:
        yield from batch
        batch = list(rows.filter(id__lt=batch[-1].pk).order_by("-id")[:ROWS_AT_ONCE])


def address_of(request: HttpRequest, model_name: str) -> str:
    """Return where the list that a person looks at is as a file, "" where it is none."""
    if model_name not in NAMES:
        return ""
    query = request.GET.copy()
    query.pop("p", None)
    return f"{reverse('export', args=[model_name])}{'?' if query else ''}{query.urlencode()}"
