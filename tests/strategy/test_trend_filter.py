"""The trend of a longer timeframe: what opens needs it, what closes does not, in any order of arrival."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy.machine import (
    cause,
    closed_form,
    explain_no_change,
    fold,
    memory_of,
    newest_event,
    remember,
    sort_key,
    step,
)
from strategy.memory import from_json, to_json
from strategy.trend_filter import filtered, with_filter
from strategy.types import (
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
from tests.strategy.builders import (
    AGES,
    BLUE,
    DOWN,
    FLAT,
    LONG,
    RED,
    SHORT,
    UP,
    arrive,
    at,
    blue,
    down,
    flatten,
    make_event,
    red,
    up,
)

ON = Memory(State(filter=Filter.UNKNOWN), filter_timeframe="60")
SIDES = {BLUE: LONG, RED: SHORT}


def filter_(color: Color, minute: float) -> Event:
    return Event(f"filter {color}@{minute}", Indicator.FILTER, color, at(minute), at(minute))


def remembered(*entries: Entry) -> Memory:
    return Memory(ON.base, memory_of(entries).entries, "60")


def reference(entries: list[Entry]) -> tuple[Direction, Color | None, bool]:
    """The fold in plain steps, apart from the code under test."""
    position, color, waiting, longer = FLAT, None, False, None
    for entry in sorted(entries, key=sort_key):
        if isinstance(entry, StandDown):
            position, waiting = FLAT, False
        elif entry.indicator is Indicator.FILTER:
            longer = entry.value
        elif isinstance(entry.value, Color):
            if entry.value != color:
                color, waiting = entry.value, False
                position = SIDES[color] if longer == color else FLAT
        elif color and entry.value == (UP if color is BLUE else DOWN):
            if waiting:
                position, waiting = (SIDES[color] if longer == color else FLAT), False
        elif color and position == SIDES[color]:
            position, waiting = FLAT, True
    return position, color, waiting


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    entries: list[Entry] = []
    for index in range(draw(st.integers(1, 12))):
        minute, key = draw(st.integers(0, 12)) * 5, f"{index:02}"
        match draw(st.integers(0, 9)):
            case 0:
                entries.append(StandDown(key, at(minute), draw(st.sampled_from((None, *Indicator))), "TEST"))
            case 1 | 2 | 3:
                color = draw(st.sampled_from(list(Color)))
                entries.append(Event(key, Indicator.FILTER, color, at(minute), at(minute)))
            case _:
                value = draw(st.sampled_from((*Color, *Cross)))
                entries.append(make_event(value, minute, key=key))
    return entries


@settings(deadline=None)
@given(data=st.data(), entries=some_entries())
def test_any_order_of_arrival_ends_in_the_state_of_the_set(data: st.DataObject, entries: list[Entry]) -> None:
    state = fold(remembered(*entries))

    arrived = arrive([*data.draw(st.permutations(entries)), entries[0]], ON.base, AGES)

    assert fold(arrived) == closed_form(arrived) == state
    assert (state.position, state.color, state.waiting) == reference(entries)


def test_filter_is_remembered_with_what_comes_and_what_falls_out_of_the_window() -> None:
    memory = remember(ON, filter_(BLUE, 0), timedelta(minutes=30))
    assert memory is not None

    memory = remember(memory, blue(40), timedelta(minutes=30))

    assert memory is not None
    assert (memory.filter_timeframe, memory.base.filter, len(memory.entries)) == ("60", Filter.BLUE, 1)


@settings(deadline=None)
@given(entries=some_entries(), cut=st.integers(0, 12))
def test_what_is_folded_into_the_base_says_the_same(entries: list[Entry], cut: int) -> None:
    whole = remembered(*entries)
    base = fold(Memory(whole.base, whole.entries[:cut]))

    rest = Memory(base, whole.entries[cut:], "60")

    assert fold(rest) == closed_form(rest) == fold(whole)
    assert from_json(to_json(rest)) == rest


@settings(deadline=None)
@given(entries=some_entries())
def test_what_is_held_was_opened_with_the_filter(entries: list[Entry]) -> None:
    memory = remembered(*entries)
    opening = cause(memory)
    if opening is None:
        assert fold(memory).position is FLAT
        return

    before = [entry for entry in memory.entries if sort_key(entry) < sort_key(opening)]
    colors = [e.value for e in before if isinstance(e, Event) and e.indicator is Indicator.FILTER]

    assert SIDES[Color(colors[-1])] is fold(memory).position


@settings(deadline=None)
@given(entries=some_entries(), color=st.sampled_from(list(Color)))
def test_new_colour_of_the_filter_moves_nothing(entries: list[Entry], color: Color) -> None:
    before = remembered(*entries)
    newest = newest_event(before)
    minute = 65 if newest is None else (newest.effective_at - at(0)) / timedelta(minutes=1) + 65

    after = fold(remembered(*entries, filter_(color, minute)))

    assert (after.position, after.waiting) == (fold(before).position, fold(before).waiting)


@pytest.mark.parametrize("longer", Filter)
@pytest.mark.parametrize(
    ("held", "entry"),
    [
        (State(LONG, BLUE), down(10)),
        (State(SHORT, RED), up(10)),
        (State(LONG, BLUE), flatten(10)),
    ],
)
def test_exit_asks_no_filter(longer: Filter, held: State, entry: Entry) -> None:
    after = step(State(held.position, held.color, False, longer), entry)

    assert after.position is FLAT
    assert after.waiting is isinstance(entry, Event)


@pytest.mark.parametrize(
    ("entries", "position", "refused"),
    [
        ([], FLAT, None),
        ([blue(10)], FLAT, blue(10)),
        ([filter_(BLUE, 10), blue(10)], LONG, None),
        ([filter_(RED, 10), blue(10)], FLAT, blue(10)),
        ([filter_(BLUE, 5), filter_(RED, 10), blue(10)], FLAT, blue(10)),
        ([filter_(RED, 5), blue(10), filter_(BLUE, 15)], FLAT, blue(10)),
        ([filter_(RED, 5), blue(10), blue(20), up(25)], FLAT, blue(10)),
        ([filter_(RED, 5), blue(10), red(20)], SHORT, None),
        ([filter_(BLUE, 5), blue(10), red(20)], FLAT, red(20)),
        ([filter_(BLUE, 5), blue(10), filter_(RED, 15)], LONG, None),
        ([filter_(BLUE, 5), blue(10), down(15), up(20)], LONG, None),
        ([filter_(BLUE, 5), blue(10), down(15), filter_(RED, 16), up(20)], FLAT, up(20)),
        ([filter_(BLUE, 5), blue(10), down(15), filter_(RED, 16), up(20), down(25), up(30)], FLAT, up(20)),
        ([filter_(BLUE, 5), blue(10), down(15), up(20), filter_(RED, 25)], LONG, None),
        ([filter_(BLUE, 5), blue(10), down(15), filter_(RED, 16), down(30)], FLAT, None),
        ([filter_(RED, 5), blue(10), flatten(15)], FLAT, None),
    ],
)
def test_filter_is_asked_at_the_moment_of_an_opening(
    entries: list[Entry], position: Direction, refused: Event | None
) -> None:
    memory = remembered(*entries)

    assert fold(memory) == closed_form(memory)
    assert fold(memory).position is position
    assert filtered(memory) == refused


def test_filter_that_is_switched_on_leaves_what_is_held_and_begins_without_a_colour() -> None:
    memory = with_filter(memory_of([blue(10)]), "60")

    assert fold(memory) == State(LONG, BLUE, False, Filter.UNKNOWN)
    assert with_filter(memory, "60") is memory
    assert fold(with_filter(remembered(filter_(BLUE, 5), blue(10)), "240")).filter is Filter.UNKNOWN
    assert fold(with_filter(remembered(filter_(BLUE, 5), blue(10)), "")) == State(LONG, BLUE)


def test_event_that_comes_as_the_filter_is_switched_on_is_not_late() -> None:
    before, after = State(LONG, BLUE), State(LONG, BLUE, False, Filter.UNKNOWN)

    assert explain_no_change(before, blue(20), after) is NoChange.SAME_COLOR


def test_colours_of_a_filter_mean_nothing_without_one() -> None:
    assert fold(memory_of([filter_(RED, 5), blue(10)])) == State(LONG, BLUE)


def test_memory_with_a_filter_is_written_with_timeframe_and_colour() -> None:
    data = to_json(Memory(State(LONG, BLUE, False, Filter.BLUE), filter_timeframe="60"))

    assert data["filter"] == {"t": "60", "c": "BLUE"}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"t": "", "c": "BLUE"}, "^a filter has a timeframe, and a colour or none yet$"),
        ({"t": "60", "c": "OFF"}, "^a filter has a timeframe, and a colour or none yet$"),
        ({"t": "60", "c": "GREEN"}, "'GREEN' is not a valid Filter"),
        ({"t": "60"}, r"expected an object with \['c', 't'\]"),
    ],
)
def test_spoilt_filter_of_a_memory_is_refused_by_name(wrong: dict[str, str], complaint: str) -> None:
    data = to_json(Memory(State(LONG, BLUE, False, Filter.BLUE), filter_timeframe="60"))

    with pytest.raises(ValueError, match=complaint):
        from_json({**data, "filter": wrong})
