from decimal import Decimal

from strategy.types import Direction


def order_quantity(held: int, target: Direction, size: int) -> int:
    """Return the contracts to trade, above zero to buy and below to sell, that take `held` to the target.

    Zero when the position is already on the target's side: a held position is never added to or trimmed.
    Raises ValueError for a `size` (contracts per opening) below one.
    """
    if size < 1:
        raise ValueError(f"size must be at least one contract: {size}")
    if Direction.of(held) == target:
        return 0
    return target.sign * size - held


def contracts_at_risk(
    equity: Decimal, risk_percent: Decimal, stop_points: Decimal, point_value: Decimal
) -> int:
    """Return the most contracts whose stop, `stop_points` away, costs `risk_percent` of `equity` at most.

    Equity is in dollars, `point_value` in dollars per point and contract. Zero where one contract risks too
    much already, or there is no equity. Raises ValueError unless distance and point value are above zero.
    """
    if stop_points <= 0 or point_value <= 0:
        raise ValueError(f"no risk per contract: {stop_points} points at {point_value}")
    return max(0, int(equity * risk_percent / 100 // (stop_points * point_value)))
