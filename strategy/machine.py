from bisect import insort
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from operator import attrgetter

from strategy.types import (
    Action,
    Color,
    Cross,
    Direction,
    Entry,
    Event,
    Filter,
    Indicator,
    Memory,
    NoChange,
    StandDown,
    State,
)

_START = State()

type SortKey = tuple[datetime, int, datetime, str, str]

# On a tie the cross comes first, so the trend has the last word: a cross finished when the colour changed
# was an exit for the old position, not for the new one. The filter comes before both, for they ask it.
_EVENT_RANK = {Indicator.FILTER: -2, Indicator.DI: 0, Indicator.TREND: 2}
_STAND_DOWN_RANK = {Indicator.FILTER: -1, Indicator.DI: 1, Indicator.TREND: 3, None: 4}
_SIDE = {Color.BLUE: Direction.LONG, Color.RED: Direction.SHORT}
# The state on a colour's side; where the filter is against it, flat until the next colour.
_OPENED = {
    (of_filter, color): State(
        _SIDE[color] if of_filter.lets_open(color) else Direction.NONE, color, filter=of_filter
    )
    for of_filter in Filter
    for color in Color
}
_WITH_TREND = {Color.BLUE: Cross.UP, Color.RED: Cross.DOWN}
_ENTER = {Direction.LONG: Action.ENTER_LONG, Direction.SHORT: Action.ENTER_SHORT}
_REENTER = {Direction.LONG: Action.REENTER_LONG, Direction.SHORT: Action.REENTER_SHORT}
_REVERSE = {Direction.LONG: Action.REVERSE_TO_LONG, Direction.SHORT: Action.REVERSE_TO_SHORT}


def sort_key(entry: Entry) -> SortKey:
    """Return the place of an entry in the total order that the fold follows.

    Effective time; then filter colours, crosses, trend colours, each before their stand-downs, and unbound
    stand-downs; then firing time, value name and key.
    """
    if isinstance(entry, StandDown):
        return entry.effective_at, _STAND_DOWN_RANK[entry.after], entry.effective_at, "", entry.key
    return entry.effective_at, _EVENT_RANK[entry.indicator], entry.fired_at, entry.value.value, entry.key


def step(state: State, entry: Entry) -> State:
    """Return the state after one entry, taken as the newest."""
    if isinstance(entry, StandDown):
        return State(Direction.NONE, state.color, filter=state.filter)
    if entry.indicator is Indicator.FILTER:
        return state if state.filter is Filter.OFF else replace(state, filter=Filter(entry.value.value))
    if isinstance(entry.value, Color):
        return state if entry.value == state.color else _OPENED[state.filter, entry.value]
    if state.color is None:
        return state
    if entry.value == _WITH_TREND[state.color]:
        return _OPENED[state.filter, state.color] if state.waiting else state
    if state.position == _SIDE[state.color]:
        return State(Direction.NONE, state.color, waiting=True, filter=state.filter)
    return state


def memory_of(entries: Iterable[Entry], base: State = _START) -> Memory:
    """Return the memory of these entries, in any order; of several with one key the first counts."""
    unique: dict[str, Entry] = {}
    for entry in entries:
        unique.setdefault(entry.key, entry)
    return Memory(base, tuple(sorted(unique.values(), key=sort_key)))


def fold(memory: Memory) -> State:
    """Return the state that the remembered entries lead to; its position is the target."""
    return reduce(step, memory.entries, memory.base)


def closed_form(memory: Memory) -> State:
    """Return the same state as `fold`, read off the set of entries instead of stepping through them.

    The colour is the newest one. A stand-down since that colour's run began means flat, and so does an
    opening, by the colour or by a cross after an exit, that the filter of its moment was against. Otherwise
    the last cross since then decides: none, or one with the trend, holds the trend's side; one against waits.
    """
    color, run = _current_run(memory)
    last = _filter_at(memory, len(memory.entries))
    if color is None:
        return State(filter=last)
    start = 0 if run is None else run + 1
    since = memory.entries[start:]
    stood_down_in_base = run is None and memory.base.position == Direction.NONE and not memory.base.waiting
    if stood_down_in_base or any(isinstance(entry, StandDown) for entry in since):
        return State(Direction.NONE, color, filter=last)
    crosses = [
        (start + index, entry.value)
        for index, entry in enumerate(since)
        if isinstance(entry, Event) and isinstance(entry.value, Cross)
    ]
    is_out = run is None and memory.base.waiting
    openings = [] if run is None else [run]
    for index, cross in crosses:
        if cross == _WITH_TREND[color] and is_out:
            openings.append(index)
        is_out = cross != _WITH_TREND[color]
    if not all(_filter_at(memory, index).lets_open(color) for index in openings):
        return State(Direction.NONE, color, filter=last)
    return State(Direction.NONE if is_out else _SIDE[color], color, is_out, last)


def _filter_at(memory: Memory, index: int) -> Filter:
    """Return what the filter lets open at an entry: its last colour before."""
    if memory.base.filter is Filter.OFF:
        return Filter.OFF
    for entry in reversed(memory.entries[:index]):
        if isinstance(entry, Event) and entry.indicator is Indicator.FILTER:
            return Filter(entry.value.value)
    return memory.base.filter


def cause(memory: Memory) -> Event | None:
    """Return the event that opened the present target; None when it is flat or was opened in the base."""
    state = memory.base
    opening: Event | None = None
    for entry in memory.entries:
        after = step(state, entry)
        if after.position == Direction.NONE:
            opening = None
        elif after.position != state.position and isinstance(entry, Event):
            opening = entry
        state = after
    return opening


def newest_event(memory: Memory) -> Event | None:
    """Return the last event in the fold's order, stand-downs passed over; None when there is none."""
    return next((entry for entry in reversed(memory.entries) if isinstance(entry, Event)), None)


def remember(memory: Memory, entry: Entry, window: timedelta) -> Memory | None:
    """Return the memory with the entry added, what is older than `window` folded into its base.

    Age is measured in event time, back from the newest event (from the newest stand-down while there is no
    event). None: the entry itself is older than that, and the caller ignores it. A known key gives back the
    same object.
    """
    if any(known.key == entry.key for known in memory.entries):
        return memory
    entries = list(memory.entries)
    insort(entries, entry, key=sort_key)
    newest = newest_event(Memory(memory.base, tuple(entries))) or entries[-1]
    oldest_kept = newest.effective_at - window
    if entry.effective_at < oldest_kept:
        return None
    past = [old for old in entries if old.effective_at < oldest_kept]
    base = reduce(step, past, memory.base)
    return Memory(base, tuple(entries[len(past) :]), memory.filter_timeframe)


def contradictions(memory: Memory) -> tuple[Event, ...]:
    """Return the events of one indicator that say different things at one effective time, oldest first."""
    events = [entry for entry in memory.entries if isinstance(entry, Event)]
    groups = [list(group) for _, group in groupby(events, key=attrgetter("effective_at", "indicator"))]
    several = [group for group in groups if len(group) > 1]
    return tuple(event for group in several if len({e.value for e in group}) > 1 for event in group)


def action_for(event: Event | None, held: Direction, target: Direction) -> Action:
    """Return what takes the position held to the target.

    `event` is what opened the target, as `cause` tells it: an opening from flat is a re-entry when a cross
    caused it, an entry otherwise.
    """
    if held == target:
        return Action.NONE
    if target == Direction.NONE:
        return Action.EXIT
    if held != Direction.NONE:
        return _REVERSE[target]
    is_reentry = event is not None and event.indicator == Indicator.DI
    return _REENTER[target] if is_reentry else _ENTER[target]


def effective_time(bar_open: datetime, timeframe: timedelta, fired_at: datetime) -> datetime:
    """Return the bar's close for an alert fired at or after it, else (an intrabar alert) its firing time."""
    return min(bar_open + timeframe, fired_at)


def explain_no_change(before: State, event: Event, after: State) -> NoChange:
    """Return why the event left the position alone; `before` and `after` are the folds without and with it.

    Meant for `before.position == after.position`. What an event taken as the newest would have changed, but
    did not, or what changed beside the position, shows that the event was late.
    """
    if event.indicator is Indicator.FILTER:
        return NoChange.FILTER_COLOR
    if replace(before, filter=after.filter) != after:
        return NoChange.LATE_NO_EFFECT
    if isinstance(event.value, Color):
        return NoChange.SAME_COLOR if event.value == before.color else NoChange.LATE_NO_EFFECT
    if before.color is None:
        return NoChange.NO_TREND_YET
    if step(before, event) != before:
        return NoChange.LATE_NO_EFFECT
    if event.value != _WITH_TREND[before.color]:
        return NoChange.ALREADY_OUT
    return NoChange.NOT_WAITING if before.position == Direction.NONE else NoChange.CROSS_WITH_TREND


def _current_run(memory: Memory) -> tuple[Color | None, int | None]:
    """Return the newest colour and the index of the entry that began its run; None: begun in the base."""
    colors = [
        (index, entry.value)
        for index, entry in enumerate(memory.entries)
        if isinstance(entry, Event) and isinstance(entry.value, Color) and entry.indicator is Indicator.TREND
    ]
    color = colors[-1][1] if colors else memory.base.color
    others = [index for index, value in colors if value != color]
    if not others and memory.base.color == color:
        return color, None
    last_other = others[-1] if others else -1
    return color, next(index for index, _ in colors if index > last_other)
