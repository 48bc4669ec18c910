from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.sessions import CHICAGO, is_open, session_start


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        # A week in November, standard time; 22 November 2026 is a Sunday.
        ("2026-11-22 00:00", False),
        ("2026-11-22 16:59:59.999999", False),
        ("2026-11-22 17:00", True),
        ("2026-11-22 23:59", True),
        ("2026-11-23 00:00", True),
        ("2026-11-23 15:59:59.999999", True),
        ("2026-11-23 16:00", False),
        ("2026-11-23 16:59:59.999999", False),
        ("2026-11-23 17:00", True),
        ("2026-11-26 16:30", False),
        ("2026-11-26 17:00", True),
        ("2026-11-27 15:59", True),
        ("2026-11-27 16:00", False),
        ("2026-11-27 17:00", False),
        ("2026-11-27 23:59", False),
        ("2026-11-28 00:00", False),
        ("2026-11-28 12:00", False),
        ("2026-11-28 23:59", False),
    ],
)
def test_week_is_open_from_sunday_evening_to_friday_afternoon(local: str, expected: bool) -> None:
    assert is_open(datetime.fromisoformat(local).replace(tzinfo=CHICAGO)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # The Friday before summer time begins (8 March 2026): closes at 22:00 UTC.
        ("2026-03-06T21:59:59Z", True),
        ("2026-03-06T22:00:00Z", False),
        # The Sunday on which it begins: opens at 22:00 UTC, not at 23:00.
        ("2026-03-08T21:59:59Z", False),
        ("2026-03-08T22:00:00Z", True),
        ("2026-03-09T20:59:59Z", True),
        ("2026-03-09T21:00:00Z", False),
        ("2026-03-09T21:59:59Z", False),
        ("2026-03-09T22:00:00Z", True),
        # The Friday before summer time ends (1 November 2026), and the Sunday on which it does.
        ("2026-10-30T20:59:59Z", True),
        ("2026-10-30T21:00:00Z", False),
        ("2026-11-01T22:59:59Z", False),
        ("2026-11-01T23:00:00Z", True),
        ("2026-11-02T21:59:59Z", True),
        ("2026-11-02T22:00:00Z", False),
        ("2026-11-02T23:00:00Z", True),
    ],
)
def test_hours_follow_chicago_through_both_changes_of_the_clock(moment: str, expected: bool) -> None:
    assert is_open(datetime.fromisoformat(moment)) is expected


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland"]),
)
def test_zone_that_a_moment_is_told_in_does_not_matter(minutes: int, zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

    assert is_open(moment.astimezone(ZoneInfo(zone))) is is_open(moment)


@pytest.mark.parametrize(("monday", "hours"), [("2026-11-23", 115), ("2026-03-02", 115), ("2026-10-26", 115)])
def test_every_week_has_the_same_open_hours(monday: str, hours: int) -> None:
    start = datetime.fromisoformat(monday).replace(tzinfo=CHICAGO).astimezone(UTC)
    # From Monday to Monday, an hour more or less where the clock changes on the Sunday between.
    end = (datetime.fromisoformat(monday) + timedelta(days=7)).replace(tzinfo=CHICAGO).astimezone(UTC)
    length = int((end - start).total_seconds() // 60)

    minutes = sum(is_open(start + timedelta(minutes=minute)) for minute in range(length))

    assert minutes == hours * 60


@pytest.mark.parametrize(
    ("moment", "start"),
    [
        # Monday, the daily break included, belongs to Sunday evening.
        ("2026-11-23T15:00:00Z", "2026-11-22T23:00:00Z"),
        ("2026-11-23T22:59:59Z", "2026-11-22T23:00:00Z"),
        ("2026-11-23T23:00:00Z", "2026-11-23T23:00:00Z"),
        ("2026-11-24T05:00:00Z", "2026-11-23T23:00:00Z"),
        # From Friday's close to Sunday evening no session begins.
        ("2026-11-27T15:00:00Z", "2026-11-26T23:00:00Z"),
        ("2026-11-27T23:30:00Z", "2026-11-26T23:00:00Z"),
        ("2026-11-29T12:00:00Z", "2026-11-26T23:00:00Z"),
        ("2026-11-29T22:59:59Z", "2026-11-26T23:00:00Z"),
        ("2026-11-29T23:00:00Z", "2026-11-29T23:00:00Z"),
        # Summer time.
        ("2026-07-01T15:00:00Z", "2026-06-30T22:00:00Z"),
    ],
)
def test_session_begins_at_five_in_the_afternoon_in_chicago(moment: str, start: str) -> None:
    assert session_start(datetime.fromisoformat(moment)) == datetime.fromisoformat(start)
