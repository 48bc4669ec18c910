from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tradedesk.admin import words
from tradedesk.models import REMEDIES, Alert, Decision, Order, OrderStatus, Reason
from tradedesk.services.alerts.rehearsal import Rehearsal

OVER = (
    *(OrderStatus.FILLED, OrderStatus.REJECTED, OrderStatus.CANCELLED),
    OrderStatus.LOST,
    OrderStatus.DENIED,
)


@dataclass(frozen=True)
class Step:
    """One step of the timeline; `start` and `length` are percent of the whole time."""

    icon: str
    name: str
    text: str
    clock: str = ""
    delta: str = ""
    is_ours: bool = True
    start: int = 0
    length: int = 0


@dataclass(frozen=True)
class BotTrial:
    """How far an alert came for one bot, with one sentence on how it ended and what to do."""

    name: str
    steps: Sequence[Step]
    verdict: str
    remedy: str
    tone: str


@dataclass(frozen=True)
class Trial:
    """How far an alert came. `is_over` once nothing more will happen by itself."""

    bots: Sequence[BotTrial]
    is_over: bool
    is_dry: bool


def of_alert(alert: Alert) -> Trial:
    """Return the steps of a stored alert, for each bot that decided it. Three queries."""
    decisions = list(
        alert.decisions.select_related("bot").prefetch_related("orders__fills").order_by("bot__slug")
    )
    orders = [order for decision in decisions for order in decision.orders.all()]
    is_over = bool(decisions) and all(order.status in OVER for order in orders)
    return Trial([_of_decision(alert, decision) for decision in decisions], is_over, is_dry=False)


def of_rehearsals(rehearsals: Sequence[Rehearsal]) -> Trial:
    """Return the steps of an alert that was only thought through."""
    return Trial([_of_rehearsal(found) for found in rehearsals], is_over=True, is_dry=True)


def _of_decision(alert: Alert, decision: Decision) -> BotTrial:
    orders = list(decision.orders.all())
    moments = [
        ("arrow_downward", "Received, let in and read", f"from {alert.source_address}", alert.received_at)
    ]
    moments.append(
        (
            "rule",
            f"Decided: {_lower(words.ACTIONS[decision.action])}",
            _says(decision.reason),
            decision.created_at,
        )
    )
    if rules := decision.detail.get("rules"):
        moments.append(("verified_user", *_gate(rules), decision.created_at))
    for order in orders:
        moments += _of_order(order)
    start, end = alert.received_at, max(at for *_, at in moments)
    whole = (end - start).total_seconds() or 1.0
    steps, before = [], start
    for icon, name, text, at in moments:
        share = (before - start).total_seconds() / whole, (at - before).total_seconds() / whole
        steps.append(
            Step(
                icon,
                name,
                text,
                _clock(at),
                f"+{words.span(before, at)}" if start < at >= before else "",
                start=round(100 * share[0]),
                length=max(1, round(100 * share[1])),
            )
        )
        before = at
    return BotTrial(decision.bot.slug, steps, *_verdict(decision, orders))


def _of_order(order: Order) -> Iterator[tuple[str, str, str, datetime]]:
    if order.sent_at:
        said = f"{order.get_side_display()} {order.quantity} {order.contract}, id {order.client_order_id}"
        yield "outbox", "Order sent", said, order.sent_at
    if order.acknowledged_at:
        yield (
            "mark_email_read",
            "Acknowledged",
            f"broker order {order.broker_order_id or '–'}",
            order.acknowledged_at,
        )
    for fill in order.fills.all():
        yield "done_all", "Filled", f"{fill.quantity} @ {words.price(fill.price)}", fill.filled_at


def _of_rehearsal(found: Rehearsal) -> BotTrial:
    choice = found.choice
    action = words.ACTIONS[choice.action.value]
    steps = [
        Step("arrow_downward", "Read", "as if it came at this moment", _clock(found.at), is_ours=False),
        Step("rule", f"Would decide: {_lower(action)}", _says(choice.reason)),
    ]
    if rules := choice.detail.get("rules"):
        steps.append(Step("verified_user", *_gate(rules)))
    if choice.quantity:
        side = "buy" if choice.quantity > 0 else "sell"
        steps.append(
            Step(
                "block",
                "Nothing sent",
                f"it would {side} {abs(choice.quantity)} {choice.contract}",
                is_ours=False,
            )
        )
    verdict = f"Dry-run: {_lower(action)}. {_says(choice.reason)}"
    return BotTrial(
        found.bot.slug, steps, verdict, REMEDIES[choice.reason], "good" if choice.quantity else "warn"
    )


def _gate(rules: Sequence[Sequence[Any]]) -> tuple[str, str]:
    failed = [f"{code}: {figures}" for code, _, passed, figures in rules if not passed]
    if failed:
        return "Gate refused", "; ".join(failed)
    return "Gate passed", f"{len(rules)} of {len(rules)} rules"


def _verdict(decision: Decision, orders: Sequence[Order]) -> tuple[str, str, str]:
    if any(order.status == OrderStatus.FILLED for order in orders):
        return "It works: the order was filled.", "", "good"
    if orders:
        said = str(OrderStatus(orders[-1].status).label).lower()
        return f"The order is {said}.", orders[-1].note, "info" if orders[-1].status not in OVER else "warn"
    return f"No order was sent. {_says(decision.reason)}", REMEDIES[Reason(decision.reason)], "warn"


def _says(reason: str) -> str:
    return str(Reason(reason).label)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
