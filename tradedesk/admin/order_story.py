"""The way of one order as steps of a timeline, and what was asked of the broker."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tradedesk.admin import words
from tradedesk.models import Fill, Order, OrderPurpose, OrderStatus


@dataclass(frozen=True)
class Step:
    """One step on the common scale of a timeline: `start` and `length` in percent of it."""

    icon: str
    name: str
    text: str
    clock: str
    delta: str
    start: float
    length: float
    is_ours: bool = True


def steps_of(order: Order, fills: Sequence[Fill]) -> list[Step]:
    """Return what happened to an order, in order of time; its alert and decision are its `decision`."""
    moments = sorted(_moments(order, fills), key=lambda moment: moment[0])
    begin, end = moments[0][0], moments[-1][0]
    whole = (end - begin).total_seconds() or 1.0
    steps, before = [], begin
    for at, icon, name, text in moments:
        start = (before - begin).total_seconds() / whole * 100
        length = (at - before).total_seconds() / whole * 100
        delta = f"+{words.span(before, at)}" if at != begin else ""
        steps.append(Step(icon, name, text, _clock(at), delta, round(start, 2), round(max(length, 0.6), 2)))
        before = at
    return steps


def request_of(order: Order) -> list[tuple[str, str]]:
    """Return what the one request to the broker said, by what the desk wrote down before it was sent."""
    kinds = {OrderPurpose.STOP: "Stop", OrderPurpose.TARGET: "Limit"}
    kind = kinds.get(OrderPurpose(order.purpose), "Market")
    return [
        ("Account", order.account.broker_account_name or order.account.name),
        ("Action", order.get_side_display()),
        ("Contracts", f"{order.quantity} {order.contract}"),
        ("Type", kind if order.price is None else f"{kind} at {words.price(order.price)}"),
        ("Client order id", order.client_order_id),
    ]


def reply_of(order: Order) -> str:
    """Return what came back, in a sentence."""
    if order.sent_at is None:
        return "Nothing was sent."
    if order.acknowledged_at is not None:
        took = words.span(order.sent_at, order.acknowledged_at)
        number = f" as order {order.broker_order_id}" if order.broker_order_id is not None else ""
        return f"Taken{number} after {took}."
    if order.status == OrderStatus.REJECTED:
        return "Refused by the broker."
    if order.status in (OrderStatus.UNCONFIRMED, OrderStatus.LOST):
        looks = f" The broker was asked for it {order.looks} times." if order.looks else ""
        return f"No reply that tells what became of it.{looks}"
    return "None yet." if order.settled_at is None else "None."


def _moments(order: Order, fills: Sequence[Fill]) -> Iterable[tuple[datetime, str, str, str]]:
    if order.decision is not None:
        alert = order.decision.alert
        yield alert.received_at, "call_received", "Alert received", words.alert_in_words(alert)
        yield order.decision.created_at, "rule", "Decided", words.ACTIONS.get(order.decision.action, "")
    yield order.created_at, "edit_note", "Written down", f"Intent {order.client_order_id}"
    if order.sent_at:
        yield order.sent_at, "upload", "Sent", f"{order.get_side_display()} {order.quantity} {order.contract}"
    if order.first_look_at:
        yield order.first_look_at, "search", "Looked up", f"{order.looks} looks in vain"
    if order.acknowledged_at:
        yield (
            order.acknowledged_at,
            "mark_email_read",
            "Acknowledged",
            f"Broker order {order.broker_order_id}",
        )
    for fill in fills:
        price = words.price(fill.price)
        yield fill.filled_at, "done_all", "Filled", f"{fill.quantity} @ {price}, fill {fill.broker_fill_id}"
    if order.settled_at:
        yield order.settled_at, "task_alt", "Settled", order.get_status_display()


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
