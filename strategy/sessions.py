import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHICAGO = ZoneInfo("America/Chicago")
DAILY_OPEN, DAILY_CLOSE = time(17, 0), time(16, 0)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# A session is looked for so far ahead: longer than any holiday.
LOOK_AHEAD_DAYS = 14
_LINE = re.compile(rf"({'|'.join(DAYS)}) (\d\d:\d\d) - ({'|'.join(DAYS)}) (\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """One session of the regular week, in exchange time. Days count from Monday, 0.

    The day it closes on is its trade date.
    """

    open_day: int
    opens: time
    close_day: int
    closes: time


@dataclass(frozen=True, slots=True)
class Holiday:
    """What differs on a trade date: it closes early, or with `closes` None has no session at all."""

    closes: time | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions of a market: a regular week, the trade dates that differ, and how far a person looked.

    Times are in `zone`. A day after `confirmed_through` is not confirmed, whether a holiday is known or not.
    """

    zone: ZoneInfo
    week: tuple[Hours, ...]
    holidays: Mapping[date, Holiday]
    confirmed_through: date | None


@dataclass(frozen=True, slots=True)
class Session:
    """One session: from `opens` until before `closes`, aware UTC. `is_short` on a day that closes early."""

    trade_date: date
    opens: datetime
    closes: datetime
    is_short: bool


def parse_week(text: str) -> tuple[Hours, ...]:
    """Return a week from lines such as `Sun 17:00 - Mon 16:00`, in exchange time.

    Raises ValueError for a line that is none, two sessions of one trade date, or no line at all.
    """
    week = tuple(_parse_line(line.strip()) for line in text.splitlines() if line.strip())
    if not week or len({hours.close_day for hours in week}) < len(week):
        raise ValueError("a week has at least one session, and one for each day that it closes on")
    return week


def session_on(calendar: Calendar, trade_date: date) -> Session | None:
    """Return the session of a trade date, None where there is none."""
    hours = next((hours for hours in calendar.week if hours.close_day == trade_date.weekday()), None)
    holiday = calendar.holidays.get(trade_date)
    closes = holiday.closes if holiday else hours.closes if hours else None
    if hours is None or closes is None:
        return None
    opening_date = trade_date - timedelta(days=(hours.close_day - hours.open_day) % 7)
    session = Session(
        trade_date,
        _moment(calendar, opening_date, hours.opens),
        _moment(calendar, trade_date, closes),
        is_short=closes < hours.closes,
    )
    return session if session.opens < session.closes else None


def current_or_next(calendar: Calendar, at: datetime) -> Session | None:
    """Return the session that is open at an aware time, else the next one within two weeks."""
    return next((session for session in _sessions(calendar, at) if at < session.closes), None)


def session_open(calendar: Calendar, at: datetime) -> bool:
    """Tell whether a market is open at an aware time."""
    session = current_or_next(calendar, at)
    return session is not None and session.opens <= at


def next_close(calendar: Calendar, at: datetime) -> datetime | None:
    """Return when the session closes that is open at an aware time, or else the next one. Aware UTC."""
    session = current_or_next(calendar, at)
    return session.closes if session else None


def minutes_to_close(calendar: Calendar, at: datetime) -> float | None:
    """Return the minutes until the session closes that is open at an aware time, None while it is closed."""
    session = current_or_next(calendar, at)
    if session is None or at < session.opens:
        return None
    return (session.closes - at).total_seconds() / 60


def time_open(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """Return for how long a market was open between two aware times, two weeks after the first at most."""
    spans = (
        min(session.closes, end) - max(session.opens, start)
        for session in _sessions(calendar, start)
        if session.opens < end and session.closes > start
    )
    return sum(spans, timedelta())


def first_unconfirmed(calendar: Calendar, on: date, days: int) -> date | None:
    """Return the first of the `days` days from `on` that nobody has confirmed, None when all are."""
    for day in (on + timedelta(days=ahead) for ahead in range(days)):
        holiday = calendar.holidays.get(day)
        is_covered = calendar.confirmed_through is not None and day <= calendar.confirmed_through
        if not is_covered or (holiday is not None and not holiday.confirmed):
            return day
    return None


def _parse_line(line: str) -> Hours:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"“{line}” is not written like “Sun 17:00 - Mon 16:00”")
    open_day, opens, close_day, closes = match.groups()
    return Hours(
        DAYS.index(open_day), time.fromisoformat(opens), DAYS.index(close_day), time.fromisoformat(closes)
    )


def _sessions(calendar: Calendar, at: datetime) -> Iterator[Session]:
    """Yield the sessions that close on the day of an aware time or in the two weeks after it."""
    today = at.astimezone(calendar.zone).date()
    for ahead in range(LOOK_AHEAD_DAYS + 1):
        session = session_on(calendar, today + timedelta(days=ahead))
        if session is not None:
            yield session


def _moment(calendar: Calendar, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, calendar.zone).astimezone(UTC)


def next_daily_close(at: datetime) -> datetime:
    """Return the next 16:00 in Chicago after an aware time, in the zone of that time."""
    local = at.astimezone(CHICAGO)
    close = datetime.combine(local.date(), DAILY_CLOSE, CHICAGO)
    if close <= local:
        close = datetime.combine(local.date() + timedelta(days=1), DAILY_CLOSE, CHICAGO)
    return close.astimezone(at.tzinfo)


def session_start(at: datetime) -> datetime:
    """Return when the session of an aware time began by the regular week: 17:00 Chicago, Sunday to Thursday.

    The daily break and the weekend belong to the session before them.
    """
    local = at.astimezone(CHICAGO)
    day = local.date() if local.time() >= DAILY_OPEN else local.date() - timedelta(days=1)
    while DAYS[day.weekday()] in ("Fri", "Sat"):
        day -= timedelta(days=1)
    return datetime.combine(day, DAILY_OPEN, CHICAGO)
