from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from strategy.types import NoChange
from tradedesk.models import (
    LEGS,
    REMEDIES,
    Decision,
    Fill,
    Notice,
    NoticeKind,
    Order,
    OrderSide,
    OrderStatus,
    Reason,
    Watermark,
)
from tradedesk.models.ids import earlier
from tradedesk.services.reports.notices import tell

# A row may be committed after one with a later id: each sweep looks back so far.
LOOK_BACK_S = 600
MOST_AT_ONCE = 500
NO_FILL = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELLED)
# What happens every day, or what a person brought about and knows of. All other reasons are worth knowing.
ROUTINE = {
    *(Reason(word.value) for word in NoChange),
    Reason.TREND_BLUE,
    Reason.TREND_RED,
    Reason.DI_UP,
    Reason.DI_DOWN,
    Reason.HALTED,
    Reason.BOT_DISABLED,
    Reason.SESSION_CLOSED,
    Reason.TREND_FILTER,
    Reason.FLAT_BY,
    Reason.NOT_REACHED,
    Reason.FLATTEN,
    Reason.ADOPTED,
}


def tell_what_happened(now: datetime) -> int:
    """Write a notice for each new fill, order without a fill, and refusal worth knowing; return how many.

    A sweep, so that the path of an alert writes none.
    """
    decisions = Decision.objects.exclude(reason__in=ROUTINE).select_related("alert", "bot")
    # A leg goes with its position: what is worth telling of it is a fill or an incident.
    orders = (
        Order.objects.filter(status__in=NO_FILL).exclude(purpose__in=LEGS).select_related("account", "bot")
    )
    fills = Fill.objects.select_related("account", "bot")
    told = _sweep(fills, NoticeKind.FILL, _fill, now)
    told += _sweep(orders, NoticeKind.ORDER, _order, now, unsettled=Order.objects.unfinished())
    told += _sweep(decisions, NoticeKind.REFUSAL, _refusal, now)
    repeated = Decision.objects.filter(reason=Reason.SAME_COLOR).select_related("alert__strategy")
    return told + _sweep(repeated, NoticeKind.ALERT_STREAM, _repeated_color, now, about="alert_id")


def _sweep(
    rows: QuerySet[Any],
    kind: NoticeKind,
    words: Callable[[Any], tuple[str, str]],
    now: datetime,
    unsettled: QuerySet[Any] | None = None,
    about: str = "pk",
) -> int:
    """Tell the rows since the last sweep that were not told; the next one goes on from the newest.

    From the oldest of the `unsettled` where there is one: it may yet come to be told. `about` is the column
    with the id of what each notice is about.
    """
    mark, _ = Watermark.objects.get_or_create(name=kind)
    newest = rows.model.objects.order_by("-id").values_list("id", flat=True).first()
    since = rows.filter(id__gt=earlier(mark.last_id, LOOK_BACK_S)).order_by("id")
    is_told = Exists(Notice.objects.filter(kind=kind, about=OuterRef(about)))
    new = list(since.filter(~is_told)[:MOST_AT_ONCE])
    for row in new:
        tell(kind, getattr(row, about), *words(row), now)
    if len(new) == MOST_AT_ONCE:
        newest = new[-1].pk
    oldest = unsettled.order_by("id").first() if unsettled is not None else None
    if oldest is not None and newest is not None:
        newest = min(newest, oldest.pk)
    if newest not in (None, mark.last_id):
        Watermark.objects.filter(pk=mark.pk).update(last_id=newest)
    return len(new)


def _fill(fill: Fill) -> tuple[str, str]:
    verb = "Bought" if fill.side == OrderSide.BUY else "Sold"
    price = f"{fill.price.normalize():f}"
    where = f"{fill.account} ({fill.account.get_environment_display().lower()})"
    return f"{verb} {fill.quantity} {fill.contract} at {price}, {fill.bot or 'no bot'}", f"Account {where}."


def _order(order: Order) -> tuple[str, str]:
    subject = f"{order.get_status_display()}: {order}, {order.bot or 'no bot'}"
    return subject, order.note or f"Account {order.account}."


def _repeated_color(decision: Decision) -> tuple[str, str]:
    alert = decision.alert
    subject = f"{alert.strategy}: {alert} came twice in a row"
    return subject, "The alert of the other colour between them may be lost. Look at TradingView's alert log."


def _refusal(decision: Decision) -> tuple[str, str]:
    reason = Reason(decision.reason)
    figures = decision.detail.get("figures", "")
    subject = f"{decision.bot}: {decision.alert} refused, {reason.value}"
    return subject, "\n".join(filter(None, (str(reason.label), figures, REMEDIES[reason])))
