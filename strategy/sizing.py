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
