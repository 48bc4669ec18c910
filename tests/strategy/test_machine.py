from datetime import timedelta

import pytest

from strategy.machine import (
    action_for,
    cause,
    closed_form,
    contradictions,
    effective_time,
    explain_no_change,
    fold,
    memory_of,
    newest_event,
    remember,
    sort_key,
    step,
)
from strategy.types import Action, Color, Cross, Direction, Entry, Event, Memory, NoChange, State
from tests.strategy.builders import (
    AGES,
    BLUE,
    DI,
    DOWN,
    FLAT,
    LONG,
    LONG_BLUE,
    NOTHING_YET,
    OUT_BLUE,
    OUT_RED,
    RED,
    SHORT,
    SHORT_RED,
    STATES,
    STOOD_DOWN_BLUE,
    STOOD_DOWN_RED,
    TREND,
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

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        # Entry: a colour change, or the first colour, takes its side at once.
        (NOTHING_YET, BLUE, LONG_BLUE),
        (NOTHING_YET, RED, SHORT_RED),
        (SHORT_RED, BLUE, LONG_BLUE),
        (LONG_BLUE, RED, SHORT_RED),
        # ... and ends any wait for re-entry, or a stand-down.
        (OUT_RED, BLUE, LONG_BLUE),
        (OUT_BLUE, RED, SHORT_RED),
        (STOOD_DOWN_RED, BLUE, LONG_BLUE),
        (STOOD_DOWN_BLUE, RED, SHORT_RED),
        # The same colour again is no change.
        (LONG_BLUE, BLUE, LONG_BLUE),
        (SHORT_RED, RED, SHORT_RED),
        (OUT_BLUE, BLUE, OUT_BLUE),
        (OUT_RED, RED, OUT_RED),
        (STOOD_DOWN_BLUE, BLUE, STOOD_DOWN_BLUE),
        (STOOD_DOWN_RED, RED, STOOD_DOWN_RED),
        # Exit: a cross against the position, which then waits.
        (LONG_BLUE, DOWN, OUT_BLUE),
        (SHORT_RED, UP, OUT_RED),
        # Re-entry: a cross with the colour, while waiting.
        (OUT_BLUE, UP, LONG_BLUE),
        (OUT_RED, DOWN, SHORT_RED),
        # Every other cross changes nothing.
        (NOTHING_YET, UP, NOTHING_YET),
        (NOTHING_YET, DOWN, NOTHING_YET),
        (LONG_BLUE, UP, LONG_BLUE),
        (SHORT_RED, DOWN, SHORT_RED),
        (OUT_BLUE, DOWN, OUT_BLUE),
        (OUT_RED, UP, OUT_RED),
        (STOOD_DOWN_BLUE, UP, STOOD_DOWN_BLUE),
        (STOOD_DOWN_BLUE, DOWN, STOOD_DOWN_BLUE),
        (STOOD_DOWN_RED, UP, STOOD_DOWN_RED),
        (STOOD_DOWN_RED, DOWN, STOOD_DOWN_RED),
    ],
)
def test_state_and_event_give_next_state(before: State, value: Color | Cross, after: State) -> None:
    event = make_event(value, 10)

    assert step(before, event) == after
    assert fold(Memory(before, (event,))) == after
    assert closed_form(Memory(before, (event,))) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NOTHING_YET, NOTHING_YET),
        (LONG_BLUE, STOOD_DOWN_BLUE),
        (OUT_BLUE, STOOD_DOWN_BLUE),
        (STOOD_DOWN_BLUE, STOOD_DOWN_BLUE),
        (SHORT_RED, STOOD_DOWN_RED),
        (OUT_RED, STOOD_DOWN_RED),
        (STOOD_DOWN_RED, STOOD_DOWN_RED),
    ],
)
def test_stand_down_leaves_flat_and_not_waiting(before: State, after: State) -> None:
    assert step(before, flatten(10)) == after


@pytest.mark.parametrize(
    ("base", "color", "cross", "result"),
    [
        (NOTHING_YET, BLUE, UP, LONG_BLUE),
        (NOTHING_YET, BLUE, DOWN, LONG_BLUE),
        (NOTHING_YET, RED, UP, SHORT_RED),
        (NOTHING_YET, RED, DOWN, SHORT_RED),
        (LONG_BLUE, BLUE, UP, LONG_BLUE),
        (LONG_BLUE, BLUE, DOWN, OUT_BLUE),
        (LONG_BLUE, RED, UP, SHORT_RED),
        (LONG_BLUE, RED, DOWN, SHORT_RED),
        (OUT_BLUE, BLUE, UP, LONG_BLUE),
        (OUT_BLUE, BLUE, DOWN, OUT_BLUE),
        (OUT_BLUE, RED, UP, SHORT_RED),
        (OUT_BLUE, RED, DOWN, SHORT_RED),
        (SHORT_RED, BLUE, UP, LONG_BLUE),
        (SHORT_RED, BLUE, DOWN, LONG_BLUE),
        (SHORT_RED, RED, UP, OUT_RED),
        (SHORT_RED, RED, DOWN, SHORT_RED),
        (OUT_RED, BLUE, UP, LONG_BLUE),
        (OUT_RED, BLUE, DOWN, LONG_BLUE),
        (OUT_RED, RED, UP, OUT_RED),
        (OUT_RED, RED, DOWN, SHORT_RED),
    ],
)
@pytest.mark.parametrize("trend_first", [True, False])
def test_colour_and_cross_of_one_moment_end_as_if_cross_came_first(
    base: State, color: Color, cross: Cross, result: State, trend_first: bool
) -> None:
    trend, di = make_event(color, 30), make_event(cross, 30)

    memory = arrive([trend, di] if trend_first else [di, trend], base)

    assert fold(memory) == result


def test_entries_of_one_moment_sort_by_rank_then_firing_time_then_name_then_key() -> None:
    in_order: list[Entry] = [
        flatten(29),
        make_event(UP, 30, fired=30),
        make_event(DOWN, 30, fired=31, key="a"),
        make_event(DOWN, 30, fired=31, key="b"),
        make_event(UP, 30, fired=31),
        flatten(30, after=DI),
        make_event(RED, 30, fired=30),
        make_event(BLUE, 30, fired=31),
        flatten(30, after=TREND),
        flatten(30),
        up(31),
    ]
    backwards = in_order[::-1]

    assert sorted(backwards, key=sort_key) == in_order


def test_later_firing_of_two_opposite_colours_of_one_moment_wins() -> None:
    early_red = make_event(RED, 30, fired=30)
    late_blue = make_event(BLUE, 30, fired=30.5)

    assert fold(arrive([late_blue, early_red])) == LONG_BLUE
    assert fold(arrive([early_red, late_blue])) == LONG_BLUE


def test_cross_before_its_colours_bar_closed_is_no_exit_when_it_arrives_late() -> None:
    assert fold(arrive([blue(30), down(15)])) == LONG_BLUE


def test_late_cross_after_the_colour_is_an_exit() -> None:
    assert fold(arrive([blue(10), up(45), down(30)])) == LONG_BLUE
    assert fold(arrive([blue(10), red(60), blue(70), down(75), up(65)])) == OUT_BLUE


def test_late_repeat_of_a_colour_moves_the_start_of_its_run() -> None:
    without = [red(10), down(25), blue(30)]

    assert fold(arrive(without)) == LONG_BLUE
    assert fold(arrive([*without, blue(20)])) == OUT_BLUE


def test_cross_after_stand_down_does_not_reenter() -> None:
    assert fold(arrive([blue(10), down(15), flatten(20), up(30)])) == STOOD_DOWN_BLUE


def test_colour_change_after_stand_down_enters() -> None:
    assert fold(arrive([blue(10), flatten(20), red(30)])) == SHORT_RED


def test_stand_down_for_a_cross_lets_the_colour_change_of_its_moment_enter() -> None:
    assert fold(arrive([blue(10), down(15), up(30), flatten(30, after=DI), red(30)])) == SHORT_RED


def test_stand_down_for_a_colour_change_covers_the_cross_of_its_moment() -> None:
    assert fold(arrive([blue(30), flatten(30, after=TREND), up(30)])) == STOOD_DOWN_BLUE


def test_flatten_by_a_person_has_the_last_word_at_its_moment() -> None:
    assert fold(arrive([flatten(30), blue(30), up(30)])) == STOOD_DOWN_BLUE


def test_memory_of_entries_with_one_key_keeps_the_first() -> None:
    first, second = make_event(BLUE, 10, key="k"), make_event(BLUE, 20, key="k")

    assert memory_of([first, second]) == Memory(NOTHING_YET, (first,))


@pytest.mark.parametrize(
    ("entries", "opening"),
    [
        ([], None),
        ([up(15)], None),
        ([blue(10)], blue(10)),
        ([blue(10), up(15), blue(20)], blue(10)),
        ([blue(10), red(20)], red(20)),
        ([blue(10), down(15)], None),
        ([blue(10), down(15), up(30)], up(30)),
        ([blue(10), down(15), up(30), red(30)], red(30)),
        ([blue(10), flatten(20)], None),
        ([blue(10), flatten(20), red(30)], red(30)),
    ],
)
def test_cause_is_the_event_that_opened_the_present_target(
    entries: list[Entry], opening: Event | None
) -> None:
    assert cause(memory_of(entries)) == opening


def test_cause_of_a_target_opened_in_the_base_is_unknown() -> None:
    assert cause(memory_of([up(30), blue(40)], LONG_BLUE)) is None


def test_cause_of_a_reentry_after_a_base_that_waits_is_the_cross() -> None:
    assert cause(memory_of([up(30)], OUT_BLUE)) == up(30)


def test_newest_event_passes_over_stand_downs() -> None:
    assert newest_event(memory_of([down(15), blue(10), flatten(20)])) == down(15)
    assert newest_event(memory_of([flatten(20)])) is None


def test_known_key_returns_the_same_memory() -> None:
    memory = memory_of([blue(10), down(15)])

    assert remember(memory, make_event(RED, 20, key=blue(10).key), AGES) is memory


def test_new_event_folds_what_left_the_window_into_the_base() -> None:
    memory = memory_of([blue(10), down(15), flatten(20), red(60)])

    assert remember(memory, up(81), HOUR) == Memory(STOOD_DOWN_BLUE, (red(60), up(81)))


def test_entry_exactly_as_old_as_the_window_is_remembered() -> None:
    assert remember(memory_of([up(80)]), blue(20), HOUR) == Memory(NOTHING_YET, (blue(20), up(80)))
    assert remember(memory_of([blue(20)]), up(80), HOUR) == Memory(NOTHING_YET, (blue(20), up(80)))


@pytest.mark.parametrize("entry", [blue(19), flatten(19)])
def test_entry_older_than_the_window_is_refused(entry: Entry) -> None:
    assert remember(memory_of([up(80)]), entry, HOUR) is None


def test_stand_down_does_not_age_the_events_before_it() -> None:
    memory = memory_of([blue(10)])

    assert remember(memory, flatten(500), HOUR) == Memory(NOTHING_YET, (blue(10), flatten(500)))


def test_stand_downs_alone_age_by_the_newest_of_them() -> None:
    memory = memory_of([flatten(10)], LONG_BLUE)

    assert remember(memory, flatten(71), HOUR) == Memory(STOOD_DOWN_BLUE, (flatten(71),))
    assert remember(memory_of([flatten(71)]), flatten(10), HOUR) is None


def test_first_event_long_before_a_stand_down_is_remembered() -> None:
    assert remember(memory_of([flatten(500)]), blue(10), HOUR) == memory_of([blue(10), flatten(500)])


def test_opposite_events_of_one_indicator_and_moment_contradict() -> None:
    early, late = make_event(UP, 30, fired=30), make_event(DOWN, 30, fired=31)

    memory = memory_of([late, blue(30), early, red(40), blue(40), up(45)])

    assert contradictions(memory) == (early, late, blue(40), red(40))


def test_equal_or_separate_events_do_not_contradict() -> None:
    twice = [make_event(UP, 30, key="one"), make_event(UP, 30, key="two")]

    assert contradictions(memory_of([*twice, down(45), red(30), flatten(30, after=DI)])) == ()


def test_stand_down_between_opposite_events_does_not_hide_their_contradiction() -> None:
    memory = memory_of([make_event(UP, 30), flatten(30, after=DI), make_event(DOWN, 30)])

    assert contradictions(memory) == (down(30), up(30))


@pytest.mark.parametrize(
    ("event", "held", "target", "action"),
    [
        (blue(10), FLAT, LONG, Action.ENTER_LONG),
        (red(10), FLAT, SHORT, Action.ENTER_SHORT),
        (up(10), FLAT, LONG, Action.REENTER_LONG),
        (down(10), FLAT, SHORT, Action.REENTER_SHORT),
        (None, FLAT, LONG, Action.ENTER_LONG),
        (None, FLAT, SHORT, Action.ENTER_SHORT),
        (blue(10), SHORT, LONG, Action.REVERSE_TO_LONG),
        (red(10), LONG, SHORT, Action.REVERSE_TO_SHORT),
        (up(10), SHORT, LONG, Action.REVERSE_TO_LONG),
        (down(10), LONG, SHORT, Action.REVERSE_TO_SHORT),
        (None, LONG, FLAT, Action.EXIT),
        (None, SHORT, FLAT, Action.EXIT),
        (down(10), LONG, FLAT, Action.EXIT),
        (blue(10), LONG, LONG, Action.NONE),
        (red(10), SHORT, SHORT, Action.NONE),
        (up(10), FLAT, FLAT, Action.NONE),
    ],
)
def test_position_held_and_target_give_the_action(
    event: Event | None, held: Direction, target: Direction, action: Action
) -> None:
    assert action_for(event, held, target) is action


@pytest.mark.parametrize(
    ("fired", "effective"),
    [(9.5, 9.5), (10, 10), (10.02, 10), (55, 10)],
)
def test_effective_time_is_the_bars_close_unless_fired_before_it(fired: float, effective: float) -> None:
    assert effective_time(at(0), timedelta(minutes=10), at(fired)) == at(effective)


@pytest.mark.parametrize(
    ("before", "value", "reason"),
    [
        (LONG_BLUE, BLUE, NoChange.SAME_COLOR),
        (OUT_BLUE, BLUE, NoChange.SAME_COLOR),
        (STOOD_DOWN_RED, RED, NoChange.SAME_COLOR),
        (NOTHING_YET, UP, NoChange.NO_TREND_YET),
        (NOTHING_YET, DOWN, NoChange.NO_TREND_YET),
        (LONG_BLUE, UP, NoChange.CROSS_WITH_TREND),
        (SHORT_RED, DOWN, NoChange.CROSS_WITH_TREND),
        (STOOD_DOWN_BLUE, UP, NoChange.NOT_WAITING),
        (STOOD_DOWN_RED, DOWN, NoChange.NOT_WAITING),
        (OUT_BLUE, DOWN, NoChange.ALREADY_OUT),
        (OUT_RED, UP, NoChange.ALREADY_OUT),
        (STOOD_DOWN_BLUE, DOWN, NoChange.ALREADY_OUT),
        (STOOD_DOWN_RED, UP, NoChange.ALREADY_OUT),
    ],
)
def test_newest_event_without_effect_is_explained(
    before: State, value: Color | Cross, reason: NoChange
) -> None:
    event = make_event(value, 10)

    assert explain_no_change(before, event, step(before, event)) is reason


@pytest.mark.parametrize(
    ("known", "late"),
    [
        ([red(10), blue(30)], red(20)),  # a colour long replaced
        ([red(10), blue(30)], red(5)),
        ([blue(10), up(30)], down(20)),  # an exit already undone by a re-entry
        ([blue(10), down(30)], up(20)),  # a cross with the trend before the exit
        ([red(20), down(30), flatten(35)], blue(10)),
        ([red(10), flatten(15), blue(20), flatten(25), red(30), up(40)], red(22)),  # ends the wait only
    ],
)
def test_late_event_outweighed_by_later_ones_is_explained(known: list[Entry], late: Event) -> None:
    before, after = fold(memory_of(known)), fold(memory_of([*known, late]))

    assert before.position == after.position
    assert explain_no_change(before, late, after) is NoChange.LATE_NO_EFFECT


def test_every_event_taken_as_the_newest_that_moves_nothing_has_a_reason_other_than_late() -> None:
    for before in STATES:
        for value in (BLUE, RED, UP, DOWN):
            event = make_event(value, 10)
            after = step(before, event)
            if after.position == before.position:
                assert explain_no_change(before, event, after) is not NoChange.LATE_NO_EFFECT
