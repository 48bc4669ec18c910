from datetime import UTC, datetime

import pytest

from strategy.types import Color, Cross, Direction, Event, Indicator, StandDown
from tests.strategy.builders import at

NAIVE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("direction", "sign"), [(Direction.NONE, 0), (Direction.LONG, 1), (Direction.SHORT, -1)]
)
def test_direction_has_the_sign_of_its_quantity(direction: Direction, sign: int) -> None:
    assert direction.sign == sign
    assert Direction.of(sign) is direction
    assert Direction.of(sign * 7) is direction


@pytest.mark.parametrize(
    ("indicator", "value"),
    [(Indicator.DI, Color.BLUE), (Indicator.TREND, Cross.UP)],
)
def test_event_with_a_value_of_the_other_indicator_is_refused(
    indicator: Indicator, value: Color | Cross
) -> None:
    with pytest.raises(ValueError, match="cannot report"):
        Event("k", indicator, value, at(10), at(10))


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        Event("k", Indicator.DI, Cross.UP, NAIVE, at(10))
    with pytest.raises(ValueError, match="without a zone"):
        Event("k", Indicator.DI, Cross.UP, at(10), NAIVE)
    with pytest.raises(ValueError, match="without a zone"):
        StandDown("k", NAIVE, None, "TEST")
