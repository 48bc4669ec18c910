from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from strategy.machine import remember
from strategy.sessions import CHICAGO, Calendar, Holiday, parse_week
from strategy.types import Color, Cross, Direction, Entry, Event, Indicator, Memory, StandDown, State

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.NONE
BLUE, RED = Color.BLUE, Color.RED
UP, DOWN = Cross.UP, Cross.DOWN
DI, TREND = Indicator.DI, Indicator.TREND

# The states by the names that docs and tables give them.
NOTHING_YET = State(FLAT, None, False)
LONG_BLUE = State(LONG, BLUE, False)
OUT_BLUE = State(FLAT, BLUE, True)
SHORT_RED = State(SHORT, RED, False)
OUT_RED = State(FLAT, RED, True)
STOOD_DOWN_BLUE = State(FLAT, BLUE, False)
STOOD_DOWN_RED = State(FLAT, RED, False)
STATES = (NOTHING_YET, LONG_BLUE, OUT_BLUE, SHORT_RED, OUT_RED, STOOD_DOWN_BLUE, STOOD_DOWN_RED)

AGES = timedelta(days=1000)


def at(minute: float) -> datetime:
    return datetime(2026, 11, 23, 15, 0, tzinfo=UTC) + timedelta(minutes=minute)


def make_event(value: Color | Cross, minute: float, *, fired: float | None = None, key: str = "") -> Event:
    indicator = TREND if isinstance(value, Color) else DI
    fired_at = at(minute if fired is None else fired)
    return Event(key or f"{value}@{minute}", indicator, value, at(minute), fired_at)


def blue(minute: float) -> Event:
    return make_event(BLUE, minute)


def red(minute: float) -> Event:
    return make_event(RED, minute)


def up(minute: float) -> Event:
    return make_event(UP, minute)


def down(minute: float) -> Event:
    return make_event(DOWN, minute)


def flatten(minute: float, after: Indicator | None = None) -> StandDown:
    return StandDown(f"F{after or ''}@{minute}", at(minute), after, "TEST")


def arrive(entries: Iterable[Entry], base: State = NOTHING_YET, window: timedelta = AGES) -> Memory:
    """Return what is remembered after the entries came in one by one; those too old are passed over."""
    memory = Memory(base)
    for entry in entries:
        memory = remember(memory, entry, window) or memory
    return memory


CME_WEEK = parse_week(
    "Sun 17:00 - Mon 16:00\nMon 17:00 - Tue 16:00\nTue 17:00 - Wed 16:00\n"
    "Wed 17:00 - Thu 16:00\nThu 17:00 - Fri 16:00"
)


def chicago(local: str) -> datetime:
    """Return a moment told in Chicago's time."""
    return datetime.fromisoformat(local).replace(tzinfo=CHICAGO)


def make_calendar(holidays: Mapping[str, str | None] | None = None) -> Calendar:
    """Return CME's week, confirmed, with early closes by trade date; None there: no session."""
    days = {
        date.fromisoformat(day): Holiday(time.fromisoformat(closes) if closes else None, confirmed=True)
        for day, closes in (holidays or {}).items()
    }
    return Calendar(CHICAGO, CME_WEEK, days, date(2027, 12, 31))
