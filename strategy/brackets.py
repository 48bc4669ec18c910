from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from strategy.types import Direction


@dataclass(frozen=True, slots=True)
class Bracket:
    """The prices in points at which a position is closed: at a loss by the stop, at a gain by the target."""

    stop: Decimal
    target: Decimal | None = None


def bracket(
    reference: Decimal, side: Direction, stop_points: Decimal, target_points: Decimal | None, tick: Decimal
) -> Bracket | None:
    """Return the bracket of a position on `side`, so many points from `reference`, on the nearest ticks.

    None where a price would not be above zero. Raises ValueError for a flat side, which has none.
    """
    if side is Direction.NONE:
        raise ValueError("a flat position has no bracket")
    stop = _on_tick(reference - side.sign * stop_points, tick)
    target = None if target_points is None else _on_tick(reference + side.sign * target_points, tick)
    if stop <= 0 or (target is not None and target <= 0):
        return None
    return Bracket(stop, target)


def _on_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick
