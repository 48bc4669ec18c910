from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.sessions import (
    CHICAGO,
    Calendar,
    Holiday,
    Hours,
    Session,
    current_or_next,
    first_unconfirmed,
    minutes_to_close,
    next_close,
    parse_week,
    session_on,
    session_open,
    session_start,
    time_open,
)
from tests.strategy.builders import CME_WEEK, chicago, make_calendar

WEEK = make_calendar()
THANKSGIVING = make_calendar({"2026-11-26": "12:00", "2026-11-27": "12:15"})
CHRISTMAS = make_calendar({"2026-12-24": "12:15", "2026-12-25": None})


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
    assert session_open(WEEK, chicago(local)) is expected


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
    assert session_open(WEEK, datetime.fromisoformat(moment)) is expected


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland"]),
)
def test_zone_that_a_moment_is_told_in_does_not_matter(minutes: int, zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

    assert session_open(WEEK, moment.astimezone(ZoneInfo(zone))) is session_open(WEEK, moment)


@pytest.mark.parametrize(("monday", "hours"), [("2026-11-23", 115), ("2026-03-02", 115), ("2026-10-26", 115)])
def test_every_week_has_the_same_open_hours(monday: str, hours: int) -> None:
    start = chicago(f"{monday} 00:00")
    # From Monday to Monday, an hour more or less where the clock changes on the Sunday between.
    end = (datetime.fromisoformat(monday) + timedelta(days=7)).replace(tzinfo=CHICAGO)

    assert time_open(WEEK, start, end) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("calendar", "local", "expected"),
    [
        (THANKSGIVING, "2026-11-26 11:59", True),
        (THANKSGIVING, "2026-11-26 12:00", False),
        (THANKSGIVING, "2026-11-26 17:00", True),
        (THANKSGIVING, "2026-11-27 12:14", True),
        (THANKSGIVING, "2026-11-27 12:15", False),
        (THANKSGIVING, "2026-11-29 17:00", True),
        (CHRISTMAS, "2026-12-24 12:15", False),
        (CHRISTMAS, "2026-12-24 17:00", False),
        (CHRISTMAS, "2026-12-25 10:00", False),
        (CHRISTMAS, "2026-12-27 16:59", False),
        (CHRISTMAS, "2026-12-27 17:00", True),
    ],
)
def test_holiday_closes_early_or_takes_the_whole_session(
    calendar: Calendar, local: str, expected: bool
) -> None:
    assert session_open(calendar, chicago(local)) is expected


def test_session_belongs_to_the_day_it_closes_on() -> None:
    assert session_on(WEEK, date(2026, 11, 23)) == Session(
        date(2026, 11, 23), chicago("2026-11-22 17:00"), chicago("2026-11-23 16:00"), is_short=False
    )
    assert session_on(THANKSGIVING, date(2026, 11, 26)) == Session(
        date(2026, 11, 26), chicago("2026-11-25 17:00"), chicago("2026-11-26 12:00"), is_short=True
    )
    assert session_on(CHRISTMAS, date(2026, 12, 25)) is None
    assert session_on(WEEK, date(2026, 11, 28)) is None


def test_holiday_on_a_day_without_a_session_makes_none() -> None:
    assert session_on(make_calendar({"2026-11-28": "12:00"}), date(2026, 11, 28)) is None


@pytest.mark.parametrize(
    ("local", "close", "minutes"),
    [
        ("2026-12-23 15:00", "2026-12-23 16:00", 60.0),
        ("2026-12-23 16:30", "2026-12-24 12:15", None),
        ("2026-12-24 12:14:30", "2026-12-24 12:15", 0.5),
        ("2026-12-24 12:15", "2026-12-28 16:00", None),
    ],
)
def test_close_is_that_of_the_open_session_or_of_the_next(
    local: str, close: str, minutes: float | None
) -> None:
    assert next_close(CHRISTMAS, chicago(local)) == chicago(close)
    assert minutes_to_close(CHRISTMAS, chicago(local)) == minutes


def test_market_that_never_opens_has_no_close() -> None:
    closed = make_calendar({f"2026-11-{day:02}": None for day in range(1, 31)})

    assert next_close(closed, chicago("2026-11-09 10:00")) is None
    assert minutes_to_close(closed, chicago("2026-11-09 10:00")) is None
    assert session_open(closed, chicago("2026-11-09 10:00")) is False


def test_time_open_leaves_out_what_is_closed() -> None:
    friday, sunday = chicago("2026-11-27 12:00"), chicago("2026-11-29 17:10")

    assert time_open(THANKSGIVING, friday, sunday) == timedelta(minutes=25)
    assert time_open(THANKSGIVING, friday, friday) == timedelta()
    assert time_open(THANKSGIVING, sunday, friday) == timedelta()


@given(start=st.integers(0, 400 * 24 * 60), first=st.integers(0, 3000), second=st.integers(0, 3000))
def test_time_open_adds_up(start: int, first: int, second: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    middle = begin + timedelta(minutes=first)
    end = middle + timedelta(minutes=second)

    assert time_open(CHRISTMAS, begin, middle) + time_open(CHRISTMAS, middle, end) == time_open(
        CHRISTMAS, begin, end
    )


@given(minutes=st.integers(0, 2 * 366 * 24 * 60))
def test_open_market_has_a_session_around_the_moment_and_a_closed_one_has_none(minutes: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    session = current_or_next(CHRISTMAS, at)

    assert session is not None
    assert at < session.closes
    assert session_open(CHRISTMAS, at) is (session.opens <= at)


@pytest.mark.parametrize(
    ("confirmed_through", "unconfirmed", "expected"),
    [
        ("2026-12-07", set(), None),
        ("2026-12-06", set(), "2026-12-07"),
        (None, set(), "2026-11-24"),
        ("2026-12-31", {"2026-11-26"}, "2026-11-26"),
        ("2026-12-31", {"2026-11-23"}, None),
        ("2026-12-31", {"2026-12-08"}, None),
    ],
)
def test_first_day_that_nobody_confirmed(
    confirmed_through: str | None, unconfirmed: set[str], expected: str | None
) -> None:
    calendar = Calendar(
        CHICAGO,
        CME_WEEK,
        {date.fromisoformat(day): Holiday(time(12), confirmed=False) for day in unconfirmed},
        date.fromisoformat(confirmed_through) if confirmed_through else None,
    )

    found = first_unconfirmed(calendar, date(2026, 11, 24), 14)

    assert found == (date.fromisoformat(expected) if expected else None)


def test_week_is_read_from_lines() -> None:
    text = "Sun 17:00 - Mon 16:00\n\n  Fri 08:30 - Fri 15:00  \n"

    assert parse_week(text) == (
        Hours(6, time(17), 0, time(16)),
        Hours(4, time(8, 30), 4, time(15)),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Sun 17:00 to Mon 16:00",
        "Sun 17:00 - Mon 25:00",
        "Son 17:00 - Mon 16:00",
        "Sun 5pm - Mon 4pm",
        "Sun 17:00 - Mon 16:00\nMon 01:00 - Mon 02:00",
    ],
)
def test_text_that_is_no_week_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"week|written|hour"):
        parse_week(text)


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
