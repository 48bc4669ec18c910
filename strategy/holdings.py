from decimal import Decimal


def apply_fill(
    quantity: int, average_price: Decimal | None, traded: int, price: Decimal
) -> tuple[int, Decimal | None]:
    """Return signed contracts held and their average price after `traded` signed contracts at `price` points.

    Adding averages the price, reducing keeps it, crossing zero takes the price of the fill, flat has none.
    """
    total = quantity + traded
    if total == 0:
        return 0, None
    if quantity == 0 or average_price is None or (quantity > 0) != (total > 0):
        return total, price
    if abs(total) < abs(quantity):
        return total, average_price
    return total, (average_price * abs(quantity) + price * abs(traded)) / abs(total)
