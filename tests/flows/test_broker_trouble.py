"""The broker hangs, drops, refuses and fails amid an alert: the desk answers and never doubles an order."""

from collections.abc import Iterator

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Bot, Desk
from tests.flows.front import Front, Trouble

PLACE, POSITIONS, FILLS = "/order/placeorder", "/position/deps", "/fill/deps"
UNSETTLED = ("pending", "sent", "working", "unconfirmed")
# Its wait is over at once; what it stops meanwhile is for the client's own tests.
# Without a ticket: the paper broker behind the front never gave one.
PENALTY = b'{"p-time": 0, "p-captcha": false}'
# The promise is 2.5 s; what the test's own connection takes comes on top.
ANSWER_WITHIN_S = 2.6


@pytest.fixture(scope="module")
def opened(open_desk: OpenDesk) -> Iterator[tuple[Desk, Front]]:
    fronts: list[Front] = []

    def through_front(url: str) -> str:
        fronts.append(Front(url))
        return fronts[-1].url

    with open_desk(broker_url=lambda broker: through_front(broker.url)) as desk:
        yield desk, fronts[0]
        fronts[0].close()


@pytest.fixture
def desk(opened: tuple[Desk, Front]) -> Desk:
    return opened[0]


@pytest.fixture
def front(opened: tuple[Desk, Front]) -> Iterator[Front]:
    yield opened[1]
    opened[1].calm()


@pytest.fixture
def bot(desk: Desk, front: Front) -> Bot:
    return desk.next_bot()


def test_lost_reply_leaves_one_order_that_recovery_finds_and_books(
    desk: Desk, front: Front, bot: Bot
) -> None:
    front.meet(PLACE, Trouble.LOSE_REPLY)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")
    assert answer.seconds < ANSWER_WITHIN_S
    assert answer.decision["state"]["current_position"] == "NONE"
    assert desk.open_incidents(bot) == ["ORDER_UNCONFIRMED"]
    recovered_into(desk, bot, "filled")
    assert orders_at_broker(desk, bot) == 1
    assert desk.booked(bot) == desk.held(bot) == 1
    assert len(desk.fills(bot)) == 1
    assert desk.open_incidents(bot) == []


def test_exit_while_an_opening_is_unconfirmed_closes_what_the_broker_holds(
    desk: Desk, front: Front, bot: Bot
) -> None:
    front.meet(PLACE, Trouble.LOSE_REPLY)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")

    answer = desk.send(bot, "down", "10:30")

    assert answer.summary == ("EXIT", "DI_DOWN", "filled")
    assert desk.booked(bot) == desk.held(bot) == 0
    recovered_into(desk, bot, "filled")
    assert desk.booked(bot) == desk.held(bot) == 0
    assert orders_at_broker(desk, bot) == 2


def test_exit_while_an_opening_is_unconfirmed_and_absent_does_nothing(
    desk: Desk, front: Front, bot: Bot
) -> None:
    front.meet(PLACE, Trouble.HANG)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")

    answer = desk.send(bot, "down", "10:30")

    assert answer.summary == ("NONE", "DI_DOWN", None)
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == ["ORDER_UNCONFIRMED"]


def test_hanging_submit_is_answered_in_time_and_never_sent_again(desk: Desk, front: Front, bot: Bot) -> None:
    front.meet(PLACE, Trouble.HANG)
    sent = front.count(PLACE)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")
    assert answer.seconds < ANSWER_WITHIN_S
    recovered(desk, bot)
    assert [order["status"] for order in desk.orders(bot)] == ["unconfirmed"]
    assert front.count(PLACE) == sent + 1
    assert orders_at_broker(desk, bot) == 0
    assert desk.open_incidents(bot) == ["ORDER_UNCONFIRMED"]
    assert desk.send(bot, "red", "10:20").summary == ("NONE", "ORDER_UNCONFIRMED", None)


def test_opening_that_lands_after_the_exit_is_closed(desk: Desk, front: Front, bot: Bot) -> None:
    front.meet(PLACE, Trouble.STALL)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")
    assert desk.send(bot, "down", "10:30").summary == ("NONE", "DI_DOWN", None)

    front.let_land()

    recovered_into(desk, bot, "filled")
    assert [(row["side"], row["status"]) for row in desk.orders(bot)] == [
        ("BUY", "filled"),
        ("SELL", "filled"),
    ]
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == []


def test_lost_reply_to_a_reversal_is_found_and_booked(desk: Desk, front: Front, bot: Bot) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    front.meet(PLACE, Trouble.LOSE_REPLY)

    answer = desk.send(bot, "red", "10:20")

    assert answer.summary == ("REVERSE_TO_SHORT", "TREND_RED", "unconfirmed")
    assert answer.decision["state"]["current_position"] == "LONG"
    recovered_into(desk, bot, "filled")
    assert desk.booked(bot) == desk.held(bot) == -1
    assert desk.open_incidents(bot) == []


def test_reversal_with_a_lost_reply_undone_by_the_next_color_is_closed(
    desk: Desk, front: Front, bot: Bot
) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    front.meet(PLACE, Trouble.LOSE_REPLY)
    assert desk.send(bot, "red", "10:20").summary == ("REVERSE_TO_SHORT", "TREND_RED", "unconfirmed")

    answer = desk.send(bot, "blue", "10:30")

    assert answer.summary == ("NONE", "ORDER_UNCONFIRMED", None)
    recovered_into(desk, bot, "filled")
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == ["POSITION_MISMATCH"]


def test_submit_that_lands_late_is_found_and_booked(desk: Desk, front: Front, bot: Bot) -> None:
    front.meet(PLACE, Trouble.STALL)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")

    front.let_land()

    recovered_into(desk, bot, "filled")
    assert orders_at_broker(desk, bot) == 1
    assert desk.booked(bot) == desk.held(bot) == 1


def test_refused_connection_is_a_stand_down_until_the_next_color(desk: Desk, front: Front, bot: Bot) -> None:
    front.refuse()

    answer = desk.send(bot, "blue", "10:10")

    front.reopen()
    assert answer.summary == ("NONE", "BROKER_UNREACHABLE", None)
    assert answer.decision["state"]["waiting_for_reentry"] == "NO"
    assert desk.send(bot, "up", "10:15").summary == ("NONE", "NOT_WAITING", None)
    assert desk.send(bot, "red", "10:20").summary == ("ENTER_SHORT", "TREND_RED", "filled")
    assert desk.booked(bot) == desk.held(bot) == -1


def test_hanging_position_read_denies_an_opening_in_time(desk: Desk, front: Front, bot: Bot) -> None:
    front.meet(POSITIONS, Trouble.HANG)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("NONE", "BROKER_UNREACHABLE", None)
    assert answer.seconds < ANSWER_WITHIN_S
    assert orders_at_broker(desk, bot) == 0


def test_hanging_position_read_keeps_a_closing_for_the_next_event(desk: Desk, front: Front, bot: Bot) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    front.meet(POSITIONS, Trouble.HANG)

    answer = desk.send(bot, "down", "10:30")

    assert answer.summary == ("NONE", "BROKER_UNREACHABLE", None)
    assert answer.seconds < ANSWER_WITHIN_S
    assert answer.decision["state"]["current_position"] == "LONG"
    assert desk.open_incidents(bot) == ["UNHELD_TARGET"]
    again = desk.send(bot, "blue", "10:40").decision
    assert (again["action"], again["order"]["status"]) == ("EXIT", "filled")
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == []


def test_position_read_dropped_once_is_asked_again(desk: Desk, front: Front, bot: Bot) -> None:
    front.meet(POSITIONS, Trouble.LOSE_REPLY)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "filled")


def test_hanging_fill_read_leaves_the_order_working_until_recovery(
    desk: Desk, front: Front, bot: Bot
) -> None:
    front.meet(FILLS, Trouble.HANG)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "working")
    assert answer.seconds < ANSWER_WITHIN_S
    front.calm()
    recovered_into(desk, bot, "filled")
    assert desk.booked(bot) == desk.held(bot) == 1


def test_server_error_on_a_submit_is_unconfirmed(desk: Desk, front: Front, bot: Bot) -> None:
    front.answer(PLACE, "500 Internal Server Error", b"{}")

    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "unconfirmed")
    assert desk.open_incidents(bot) == ["ORDER_UNCONFIRMED"]


def test_token_refused_once_is_renewed_and_the_order_goes(desk: Desk, front: Front, bot: Bot) -> None:
    front.answer(PLACE, "401 Unauthorized", b'"Expired Access Token"')

    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    assert orders_at_broker(desk, bot) == 1


def test_rejected_opening_stands_down(desk: Desk, front: Front, bot: Bot) -> None:
    front.answer(PLACE, "200 OK", b'{"failureReason": "MaxPosLimitReached", "failureText": "No."}')

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "rejected")
    assert answer.decision["state"]["current_position"] == "NONE"
    assert desk.send(bot, "up", "10:15").summary == ("NONE", "NOT_WAITING", None)


def test_rejected_reversal_sends_its_closing_half_alone(desk: Desk, front: Front, bot: Bot) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    front.answer(PLACE, "200 OK", b'{"failureReason": "MaxPosLimitReached", "failureText": "No."}')

    answer = desk.send(bot, "red", "10:20")

    order = answer.decision["order"]
    assert (order["side"], order["quantity"], order["status"]) == ("SELL", 1, "filled")
    assert [(row["quantity"], row["status"]) for row in desk.orders(bot)] == [
        (1, "filled"),
        (2, "rejected"),
        (1, "filled"),
    ]
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == []


@pytest.mark.parametrize(
    ("status", "body"), [("200 OK", PENALTY), ("429 Too Many Requests", PENALTY)], ids=["penalty", "429"]
)
def test_throttled_order_goes_once_when_recovery_comes(
    desk: Desk, front: Front, bot: Bot, status: str, body: bytes
) -> None:
    front.answer(PLACE, status, body)

    answer = desk.send(bot, "blue", "10:10")

    assert answer.summary == ("ENTER_LONG", "TREND_BLUE", "pending")
    assert orders_at_broker(desk, bot) == 0
    recovered_into(desk, bot, "filled")
    assert orders_at_broker(desk, bot) == 1
    assert desk.booked(bot) == desk.held(bot) == 1


def test_throttled_opening_that_the_strategy_left_is_not_sent_late(
    desk: Desk, front: Front, bot: Bot
) -> None:
    front.answer(PLACE, "200 OK", PENALTY)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "pending")
    assert desk.send(bot, "down", "10:30").decision["order"] is None

    recovered_into(desk, bot, "denied")

    assert orders_at_broker(desk, bot) == 0
    assert desk.booked(bot) == desk.held(bot) == 0


def test_throttled_reversal_that_a_color_undid_is_not_sent_late(desk: Desk, front: Front, bot: Bot) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    front.answer(PLACE, "200 OK", PENALTY)
    assert desk.send(bot, "red", "10:20").summary == ("REVERSE_TO_SHORT", "TREND_RED", "pending")
    assert desk.send(bot, "blue", "10:30").decision["order"] is None

    recovered_into(desk, bot, "denied")

    assert orders_at_broker(desk, bot) == 1
    assert desk.booked(bot) == desk.held(bot) == 1


def test_throttled_opening_of_a_halted_desk_is_not_sent_late(desk: Desk, front: Front, bot: Bot) -> None:
    front.answer(PLACE, "200 OK", PENALTY)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "pending")
    switch = {"engaged": True, "scope": f"bot:{bot.slug}", "mode": "halt", "reason": "test"}
    assert desk.api("POST", "/api/v1/kill-switch/", switch).status == 200

    recovered_into(desk, bot, "denied")

    assert orders_at_broker(desk, bot) == 0


def test_position_traded_by_a_person_lets_closings_go_and_openings_not(
    desk: Desk, front: Front, bot: Bot
) -> None:
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    desk.broker.place(bot.account, desk.orders(bot)[0]["contract"], "Buy")

    answer = desk.send(bot, "red", "10:20")

    assert answer.summary == ("EXIT", "POSITION_MISMATCH", "filled")
    assert answer.decision["order"]["quantity"] == 2
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == ["POSITION_MISMATCH"]
    assert desk.send(bot, "blue", "10:30").summary == ("NONE", "POSITION_MISMATCH", None)


def orders_at_broker(desk: Desk, bot: Bot) -> int:
    """Return how many orders of a bot the broker took in; none may be there twice."""
    ours = {order["client_order_id"] for order in desk.orders(bot)}
    known = [identity for identity in desk.broker.client_order_ids() if identity in ours]
    assert len(known) == len(set(known))
    return len(known)


def recovered(desk: Desk, bot: Bot) -> None:
    """Let recovery ask about the one order of a bot that has no end, as if it had been left behind."""
    desk.let_seconds_pass(6)
    (order,) = [row["client_order_id"] for row in desk.orders(bot) if row["status"] in UNSETTLED]
    assert [row for row in desk.recover() if order in row["subject"]]


def recovered_into(desk: Desk, bot: Bot, status: str) -> None:
    """Let recovery bring the one order of a bot that has no end to this one."""
    (order,) = [row["client_order_id"] for row in desk.orders(bot) if row["status"] in UNSETTLED]
    recovered(desk, bot)
    (row,) = [row for row in desk.orders(bot) if row["client_order_id"] == order]
    assert (row["status"], row["note"].partition(":")[0]) == (
        status,
        "Not sent late" if status == "denied" else row["note"].partition(":")[0],
    )
