from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.rolls import Cutoffs, business_days_before, cutoffs, trade_date
from tests.strategy.builders import chicago

GOLD_NOTICE, GOLD_END, INDEX_END = date(2026, 11, 30), date(2026, 12, 29), date(2026, 12, 18)


def test_cutoffs_count_from_first_notice_where_the_contract_is_delivered() -> None:
    found = cutoffs(GOLD_END, GOLD_NOTICE, is_delivered=True, opening_days=5, flat_days=3)

    assert found == Cutoffs(no_openings_from=date(2026, 11, 23), flat_from=date(2026, 11, 25))


def test_cutoffs_count_from_the_last_day_where_it_comes_before_notice() -> None:
    found = cutoffs(GOLD_NOTICE, GOLD_END, is_delivered=True, opening_days=1, flat_days=0)

    assert found == Cutoffs(no_openings_from=date(2026, 11, 27), flat_from=GOLD_NOTICE)


def test_cutoffs_of_cash_settlement_need_no_notice() -> None:
    found = cutoffs(INDEX_END, None, is_delivered=False, opening_days=2, flat_days=1)

    assert found == Cutoffs(no_openings_from=date(2026, 12, 16), flat_from=date(2026, 12, 17))


@pytest.mark.parametrize(
    ("expires_on", "notice", "is_delivered"),
    [(None, None, False), (None, GOLD_NOTICE, True), (GOLD_END, None, True)],
)
def test_missing_date_has_no_cutoffs(
    expires_on: date | None, notice: date | None, is_delivered: bool
) -> None:
    assert cutoffs(expires_on, notice, is_delivered=is_delivered, opening_days=5, flat_days=3) is None


def test_holidays_bring_the_cutoffs_forward() -> None:
    holidays = {date(2026, 12, 25), date(2026, 12, 28)}

    found = cutoffs(GOLD_END, None, is_delivered=False, opening_days=2, flat_days=1, holidays=holidays)

    assert found == Cutoffs(no_openings_from=date(2026, 12, 23), flat_from=date(2026, 12, 24))


@given(
    day=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    count=st.integers(1, 30),
    days_before=st.sets(st.integers(1, 40), max_size=8),
)
def test_so_many_business_days_lie_between(day: date, count: int, days_before: set[int]) -> None:
    holidays = {day - timedelta(days=days) for days in days_before}

    before = business_days_before(day, count, holidays)

    between = [date.fromordinal(n) for n in range(before.toordinal(), day.toordinal())]
    assert sum(one.weekday() < 5 and one not in holidays for one in between) == count
    assert before.weekday() < 5
    assert before not in holidays


@pytest.mark.parametrize(
    ("local", "day"),
    [
        ("2026-12-15 16:59", date(2026, 12, 15)),
        ("2026-12-15 17:00", date(2026, 12, 16)),
        ("2026-12-18 15:59", date(2026, 12, 18)),
        ("2026-12-18 17:00", date(2026, 12, 21)),
        ("2026-12-20 16:00", date(2026, 12, 21)),
        ("2026-12-20 17:00", date(2026, 12, 21)),
    ],
)
def test_trade_date_begins_the_evening_before(local: str, day: date) -> None:
    assert trade_date(chicago(local)) == day
