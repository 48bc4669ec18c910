from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.sizing import contracts_at_risk, order_quantity
from strategy.types import Direction
from tests.strategy.builders import FLAT, LONG, SHORT


@pytest.mark.parametrize(
    ("held", "target", "size", "order"),
    [
        (0, LONG, 2, 2),
        (0, SHORT, 2, -2),
        (2, FLAT, 2, -2),
        (-3, FLAT, 2, 3),
        (2, SHORT, 2, -4),
        (-2, LONG, 2, 4),
        (5, SHORT, 2, -7),
        (0, FLAT, 2, 0),
        (2, LONG, 2, 0),
        (1, LONG, 2, 0),
        (5, LONG, 2, 0),
        (-1, SHORT, 2, 0),
        (-5, SHORT, 2, 0),
    ],
)
def test_held_and_target_give_the_order(held: int, target: Direction, size: int, order: int) -> None:
    assert order_quantity(held, target, size) == order


@pytest.mark.parametrize("size", [0, -1])
def test_size_below_one_contract_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least one contract"):
        order_quantity(0, LONG, size)


@given(st.integers(-50, 50), st.sampled_from(Direction), st.integers(1, 20))
def test_any_order_ends_on_the_target_at_its_size_or_leaves_the_position_alone(
    held: int, target: Direction, size: int
) -> None:
    order = order_quantity(held, target, size)

    assert Direction.of(held + order) is target
    if order == 0:
        assert Direction.of(held) is target
    else:
        assert abs(held + order) == (0 if target is FLAT else size)


@pytest.mark.parametrize(
    ("equity", "percent", "points", "value", "contracts"),
    [
        ("50000", "1", "10", "5", 10),
        ("50000", "0.99", "10", "5", 9),
        ("50000", "0.09", "10", "5", 0),
        ("0", "1", "10", "5", 0),
        ("-500", "1", "10", "5", 0),
    ],
)
def test_risk_gives_the_contracts(equity: str, percent: str, points: str, value: str, contracts: int) -> None:
    found = contracts_at_risk(Decimal(equity), Decimal(percent), Decimal(points), Decimal(value))

    assert found == contracts


@pytest.mark.parametrize(("points", "value"), [(0, 5), (-1, 5), (10, 0), (10, -1)])
def test_contract_without_risk_is_refused(points: int, value: int) -> None:
    with pytest.raises(ValueError, match="no risk per contract"):
        contracts_at_risk(Decimal(50000), Decimal(1), Decimal(points), Decimal(value))


amounts = st.decimals("0.01", "1000000", places=2)


@given(amounts, st.decimals("0.01", "100", places=2), st.decimals("0.01", "500", places=2), amounts)
def test_stop_of_the_contracts_costs_the_risk_at_most_and_one_more_would_cost_more(
    equity: Decimal, percent: Decimal, points: Decimal, value: Decimal
) -> None:
    contracts = contracts_at_risk(equity, percent, points, value)

    risk, each = equity * percent / 100, points * value
    assert contracts * each <= risk < (contracts + 1) * each
