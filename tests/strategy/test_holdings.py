from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.holdings import apply_fill


def d(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(
    ("quantity", "average", "traded", "price", "expected"),
    [
        (0, None, 1, "100", (1, "100")),
        (0, None, -2, "100", (-2, "100")),
        (1, "100", 1, "110", (2, "105")),
        (1, "100", 2, "106", (3, "104")),
        (-1, "100", -1, "90", (-2, "95")),
        (3, "100", -1, "200", (2, "100")),
        (-3, "100", 2, "50", (-1, "100")),
        (1, "100", -1, "110", (0, None)),
        (-2, "100", 2, "90", (0, None)),
        (1, "100", -2, "110", (-1, "110")),
        (-1, "100", 3, "90", (2, "90")),
        (2, None, 1, "100", (3, "100")),
        (1, "-37.63", 1, "-30", (2, "-33.815")),
    ],
)
def test_fill_moves_the_position_and_its_average_price(
    quantity: int, average: str | None, traded: int, price: str, expected: tuple[int, str | None]
) -> None:
    total, result = apply_fill(quantity, None if average is None else d(average), traded, d(price))

    assert (total, result) == (expected[0], None if expected[1] is None else d(expected[1]))


sizes = st.integers(-5, 5).filter(bool)
prices = st.integers(-20_000, 20_000).map(lambda ticks: Decimal(ticks) / 4)
fills = st.lists(st.tuples(sizes, prices), max_size=12)


@given(fills=fills)
def test_quantity_is_the_sum_of_the_fills_and_only_flat_has_no_price(
    fills: list[tuple[int, Decimal]],
) -> None:
    quantity, average = 0, None
    for traded, price in fills:
        quantity, average = apply_fill(quantity, average, traded, price)

    assert quantity == sum(traded for traded, _ in fills)
    assert (average is None) is (quantity == 0)


@given(
    fills=st.lists(st.tuples(st.integers(1, 5), prices), min_size=1, max_size=12),
    side=st.sampled_from([1, -1]),
)
def test_fills_of_one_side_average_by_their_size(fills: list[tuple[int, Decimal]], side: int) -> None:
    quantity, average = 0, None
    for traded, price in fills:
        quantity, average = apply_fill(quantity, average, side * traded, price)

    worth = sum((Fraction(price) * traded for traded, price in fills), Fraction())
    exact = worth / sum(traded for traded, _ in fills)
    assert average is not None
    assert abs(Fraction(average) - exact) < Fraction(1, 10**15)


@given(fills=fills, traded=sizes, price=prices)
def test_average_stays_between_the_prices_that_made_it(
    fills: list[tuple[int, Decimal]], traded: int, price: Decimal
) -> None:
    quantity, average = 0, None
    for size, paid in [*fills, (traded, price)]:
        quantity, average = apply_fill(quantity, average, size, paid)

    if average is not None:
        paid_prices = [paid for _, paid in fills] + [price]
        assert min(paid_prices) <= average <= max(paid_prices)
