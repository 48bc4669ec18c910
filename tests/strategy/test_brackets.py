from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.brackets import Bracket, bracket
from strategy.types import Direction
from tests.strategy.builders import FLAT, LONG, SHORT

TICK = Decimal("0.25")


@pytest.mark.parametrize(
    ("side", "stop_points", "target_points", "expected"),
    [
        (LONG, "10", "20", Bracket(Decimal(6832), Decimal(6862))),
        (SHORT, "10", "20", Bracket(Decimal(6852), Decimal(6822))),
        (LONG, "10", None, Bracket(Decimal(6832))),
        (LONG, "0.3", None, Bracket(Decimal("6841.75"))),
        (LONG, "6842", None, None),
        (SHORT, "10", "6842", None),
    ],
)
def test_side_and_distances_give_the_prices(
    side: Direction, stop_points: str, target_points: str | None, expected: Bracket | None
) -> None:
    target = None if target_points is None else Decimal(target_points)

    assert bracket(Decimal(6842), side, Decimal(stop_points), target, TICK) == expected


def test_flat_side_has_no_bracket() -> None:
    with pytest.raises(ValueError, match="flat"):
        bracket(Decimal(6842), FLAT, Decimal(10), None, TICK)


points = st.decimals("0.25", "100", places=3)


@given(
    st.decimals("200", "9000", places=2),
    st.sampled_from([LONG, SHORT]),
    points,
    points,
    st.sampled_from([Decimal("0.25"), Decimal("0.1"), Decimal("0.01")]),
)
def test_prices_lie_on_the_grid_within_half_a_tick_of_their_distance(
    reference: Decimal, side: Direction, stop_points: Decimal, target_points: Decimal, tick: Decimal
) -> None:
    found = bracket(reference, side, stop_points, target_points, tick)

    assert found is not None
    assert found.target is not None
    assert {found.stop % tick, found.target % tick} == {Decimal()}
    assert abs((reference - found.stop) * side.sign - stop_points) <= tick / 2
    assert abs((found.target - reference) * side.sign - target_points) <= tick / 2
