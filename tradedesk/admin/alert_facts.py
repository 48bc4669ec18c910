"""The five facts of an alert that a person looks for first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from strategy.sessions import session_start
from strategy.types import Direction
from tradedesk.admin import words
from tradedesk.admin.result import held_by
from tradedesk.models import Alert, Bot, Decision, Order
from tradedesk.selectors import latency, profit
from tradedesk.selectors.ledger import Entry
from tradedesk.selectors.profit import Book


@dataclass(frozen=True)
class Fact:
    """One figure with a line of context; `tone` colours gains and losses."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


def facts_of(alert: Alert, decision: Decision, orders: Sequence[Order], now: datetime) -> list[Fact]:
    """Return fill, latency, slippage, state and result of an alert for one bot. Six queries at most."""
    filled = [order for order in orders if order.filled_quantity]
    last = filled[-1] if filled else None
    book = profit.book() if last else Book()
    entries = _entries(book, last) if last else []
    return [
        _fill(last, entries),
        _latency(alert, decision, last, now),
        _slippage(alert, decision.bot, last),
        _state(decision),
        _result(decision.bot, last, entries, book, now),
    ]


def _fill(order: Order | None, entries: Sequence[Entry]) -> Fact:
    if order is None:
        return Fact("Fill", "–", "nothing was traded")
    count = len(order.fills.all())
    fees = [entry.fee for entry in entries]
    known = sum((fee for fee in fees if fee is not None), Decimal())
    cost = f", fees {words.money(known)}" if fees and None not in fees else ""
    verb = "Bought" if order.signed_quantity > 0 else "Sold"
    value = f"{verb} {order.filled_quantity} @ {words.price(order.average_price)}"
    return Fact("Fill", value, f"{order.contract}, {count} fill{'' if count == 1 else 's'}{cost}")


def _latency(alert: Alert, decision: Decision, order: Order | None, now: datetime) -> Fact:
    if order is None:
        return Fact(
            "Receipt to decision", words.span(alert.received_at, decision.created_at), "nothing is filled"
        )
    today = latency.totals(latency.ways(session_start(now), now + timedelta(days=1)))
    median = latency.percentile(today, 50)
    note = (
        f"p50 today {words.milliseconds(median)}" if median is not None else "no fill today to compare with"
    )
    return Fact("Receipt to fill", words.span(alert.received_at, order.settled_at), note)


def _slippage(alert: Alert, bot: Bot, order: Order | None) -> Fact:
    """Compare the fill with the close that the alert told: a loss where it was worse."""
    if order is None or order.average_price is None or alert.close is None:
        return Fact("Slippage", "–", "no fill to compare with the alert's close")
    terms = bot.instrument
    sign = 1 if order.signed_quantity > 0 else -1
    points = (order.average_price - alert.close) * sign
    dollars = points * terms.point_value * order.filled_quantity
    ticks = points / terms.tick_size
    difference = f"{words.price(abs(points))} pt, {words.money(abs(dollars))}"
    note = f"{difference} against the close {words.price(alert.close)}"
    if not points:
        return Fact("Slippage", "0 ticks", f"filled at the close {words.price(alert.close)}")
    size = f"{abs(ticks):.2f}".rstrip("0").rstrip(".") + f" tick{'' if abs(ticks) == 1 else 's'}"
    return Fact(
        "Slippage", f"▾ {size}" if points > 0 else f"▴ {size} better", note, "loss" if points > 0 else "gain"
    )


def _state(decision: Decision) -> Fact:
    was = words.state_in_words(decision.state_before)
    return Fact("State", words.state_in_words(state_after(decision)), f"was {was[:1].lower()}{was[1:]}")


def state_after(decision: Decision) -> Mapping[str, Any]:
    """Return the state that a decision led to, once what filled of its last order was booked."""
    filled = [order for order in decision.orders.all() if order.filled_quantity]
    if not filled or filled[-1].position_before is None:
        return dict(decision.state_after)
    held = Direction.of(filled[-1].position_before + filled[-1].signed_filled)
    return {**decision.state_after, "current_position": held.value}


def _result(bot: Bot, order: Order | None, entries: Sequence[Entry], book: Book, now: datetime) -> Fact:
    """Return what the fill closed, or what the position that it opened would bring while it is held."""
    if order is None:
        return Fact("P&L of this trade", "–", "no trade")
    if any(entry.closed for entry in entries):
        if any(entry.gross is None for entry in entries):
            return Fact("P&L of what it closed", "–", "the price of what it closed is not known")
        net = profit.net(entries)
        return Fact("P&L of what it closed", words.gain(net), "after its fees", words.gain_tone(net))
    state = bot.state
    is_held = state.quantity * order.signed_quantity > 0 and state.contract == order.contract
    newer = Order.objects.filter(bot=bot, id__gt=order.id, filled_quantity__gt=0)
    if not is_held or newer.exists():
        return Fact("P&L of this trade", "–", "closed since: see the alert that closed it")
    held = held_by(bot, book, profit.marks(now))
    note = f"last {words.price(held.mark)}, before fees" if held.mark is not None else "no price told since"
    return Fact("Open P&L of this trade", words.gain(held.open), note, words.gain_tone(held.open))


def _entries(book: Book, order: Order) -> list[Entry]:
    """Return what the book says of an order's fills."""
    found = (book.entry_of(fill) for fill in order.fills.all())
    return [entry for entry in found if entry is not None]
