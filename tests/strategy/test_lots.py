from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.lots import Lot, Matched, held, match, points_open

FILLS = st.lists(
    st.tuples(st.integers(-5, 5).filter(bool), st.decimals(1, 9999, places=2, allow_nan=False)), max_size=30
)


def lots(*pairs: tuple[int, str | None]) -> tuple[Lot, ...]:
    return tuple(Lot(quantity, None if price is None else Decimal(price)) for quantity, price in pairs)


@pytest.mark.parametrize(
    ("before", "fill", "after"),
    [
        (lots(), (2, "100"), Matched(lots((2, "100")), 0, Decimal())),
        (lots((1, "100")), (1, "102"), Matched(lots((1, "100"), (1, "102")), 0, Decimal())),
        (lots((1, "100"), (1, "102")), (-1, "103"), Matched(lots((1, "102")), 1, Decimal(3))),
        (lots((2, "100"), (2, "102")), (-3, "101"), Matched(lots((1, "102")), 3, Decimal(1))),
        (lots((-2, "100")), (1, "99.5"), Matched(lots((-1, "100")), 1, Decimal("0.5"))),
        (lots((1, "100")), (-3, "90"), Matched(lots((-2, "90")), 1, Decimal(-10))),
        (lots((1, None), (1, "100")), (-2, "90"), Matched(lots(), 2, None)),
    ],
)
def test_fill_closes_the_oldest_first_and_turns_with_what_is_left(
    before: tuple[Lot, ...], fill: tuple[int, str], after: Matched
) -> None:
    quantity, price = fill

    assert match(before, quantity, Decimal(price)) == after


@given(fills=FILLS, mark=st.decimals(1, 9999, places=2, allow_nan=False))
def test_points_closed_and_open_are_what_was_got_less_what_was_paid(
    fills: list[tuple[int, Decimal]], mark: Decimal
) -> None:
    left: tuple[Lot, ...] = ()
    closed = Decimal()
    for quantity, price in fills:
        matched = match(left, quantity, price)
        left, closed = matched.lots, closed + (matched.points or Decimal())

    paid = sum((quantity * price for quantity, price in fills), Decimal())
    assert held(left) == sum(quantity for quantity, _ in fills)
    assert closed + (points_open(left, mark) or Decimal()) == held(left) * mark - paid


def test_lot_without_a_price_leaves_the_open_points_unknown() -> None:
    assert points_open(lots((1, "100"), (1, None)), Decimal(101)) is None
