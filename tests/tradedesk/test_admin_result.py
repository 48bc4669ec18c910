from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import at
from tradedesk.admin.result import Result
from tradedesk.models.ids import new_id
from tradedesk.selectors.profit import Entry

ACCOUNT = new_id()


def result(*nets: str, equity: str | None = None, still_open: str = "0") -> Result:
    """Return a result of fills a minute apart that brought so many dollars."""
    entries = [
        Entry(at(minute), ACCOUNT, None, "MESZ6", 1, Decimal(dollars), Decimal())
        for minute, dollars in enumerate(nets)
    ]
    worth = None if equity is None else Decimal(equity)
    return Result(
        sum(map(Decimal, nets), Decimal()), Decimal(still_open), worth, None, None, entries, entries, ""
    )


def test_curve_ends_at_the_equity_less_what_is_open() -> None:
    found = result("10", "-4", "6", equity="50020", still_open="8")

    assert [value for _, value in found.curve] == [50010, 50006, 50012]
    assert found.latest == 50020
    assert found.drawdown == 0
    assert found.max_drawdown == -4
    assert found.percent is not None
    assert round(found.percent, 3) == Decimal("0.040")
    assert found.won == 67


def test_curve_without_equity_is_the_result_alone() -> None:
    found = result("10", "-4", still_open="-3")

    assert [value for _, value in found.curve] == [10, 6]
    assert found.latest == 3
    assert found.drawdown == found.max_drawdown == -7
    assert found.percent is None


def test_result_without_fills_has_no_curve() -> None:
    assert result().curve == []
    assert result().won is None
    assert result().max_drawdown == 0


@given(nets=st.lists(st.integers(-500, 500), min_size=1, max_size=40))
def test_max_drawdown_is_the_deepest_fall_between_any_two_points(nets: list[int]) -> None:
    found = result(*map(str, nets))

    values = [value for _, value in found.curve]
    deepest = min([0.0, *(later - early for n, early in enumerate(values) for later in values[n:])])
    assert float(found.max_drawdown) == deepest
    assert all(early < late for (early, _), (late, _) in pairwise(found.curve))
