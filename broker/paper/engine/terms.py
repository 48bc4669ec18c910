"""Whether the terms of an order make sense by themselves: the prices its kind needs, on the tick grid."""

from decimal import Decimal

from broker.paper.engine.requests import Leg, Refusal
from broker.paper.engine.triggers import STOPS
from broker.paper.records.rows import Action, OrderType, OrderVersion

NEEDED = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("price", "stop_price"),
    OrderType.TRAILING_STOP: ("peg_difference",),
    OrderType.MIT: ("price",),
}
OFF_GRID = Refusal("InvalidPrice", "Invalid price increment")
WRONG_PAIR = Refusal("InvalidPrice", "Wrong OCO combination")
NOT_EXITS = Refusal("Unsupported", "Bracket legs must close what their entry opens.")


def refusal_of(terms: OrderVersion, tick: Decimal) -> Refusal | None:
    """Return why no exchange would take these terms, None where one would."""
    for name in NEEDED[terms.order_type]:
        if getattr(terms, name) is None:
            return Refusal("InvalidPrice", f"{terms.order_type} orders need a {name.replace('_', ' ')}")
    prices = (terms.price, terms.stop_price, terms.peg_difference)
    if any(price is not None and price % tick for price in prices):
        return OFF_GRID
    return None


def bracket_refusal(action: Action, legs: tuple[Leg, ...]) -> Refusal | None:
    """Return why these legs do not fit an entry of this action."""
    if any(leg.action is action for leg in legs):
        return NOT_EXITS
    return pair_refusal(*legs) if len(legs) > 1 else None


def pair_refusal(one: Leg, other: Leg) -> Refusal | None:
    """Return why two orders of one action cannot both wait: a stop and a limit on the wrong sides."""
    for limit, stop in ((one, other), (other, one)):
        low, high = _stop(stop.terms), _target(limit.terms)
        if one.action is not other.action or low is None or high is None:
            continue
        if (high <= low) if one.action is Action.SELL else (high >= low):
            return WRONG_PAIR
    return None


def _target(terms: OrderVersion) -> Decimal | None:
    return terms.price if terms.order_type in (OrderType.LIMIT, OrderType.MIT) else None


def _stop(terms: OrderVersion) -> Decimal | None:
    return terms.stop_price if terms.order_type in STOPS else None


def changes_more_than_size(terms: OrderVersion, now_in_force: OrderVersion) -> bool:
    """Say whether terms differ from those in force in more than the quantity."""
    names = ("order_type", "price", "stop_price", "peg_difference", "time_in_force")
    return any(getattr(terms, name) != getattr(now_in_force, name) for name in names)
