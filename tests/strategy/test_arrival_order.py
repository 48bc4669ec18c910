from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations, permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from strategy.machine import cause, closed_form, fold, memory_of, remember
from strategy.types import Color, Cross, Entry, Event, Indicator, Memory, StandDown, State
from tests.strategy.builders import (
    AGES,
    BLUE,
    DOWN,
    LONG_BLUE,
    NOTHING_YET,
    OUT_BLUE,
    OUT_RED,
    RED,
    SHORT_RED,
    STATES,
    UP,
    arrive,
    at,
    make_event,
)

# The fold as written down in the strategy's study (safety.md 6.2), kept apart from the code under test.
ORDER = {"D": 0, "T": 1, "F": 2}
SIDE = {"BLUE": "LONG", "RED": "SHORT"}
type Plain = tuple[str, str | None, bool]


def derive(events: list[tuple[str, str, int]], state: Plain) -> Plain:
    for kind, value, _ in sorted(events, key=lambda e: (e[2], ORDER[e[0]], e[1])):
        position, color, waiting = state
        if kind == "F":
            state = ("NONE", color, False)
        elif kind == "T":
            state = state if value == color else (SIDE[value], value, False)
        elif color and (value == "UP") == (color == "BLUE"):
            if position == "NONE" and waiting:
                state = (SIDE[color], color, False)
        elif color and position == SIDE[color]:
            state = ("NONE", color, True)
    return state


def plain(state: State) -> Plain:
    return state.position.value, state.color and state.color.value, state.waiting


type Slot = tuple[str, int]
SLOTS: list[Slot] = [("T", minute) for minute in range(10, 70, 10)] + [("D", m) for m in range(15, 75, 15)]
VALUES: dict[str, tuple[Color | Cross, ...]] = {"T": (BLUE, RED), "D": (UP, DOWN)}


def sets_of_one_to_four_events() -> Iterator[tuple[Event, ...]]:
    for size in range(1, 5):
        for slots in combinations(SLOTS, size):
            for values in product(*(VALUES[kind] for kind, _ in slots)):
                yield tuple(
                    make_event(value, minute) for value, (_, minute) in zip(values, slots, strict=True)
                )


def test_all_small_event_sets_fold_as_the_study_says() -> None:
    cases = 0
    for events in sets_of_one_to_four_events():
        rows = [
            (
                "T" if event.indicator is Indicator.TREND else "D",
                event.value.value,
                int((event.effective_at - at(0)).total_seconds()),
            )
            for event in events
        ]
        for start in (NOTHING_YET, LONG_BLUE, OUT_BLUE, SHORT_RED, OUT_RED):
            memory = memory_of(events, start)
            expected = derive(rows, plain(start))
            assert plain(fold(memory)) == expected, (start, events)
            assert plain(closed_form(memory)) == expected, (start, events)
            cases += 1

    assert cases == 22_600


def test_all_arrival_orders_of_small_event_sets_with_a_duplicate_are_remembered_alike() -> None:
    orders = 0
    for events in sets_of_one_to_four_events():
        expected = memory_of(events)
        for order in permutations(events):
            assert arrive((*order, order[0])) == expected, order
            orders += 1

    assert orders == 433_900 // 5  # the five start states of the study play no part in remembering


minutes = st.integers(0, 24).map(lambda five: five * 5)
values = st.sampled_from((*Color, *Cross))
starts = st.sampled_from(STATES)


@st.composite
def some_entries(draw: st.DrawFn) -> list[Entry]:
    entries: list[Entry] = []
    for index in range(draw(st.integers(0, 9))):
        minute = draw(minutes)
        key = f"{index:02}"
        if draw(st.integers(0, 3)) == 0:
            after = draw(st.sampled_from((None, *Indicator)))
            entries.append(StandDown(key, at(minute), after, "TEST"))
        else:
            fired = minute + draw(st.integers(0, 2)) / 60
            entries.append(make_event(draw(values), minute, fired=fired, key=key))
    return entries


@st.composite
def some_arrivals(draw: st.DrawFn) -> tuple[list[Entry], list[Entry]]:
    entries = draw(some_entries())
    again = draw(st.lists(st.sampled_from(entries), max_size=4)) if entries else []
    return entries, draw(st.permutations(entries + again))


@settings(deadline=None, max_examples=400)
@given(some_arrivals(), starts)
def test_any_arrival_order_with_duplicates_gives_one_memory_and_state(
    arrivals: tuple[list[Entry], list[Entry]], start: State
) -> None:
    entries, order = arrivals

    memory = arrive(order, start)

    assert memory == memory_of(entries, start)
    assert fold(memory) == closed_form(memory)


@settings(deadline=None, max_examples=600)
@given(some_arrivals(), starts, st.integers(0, 130))
def test_any_window_gives_the_state_of_the_entries_it_let_in(
    arrivals: tuple[list[Entry], list[Entry]], start: State, window_min: int
) -> None:
    _, order = arrivals
    memory = Memory(start)
    accepted: list[Entry] = []

    for entry in order:
        longer = remember(memory, entry, timedelta(minutes=window_min))
        if longer is not None:
            memory = longer
            accepted.append(entry)
        whole = memory_of(accepted, start)
        assert fold(memory) == closed_form(memory) == closed_form(whole)
        assert cause(memory) in (cause(whole), None)


@settings(deadline=None)
@given(some_entries(), starts, st.integers(0, 9))
def test_folding_the_past_into_the_base_never_changes_the_state(
    entries: list[Entry], start: State, cut: int
) -> None:
    memory = memory_of(entries, start)

    base = fold(Memory(start, memory.entries[:cut]))

    assert fold(Memory(base, memory.entries[cut:])) == fold(memory)
    assert closed_form(Memory(base, memory.entries[cut:])) == fold(memory)


@settings(deadline=None)
@given(some_arrivals(), starts)
def test_reachable_state_is_never_waiting_in_a_position_and_never_against_its_colour(
    arrivals: tuple[list[Entry], list[Entry]], start: State
) -> None:
    assert fold(arrive(arrivals[1], start, AGES)) in STATES


@settings(deadline=None)
@given(some_entries(), starts)
def test_cause_points_toward_the_target(entries: list[Entry], start: State) -> None:
    memory = memory_of(entries, start)

    event = cause(memory)

    if event is not None:
        toward = {BLUE: "LONG", UP: "LONG", RED: "SHORT", DOWN: "SHORT"}
        assert toward[event.value] == fold(memory).position
