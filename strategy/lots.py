from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Lot:
    """Contracts held from one fill, signed, at a price in points; None where nobody here knows the price."""

    quantity: int
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Matched:
    """What a fill did to the lots: those left, how many contracts it closed, and the points they gained.

    `points` is times contracts, negative where lost, None where it closed a lot without a price.
    """

    lots: tuple[Lot, ...]
    closed: int
    points: Decimal | None


def match(lots: tuple[Lot, ...], quantity: int, price: Decimal) -> Matched:
    """Return what a fill of signed contracts at a price in points does: it closes the oldest lots first.

    Lots are all of one side. What is left of the fill becomes a lot.
    """
    left, points, closed = list(lots), Decimal(), 0
    unknown = False
    while quantity and left and left[0].quantity * quantity < 0:
        oldest = left.pop(0)
        count = min(abs(oldest.quantity), abs(quantity))
        sign = 1 if oldest.quantity > 0 else -1
        if oldest.price is None:
            unknown = True
        else:
            points += (price - oldest.price) * count * sign
        closed += count
        quantity += count * sign
        if rest := oldest.quantity - count * sign:
            left.insert(0, Lot(rest, oldest.price))
    if quantity:
        left.append(Lot(quantity, price))
    return Matched(tuple(left), closed, None if unknown else points)


def held(lots: tuple[Lot, ...]) -> int:
    """Return the signed contracts of some lots."""
    return sum(lot.quantity for lot in lots)


def points_open(lots: tuple[Lot, ...], price: Decimal) -> Decimal | None:
    """Return the points that lots would gain if closed at a price, times contracts.

    None where the price of one is not known.
    """
    gains = [None if lot.price is None else (price - lot.price) * lot.quantity for lot in lots]
    return None if None in gains else sum((gain for gain in gains if gain is not None), Decimal())
