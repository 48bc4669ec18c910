from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from strategy.holdings import apply_fill


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill: signed contracts at a price in points.

    `held_before` is the signed contracts held before its order, with the first fill of an order only.
    """

    contract: str
    quantity: int
    price: Decimal
    filled_at: datetime
    held_before: int | None = None


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from flat to flat, or to the other side: points gained times contracts, negative if lost."""

    contract: str
    points: Decimal
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class _Position:
    """A position in one contract; without an average price nobody here knows how it came about."""

    quantity: int = 0
    average: Decimal | None = None
    points: Decimal = Decimal()


def round_trips(executions: Iterable[Execution]) -> list[RoundTrip]:
    """Return the round trips closed by executions given in order of time, in the order of their closing.

    A position that was not opened by the executions alone (a person traded, or the list begins in the middle)
    makes none.
    """
    positions: dict[str, _Position] = {}
    trips = []
    for fill in executions:
        before = positions.get(fill.contract, _Position())
        if fill.held_before is not None and fill.held_before != before.quantity:
            before = _Position(fill.held_before)
        after, points = _fill(before, fill)
        positions[fill.contract] = after
        if points is not None:
            trips.append(RoundTrip(fill.contract, points, fill.filled_at))
    return trips


def losers_in_a_row(trips: Iterable[RoundTrip]) -> int:
    """Return how many of the last round trips lost, counted back to the first that did not."""
    count = 0
    for trip in trips:
        count = count + 1 if trip.points < 0 else 0
    return count


def _fill(before: _Position, fill: Execution) -> tuple[_Position, Decimal | None]:
    """Return the position after a fill, and the points of the round trip that it closed, if it did."""
    is_known = before.quantity == 0 or before.average is not None
    quantity, average = apply_fill(before.quantity, before.average, fill.quantity, fill.price)
    is_closing = before.quantity * fill.quantity < 0
    is_over = is_closing and quantity * before.quantity <= 0
    if not is_known:
        return _Position(quantity, average if is_over else None), None
    if not is_closing:
        return _Position(quantity, average, before.points), None
    assert before.average is not None
    closed = min(abs(fill.quantity), abs(before.quantity))
    sign = 1 if before.quantity > 0 else -1
    points = before.points + (fill.price - before.average) * closed * sign
    if is_over:
        return _Position(quantity, average), points
    return replace(before, quantity=quantity, points=points), None
