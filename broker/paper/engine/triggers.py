"""When an order trades: stops reached, limits met, trailing stops drawn along. Pure functions on prices."""

from decimal import Decimal

from broker.paper.records.rows import Action, OrderType, OrderVersion

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
WAITING = STOPS | {OrderType.MIT}
LIMITS = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})


def is_reached(action: Action, stop: Decimal, last: Decimal) -> bool:
    """Say whether the market stands at a stop or beyond it."""
    return last >= stop if action is Action.BUY else last <= stop


def is_met(action: Action, limit: Decimal, last: Decimal) -> bool:
    """Say whether the market trades at a limit or better."""
    return last <= limit if action is Action.BUY else last >= limit


def trailed(action: Action, stop: Decimal | None, distance: Decimal, last: Decimal) -> Decimal:
    """Return where a trailing stop stands at a price: never farther from the market than before."""
    if action is Action.BUY:
        return last + distance if stop is None else min(stop, last + distance)
    return last - distance if stop is None else max(stop, last - distance)


def is_triggered(action: Action, version: OrderVersion, stop: Decimal | None, last: Decimal) -> bool:
    """Say whether an order that waits for a price has seen it; one that waits for none always has.

    `stop` is the stop as it stands now, None where the order has none.
    """
    if version.order_type in STOPS:
        return stop is not None and is_reached(action, stop, last)
    if version.order_type is OrderType.MIT and version.price is not None:
        return is_met(action, version.price, last)
    return True


def limit_of(version: OrderVersion) -> Decimal | None:
    """Return the worst price an order takes, None where it takes any."""
    return version.price if version.order_type in LIMITS else None
