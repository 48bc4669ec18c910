from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import at
from tests.fakes import START
from tradedesk.admin.result import Result
from tradedesk.models.ids import new_id
from tradedesk.selectors.ledger import Entry, Total

ACCOUNT = new_id()
YESTERDAY, DAY = date(2026, 11, 20), date(2026, 11, 23)


def result(*nets: str, equity: str | None = None, still_open: str = "0") -> Result:
    """Return a result of fills a minute apart that brought so many dollars."""
    entries = [_entry(at(minute), Decimal(dollars)) for minute, dollars in enumerate(nets)]
    days = {DAY: Total(START)} if entries else {}
    for entry in entries:
        days[DAY].count(entry)
    return Result(
        realised=sum(map(Decimal, nets), Decimal()),
        open=Decimal(still_open),
        equity=None if equity is None else Decimal(equity),
        equity_read_at=None,
        broker_profit=None,
        days=days,
        latest_entries=entries,
        today=entries,
        lacking="",
    )


def _entry(moment: datetime, dollars: Decimal) -> Entry:
    return Entry(
        fill_id=new_id(),
        at=moment,
        day=DAY,
        account_id=ACCOUNT,
        bot_id=None,
        order_id=ACCOUNT,
        contract="MESZ6",
        quantity=1,
        price=Decimal(6800),
        closed=1,
        points=dollars / 5,
        gross=dollars,
        fee=Decimal(),
    )


def test_days_before_the_last_fills_are_one_point_each() -> None:
    found = replace(result("10", "-4"), days={YESTERDAY: Total(at(-9), gross=Decimal(30), fees=Decimal(2))})

    assert [value for _, value in found.curve] == [28, 38, 34]


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
