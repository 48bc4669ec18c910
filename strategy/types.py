from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Color(StrEnum):
    """The two colours of the Trend Validator: BLUE is bullish, RED is bearish."""

    BLUE = "BLUE"
    RED = "RED"


class Cross(StrEnum):
    """The two crossings of the Directional Movement Index: UP is DI+ above DI-, DOWN the reverse."""

    UP = "UP"
    DOWN = "DOWN"


class Direction(StrEnum):
    """The side of a position or of a target; NONE is flat."""

    NONE = "NONE"
    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """Return 0 for NONE, 1 for LONG, -1 for SHORT."""
        return {Direction.NONE: 0, Direction.LONG: 1, Direction.SHORT: -1}[self]

    @classmethod
    def of(cls, quantity: int) -> "Direction":
        """Return the side of a signed number of contracts: long above zero, short below, NONE at zero."""
        if quantity == 0:
            return cls.NONE
        return cls.LONG if quantity > 0 else cls.SHORT


class Indicator(StrEnum):
    """The indicator that an event comes from. FILTER is the trend of another, longer timeframe."""

    TREND = "TREND"
    DI = "DI"
    FILTER = "FILTER"


class Filter(StrEnum):
    """What the filter lets open: anything where there is none, nothing before its first colour."""

    OFF = "OFF"
    UNKNOWN = "UNKNOWN"
    BLUE = "BLUE"
    RED = "RED"

    def lets_open(self, color: Color) -> bool:
        """Tell whether a position on a colour's side may be opened."""
        return self is Filter.OFF or self.value == color.value


class Action(StrEnum):
    """What a decision asks for, given the position held and the target."""

    ENTER_LONG = "ENTER_LONG"
    ENTER_SHORT = "ENTER_SHORT"
    REVERSE_TO_LONG = "REVERSE_TO_LONG"
    REVERSE_TO_SHORT = "REVERSE_TO_SHORT"
    EXIT = "EXIT"
    REENTER_LONG = "REENTER_LONG"
    REENTER_SHORT = "REENTER_SHORT"
    NONE = "NONE"


class NoChange(StrEnum):
    """Why an event left the target where it was."""

    SAME_COLOR = "SAME_COLOR"  # the trend already had this colour
    NO_TREND_YET = "NO_TREND_YET"  # a cross before the first colour
    CROSS_WITH_TREND = "CROSS_WITH_TREND"  # a cross toward the position already held
    NOT_WAITING = "NOT_WAITING"  # a cross with the trend while flat, but no re-entry is awaited
    ALREADY_OUT = "ALREADY_OUT"  # a cross against the trend while already flat
    FILTER_COLOR = "FILTER_COLOR"  # a colour of the filter
    LATE_NO_EFFECT = "LATE_NO_EFFECT"  # a late event that later ones outweigh


@dataclass(frozen=True, slots=True)
class Event:
    """A fact reported by an indicator.

    `key` identifies it: a second event with the same key adds nothing. `effective_at` and `fired_at` are
    aware UTC. Raises ValueError for a naive time, or a value that the indicator cannot have.
    """

    key: str
    indicator: Indicator
    value: Color | Cross
    effective_at: datetime
    fired_at: datetime

    def __post_init__(self) -> None:
        expected = Cross if self.indicator == Indicator.DI else Color
        if not isinstance(self.value, expected):
            raise ValueError(f"{self.indicator} cannot report {self.value!r}")
        _require_aware(self.effective_at)
        _require_aware(self.fired_at)


@dataclass(frozen=True, slots=True)
class StandDown:
    """A forced flat: flat and not waiting until the next colour change.

    One that answers a refused opening takes `effective_at` and, as `after`, the indicator of the newest event
    in the fold it answers, and sorts right behind the events of that rank. `after=None`, a person's flatten,
    sorts last at its time. `effective_at` is aware UTC. Raises ValueError for a naive time.
    """

    key: str
    effective_at: datetime
    after: Indicator | None
    reason: str

    def __post_init__(self) -> None:
        _require_aware(self.effective_at)


type Entry = Event | StandDown


@dataclass(frozen=True, slots=True)
class State:
    """What the events amount to: the target position, the trend's colour, whether re-entry is awaited, and
    what the filter lets open.
    """

    position: Direction = Direction.NONE
    color: Color | None = None
    waiting: bool = False
    filter: Filter = Filter.OFF


@dataclass(frozen=True, slots=True)
class Memory:
    """What a bot remembers: the state of everything older than the window, and the entries since.

    `entries` are in the order of `machine.sort_key` with one entry per key; `machine.memory_of` and
    `machine.remember` keep it so. `filter_timeframe` is that of the filter, "" for none.
    """

    base: State = State()
    entries: tuple[Entry, ...] = ()
    filter_timeframe: str = ""


def _require_aware(moment: datetime) -> None:
    if moment.utcoffset() is None:
        raise ValueError(f"time without a zone: {moment!r}")
