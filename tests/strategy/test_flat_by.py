from datetime import date, time, timedelta

import pytest

from strategy.flat_by import FlatWindow, flat_window
from strategy.sessions import Calendar
from tests.strategy.builders import chicago, make_calendar

EQUITY = make_calendar({"2026-11-26": "12:00", "2026-12-24": "12:15", "2026-12-25": None})
ENERGY = make_calendar({"2026-11-26": "13:30", "2026-12-24": "12:45", "2026-12-25": None})
AT_15_08 = time(15, 8)


def window(calendars: list[Calendar], local: str, flat_by: time = AT_15_08) -> FlatWindow | None:
    return flat_window(calendars, flat_by, chicago(local))


@pytest.mark.parametrize(
    ("flat_by", "local", "flat_at", "ends"),
    [
        (AT_15_08, "2026-11-23 09:00", "2026-11-23 15:08", "2026-11-23 16:00"),
        (AT_15_08, "2026-11-22 17:00", "2026-11-23 15:08", "2026-11-23 16:00"),
        (AT_15_08, "2026-11-23 15:59", "2026-11-23 15:08", "2026-11-23 16:00"),
        (AT_15_08, "2026-11-23 16:00", "2026-11-24 15:08", "2026-11-24 16:00"),
        # Later than the close: seven minutes before it.
        (time(17, 0), "2026-11-23 09:00", "2026-11-23 15:53", "2026-11-23 16:00"),
        (time(15, 59), "2026-11-23 09:00", "2026-11-23 15:59", "2026-11-23 16:00"),
        # A short day: seven minutes before the close, unless the time is earlier still.
        (AT_15_08, "2026-11-26 09:00", "2026-11-26 11:53", "2026-11-26 12:00"),
        (time(11, 0), "2026-11-26 09:00", "2026-11-26 11:00", "2026-11-26 12:00"),
        # No session on the 25th.
        (AT_15_08, "2026-12-24 13:00", "2026-12-28 15:08", "2026-12-28 16:00"),
    ],
)
def test_flat_by_time_and_short_days(flat_by: time, local: str, flat_at: str, ends: str) -> None:
    found = window([EQUITY], local, flat_by)

    assert found is not None
    assert (found.flat_at, found.ends) == (chicago(flat_at), chicago(ends))


def test_summer_and_winter_keep_the_same_local_time() -> None:
    winter, summer = window([EQUITY], "2026-03-06 09:00"), window([EQUITY], "2026-03-09 09:00")

    assert winter is not None
    assert summer is not None
    assert (winter.flat_at.hour, summer.flat_at.hour) == (21, 20)


def test_earliest_market_counts_until_the_last_one_closes() -> None:
    expected = FlatWindow(date(2026, 11, 26), chicago("2026-11-26 11:53"), chicago("2026-11-26 13:30"))

    assert window([EQUITY, ENERGY], "2026-11-26 09:00") == expected
    # The first market has closed already.
    assert window([EQUITY, ENERGY], "2026-11-26 12:30") == expected


def test_without_a_session_there_is_no_time_to_be_flat_by() -> None:
    assert window([], "2026-11-23 09:00") is None
    assert (
        window([make_calendar({f"2026-11-{day:02}": None for day in range(1, 31)})], "2026-11-09 09:00")
        is None
    )


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-23 14:52:59", False),
        ("2026-11-23 14:53", True),
        ("2026-11-23 15:08", True),
        ("2026-11-23 15:59:59", True),
    ],
)
def test_openings_are_refused_from_a_quarter_of_an_hour_before(local: str, expected: bool) -> None:
    found = window([EQUITY], local)

    assert found is not None
    assert found.refuses_openings(chicago(local)) is expected
    assert found.refuses_openings(found.ends) is False
    assert found.refuses_openings(found.ends - timedelta(microseconds=1)) is True
