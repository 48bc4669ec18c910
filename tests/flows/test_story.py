"""The strategy told over HTTP. After each step answer, database, Redis and broker say the same."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.flows.desks import DAY, Answer, Bot, Desk, price

FOUR_FIELDS = ("current_position", "trend_color", "waiting_for_reentry", "last_updated")
HELD = {"LONG": 1, "SHORT": -1, "NONE": 0}


@dataclass(frozen=True)
class Step:
    """One alert and what must be so after it; `order` is side and quantity, None when none is sent."""

    word: str
    closes_at: str
    action: str
    reason: str
    order: tuple[str, int] | None
    state: tuple[str, str | None, str]


ENTER_LONG = Step("blue", "10:10", "ENTER_LONG", "TREND_BLUE", ("BUY", 1), ("LONG", "BLUE", "NO"))
ENTER_SHORT = Step("red", "10:10", "ENTER_SHORT", "TREND_RED", ("SELL", 1), ("SHORT", "RED", "NO"))
EXIT_LONG = Step("down", "10:15", "EXIT", "DI_DOWN", ("SELL", 1), ("NONE", "BLUE", "YES"))
EXIT_SHORT = Step("up", "10:15", "EXIT", "DI_UP", ("BUY", 1), ("NONE", "RED", "YES"))

STORIES = {
    "same_color_is_ignored": [
        ENTER_LONG,
        Step("blue", "10:20", "NONE", "SAME_COLOR", None, ("LONG", "BLUE", "NO")),
    ],
    "long_exits_waits_and_reenters": [
        ENTER_LONG,
        Step("up", "10:15", "NONE", "CROSS_WITH_TREND", None, ("LONG", "BLUE", "NO")),
        Step("down", "10:30", "EXIT", "DI_DOWN", ("SELL", 1), ("NONE", "BLUE", "YES")),
        Step("down", "10:45", "NONE", "ALREADY_OUT", None, ("NONE", "BLUE", "YES")),
        Step("blue", "10:50", "NONE", "SAME_COLOR", None, ("NONE", "BLUE", "YES")),
        Step("up", "11:00", "REENTER_LONG", "DI_UP", ("BUY", 1), ("LONG", "BLUE", "NO")),
        Step("down", "11:15", "EXIT", "DI_DOWN", ("SELL", 1), ("NONE", "BLUE", "YES")),
    ],
    "short_exits_waits_and_reenters": [
        ENTER_SHORT,
        Step("down", "10:15", "NONE", "CROSS_WITH_TREND", None, ("SHORT", "RED", "NO")),
        Step("up", "10:30", "EXIT", "DI_UP", ("BUY", 1), ("NONE", "RED", "YES")),
        Step("down", "10:45", "REENTER_SHORT", "DI_DOWN", ("SELL", 1), ("SHORT", "RED", "NO")),
    ],
    "color_change_reverses_in_one_order": [
        ENTER_LONG,
        Step("red", "10:20", "REVERSE_TO_SHORT", "TREND_RED", ("SELL", 2), ("SHORT", "RED", "NO")),
        Step("blue", "10:40", "REVERSE_TO_LONG", "TREND_BLUE", ("BUY", 2), ("LONG", "BLUE", "NO")),
    ],
    "color_change_clears_the_wait": [
        ENTER_LONG,
        EXIT_LONG,
        Step("red", "10:20", "ENTER_SHORT", "TREND_RED", ("SELL", 1), ("SHORT", "RED", "NO")),
        Step("up", "10:30", "EXIT", "DI_UP", ("BUY", 1), ("NONE", "RED", "YES")),
        Step("blue", "10:40", "ENTER_LONG", "TREND_BLUE", ("BUY", 1), ("LONG", "BLUE", "NO")),
    ],
    "cross_before_a_color_means_nothing": [
        Step("up", "10:00", "NONE", "NO_TREND_YET", None, ("NONE", None, "NO")),
        Step("down", "10:15", "NONE", "NO_TREND_YET", None, ("NONE", None, "NO")),
    ],
    "tie_with_the_cross_first_ends_long": [
        ENTER_SHORT,
        Step("down", "10:30", "NONE", "CROSS_WITH_TREND", None, ("SHORT", "RED", "NO")),
        Step("blue", "10:30", "REVERSE_TO_LONG", "TREND_BLUE", ("BUY", 2), ("LONG", "BLUE", "NO")),
    ],
    "tie_with_the_trend_first_ends_long": [
        ENTER_SHORT,
        Step("blue", "10:30", "REVERSE_TO_LONG", "TREND_BLUE", ("BUY", 2), ("LONG", "BLUE", "NO")),
        Step("down", "10:30", "NONE", "LATE_NO_EFFECT", None, ("LONG", "BLUE", "NO")),
    ],
    "tie_with_the_exit_first_ends_short": [
        ENTER_LONG,
        Step("down", "11:00", "EXIT", "DI_DOWN", ("SELL", 1), ("NONE", "BLUE", "YES")),
        Step("red", "11:00", "ENTER_SHORT", "TREND_RED", ("SELL", 1), ("SHORT", "RED", "NO")),
    ],
    "tie_with_the_exit_last_ends_short": [
        ENTER_LONG,
        Step("red", "11:00", "REVERSE_TO_SHORT", "TREND_RED", ("SELL", 2), ("SHORT", "RED", "NO")),
        Step("down", "11:00", "NONE", "CROSS_WITH_TREND", None, ("SHORT", "RED", "NO")),
    ],
    "tie_with_the_same_color_again_exits": [
        ENTER_SHORT,
        Step("red", "10:30", "NONE", "SAME_COLOR", None, ("SHORT", "RED", "NO")),
        Step("up", "10:30", "EXIT", "DI_UP", ("BUY", 1), ("NONE", "RED", "YES")),
    ],
    "late_cross_closes": [
        ENTER_LONG,
        Step("blue", "10:40", "NONE", "SAME_COLOR", None, ("LONG", "BLUE", "NO")),
        Step("down", "10:30", "EXIT", "DI_DOWN", ("SELL", 1), ("NONE", "BLUE", "YES")),
    ],
    "late_color_that_newer_ones_outweigh_changes_nothing": [
        Step("blue", "10:40", "ENTER_LONG", "TREND_BLUE", ("BUY", 1), ("LONG", "BLUE", "NO")),
        Step("red", "10:20", "NONE", "LATE_NO_EFFECT", None, ("LONG", "BLUE", "NO")),
    ],
    "late_color_that_makes_a_repeat_a_change_undoes_the_exit": [
        ENTER_LONG,
        EXIT_LONG,
        Step("blue", "10:40", "NONE", "SAME_COLOR", None, ("NONE", "BLUE", "YES")),
        Step("red", "10:30", "ENTER_LONG", "TREND_RED", ("BUY", 1), ("LONG", "BLUE", "NO")),
    ],
}


@pytest.mark.parametrize("steps", STORIES.values(), ids=STORIES)
def test_story_goes_by_the_rules_and_all_places_agree(flow: Desk, steps: list[Step]) -> None:
    bot = flow.next_bot()

    for number, step in enumerate(steps, 1):
        answer = flow.send(bot, step.word, step.closes_at)

        assert_step(answer, step)
        assert_all_agree(flow, bot, answer, step)
        assert flow.decisions(bot)[number - 1 :] == [(step.action, step.reason)]


def test_late_color_fired_too_long_ago_closes_but_does_not_open(flow: Desk) -> None:
    bot = flow.next_bot()
    assert flow.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")

    fired = DAY + timedelta(hours=10, minutes=20)

    answer = flow.send(bot, "red", "10:20", timenow=fired.isoformat())

    assert answer.summary == ("EXIT", "TOO_OLD", "filled")
    assert answer.decision["state"]["current_position"] == "NONE"
    assert flow.booked(bot) == flow.held(bot) == 0
    assert flow.send(bot, "down", "10:30").summary == ("NONE", "NOT_WAITING", None)


def test_alerts_in_any_order_of_arrival_end_in_one_state(flow: Desk) -> None:
    events = [("blue", "10:10"), ("down", "10:30"), ("up", "10:45"), ("red", "11:00"), ("down", "11:00")]
    orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 4, 0, 2, 1]]

    ends = []
    for order in orders:
        bot = flow.next_bot()
        for number in order:
            answer = flow.send(bot, *events[number])
        state = answer.decision["state"]
        ends.append((*(state[name] for name in FOUR_FIELDS[:3]), flow.held(bot)))

    assert ends == [("SHORT", "RED", "NO", -1)] * 3


def assert_step(answer: Answer, step: Step) -> None:
    decision = answer.decision
    state, order = decision["state"], decision["order"]
    assert (answer.status, answer.body["status"]) == (200, "processed")
    assert (decision["action"], decision["reason"]) == (step.action, step.reason)
    assert tuple(state[name] for name in FOUR_FIELDS[:3]) == step.state
    assert (order and (order["side"], order["quantity"])) == step.order
    assert (order and (order["status"], order["filled_quantity"])) == (
        step.order and ("filled", step.order[1])
    )


def assert_all_agree(desk: Desk, bot: Bot, answer: Answer, step: Step) -> None:
    """Compare the answer with Redis, the database and the broker."""
    decision = answer.decision
    quantity = HELD[step.state[0]]
    redis = desk.in_redis(bot)
    assert {name: redis[name] for name in FOUR_FIELDS} == decision["state"]
    assert redis["quantity"] == quantity
    assert desk.booked(bot) == quantity
    assert desk.held(bot) == quantity
    assert desk.open_incidents(bot) == []
    if decision["order"] is None:
        return
    order, stored = decision["order"], desk.orders(bot)[-1]
    assert (stored["client_order_id"], stored["status"]) == (order["client_order_id"], "filled")
    fills = [row for row in desk.broker.rows("fill") if row["orderId"] == int(order["broker_order_id"])]
    ours = desk.fills(bot)[-len(fills) :]
    assert [row["id"] for row in fills] == [row["broker_fill_id"] for row in ours]
    assert [price(str(row["price"])) for row in fills] == [row["price"] for row in ours]
    assert sum(row["qty"] for row in fills) == order["quantity"]
