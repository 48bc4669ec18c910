"""The way of an alert as steps on one scale, from the bar's close to the fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from strategy.timeframes import parse_timeframe
from tradedesk.admin import words
from tradedesk.admin.outcomes import Outcome, outcome_of_order
from tradedesk.admin.rules import rule_tables
from tradedesk.models import Alert, Decision, Order, OrderStatus

LEAST_WIDTH = 1.0
LONGEST_NOTE = 200
ENDINGS = {
    Outcome.FILLED: ("done_all", "Filled"),
    Outcome.REJECTED: ("block", "Rejected by the broker"),
    Outcome.REFUSED: ("block", "Refused before it was sent"),
    Outcome.UNRESOLVED: ("hourglass_empty", "Lost"),
}


@dataclass(frozen=True)
class Step:
    """One moment of an alert's way. `at` None: it has not come yet. Only what is ours has a bar."""

    icon: str
    name: str
    text: str
    at: datetime | None
    is_ours: bool = True


@dataclass(frozen=True)
class Line:
    """A step with its clock, the time since the step before, and its bar in percent of the whole."""

    icon: str
    name: str
    text: str
    clock: str
    delta: str
    is_ours: bool
    start: float
    length: float


def steps_of(alert: Alert, decision: Decision | None, orders: Sequence[Order]) -> list[Line]:
    """Return the steps of an alert for one bot, in the order in which they happen."""
    steps = [*_before_us(alert), _received(alert)]
    if decision is not None:
        steps.append(_decided(decision))
    for order in orders:
        steps += _of_order(order)
    return _scaled(steps, alert.received_at)


def _before_us(alert: Alert) -> list[Step]:
    if alert.bar_open is None:
        return []
    length = parse_timeframe(alert.timeframe)
    closed = alert.bar_open + length if length else None
    bar = f"{alert.symbol} {words.timeframe(alert.timeframe)} bar opened {words.clock(alert.bar_open)}"
    return [
        Step("candlestick_chart", "Bar closed", bar, closed, is_ours=False),
        Step("notifications", "Fired", "By TradingView's clock", alert.fired_at, is_ours=False),
    ]


def _received(alert: Alert) -> Step:
    size = len(alert.body.encode())
    return Step(
        "south_west", "Received, stored", f"{size:,} bytes from {alert.source_address}", alert.received_at
    )


def _decided(decision: Decision) -> Step:
    states = (words.state_in_words(state) for state in (decision.state_before, decision.state_after))
    rules = [f"{table.passed} of {len(table.lines)} rules passed" for table in rule_tables(decision.detail)]
    action = words.ACTIONS.get(decision.action, decision.action).lower()
    text = " · ".join([" → ".join(dict.fromkeys(states)), *rules])
    return Step("rule", f"Decided: {action}", text, decision.created_at)


def _of_order(order: Order) -> list[Step]:
    asked = f"{order.get_side_display()} {order.quantity} {order.contract} · id {order.client_order_id}"
    outcome = outcome_of_order(order)
    if order.sent_at is None:
        return [
            Step(
                "block" if order.settled_at else "hourglass_empty",
                "Not sent",
                order.note[:LONGEST_NOTE] or asked,
                order.settled_at,
            )
        ]
    found = [Step("send", "Order sent", asked, order.sent_at)]
    if order.broker_order_id is not None:
        number = f"Broker's order {order.broker_order_id}"
        found.append(Step("mark_email_read", "Acknowledged", number, order.acknowledged_at))
    if order.settled_at is not None and outcome in ENDINGS:
        icon, name = ENDINGS[outcome]
        return [*found, Step(icon, name, _ending(order), order.settled_at)]
    if outcome is Outcome.UNRESOLVED:
        return [*found, Step("hourglass_empty", "Not known yet", order.note[:LONGEST_NOTE], None)]
    return [*found, Step("hourglass_empty", "Working at the broker", order.note[:LONGEST_NOTE], None)]


def _ending(order: Order) -> str:
    if order.status in (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED):
        return f"{order.filled_quantity} @ {words.price(order.average_price)}"
    return order.note[:LONGEST_NOTE]


def _scaled(steps: Sequence[Step], zero: datetime) -> list[Line]:
    moments = [step.at for step in steps if step.at is not None]
    whole = max(((moment - zero).total_seconds() for moment in moments), default=0.0)
    lines, before = [], None
    for step in steps:
        start = length = 0.0
        if step.is_ours and step.at and before and step.at > zero:
            start = (before - zero).total_seconds() / whole * 100
            length = max(LEAST_WIDTH, (step.at - before).total_seconds() / whole * 100)
        delta = f"+{words.span(before, step.at)}" if before and step.at and step.at >= before else ""
        lines.append(
            Line(
                *(step.icon, step.name, step.text, words.precise(step.at), delta, step.is_ours),
                *(round(min(start, 100 - length), 2), round(length, 2)),
            )
        )
        before = step.at or before
    return lines
