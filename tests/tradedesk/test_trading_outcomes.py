from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from strategy.types import Direction
from tests.builders import make_incident
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    IN_LONG,
    LEFT_BEHIND_S,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    refused_at_once,
    said,
    sent,
    set_mode,
    state_of,
    taken_and_rejected,
    target_of,
)
from tradedesk.models import (
    Bot,
    Fill,
    Instrument,
    Order,
    TradingMode,
)
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored

# --- the broker does not answer, or says no ---


@pytest.mark.parametrize(
    "error",
    [
        BrokerNotReached("no route"),
        BrokerOutcomeUnknown("read timed out"),
        BrokerAuthFailed("401"),
        BrokerThrottled(5),
        BrokerRefused("Down"),
    ],
)
def test_position_that_cannot_be_read_opens_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker, error: BrokerError
) -> None:
    broker.fail("positions", error)

    assert said(tell(BLUE)) == ("NONE", "BROKER_UNREACHABLE")
    assert (sent(broker), state_of(bot)) == ([], DOWN_BLUE)


def test_account_that_cannot_be_linked_opens_nothing(
    tell: Teller, links: FakeLinks, broker: FakeBroker
) -> None:
    links.down["paper"] = BrokerAuthFailed("no")

    assert said(tell(BLUE)) == ("NONE", "BROKER_UNREACHABLE")
    assert sent(broker) == []


def test_contract_that_cannot_be_read_opens_nothing_but_closes(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.fail("front_contract", BrokerOutcomeUnknown("?"), times=2)

    assert said(tell(RED, 20)) == ("EXIT", "CONTRACT_UNKNOWN")
    assert said(tell(BLUE, 40)) == ("NONE", "CONTRACT_UNKNOWN")


def test_exit_that_finds_no_broker_leaves_the_position_and_an_incident(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.fail("positions", BrokerNotReached("no route"))

    assert said(tell(DOWN, 20)) == ("NONE", "BROKER_UNREACHABLE")
    assert open_incidents() == [("UNHELD_TARGET", "mes-paper")]
    assert said(tell(DOWN, 40))[0] == "EXIT"
    assert open_incidents() == []


@pytest.mark.parametrize("no", [taken_and_rejected, refused_at_once])
def test_entry_that_the_broker_rejects_stands_down(
    bot: Bot, tell: Teller, broker: FakeBroker, no: Callable[[FakeBroker], None]
) -> None:
    no(broker)

    answer = tell(BLUE)

    assert (said(answer), answer.decision["order"]["status"]) == (("ENTER_LONG", "TREND_BLUE"), "rejected")
    assert Order.objects.get().note == "MaxPosLimitReached"
    assert (state_of(bot), len(broker.submits)) == (DOWN_BLUE, 1)
    assert said(tell(UP, 20)) == ("NONE", "NOT_WAITING")


@pytest.mark.parametrize("error", [BrokerNotReached("refused"), BrokerAuthFailed("401")])
def test_entry_that_was_not_sent_is_denied_and_stands_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, error: BrokerError
) -> None:
    broker.fail("submit", error)

    answer = tell(BLUE)

    assert answer.decision["order"]["status"] == "denied"
    assert state_of(bot) == DOWN_BLUE
    clock.advance(LEFT_BEHIND_S)
    assert recover(desk).rows == []
    assert len(broker.submits) == 1


# --- unknown outcomes ---


@pytest.mark.parametrize("text", ["read timed out", "connection reset", "502", "unreadable"])
def test_unknown_outcome_is_unconfirmed_and_never_sent_again(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, text: str
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown(text))

    answer = tell(BLUE)

    order = Order.objects.get()
    assert answer.decision["order"]["status"] == "unconfirmed"
    assert order.note == f"No usable answer: {text}"
    assert open_incidents() == [("ORDER_UNCONFIRMED", order.client_order_id)]
    for _ in range(2):
        clock.advance(LEFT_BEHIND_S)
        assert [row.still_open for row in recover(desk).rows] == [True]
    assert len(broker.submits) == 1


def look_for(desk: Desk, clock: FakeClock, pauses_s: tuple[float, ...]) -> None:
    """Look for what is open once it is left behind, and again after each pause."""
    clock.advance(LEFT_BEHIND_S)
    recover(desk)
    for pause_s in pauses_s:
        clock.advance(pause_s)
        recover(desk)


def test_opening_not_listed_in_three_looks_over_ten_seconds_is_lost_and_stands_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    look_for(desk, clock, (5, 5))

    order = Order.objects.get()
    assert (order.status, order.looks) == ("lost", 3)
    assert order.note == "Not at the broker after 3 looks, position unchanged."
    assert broker.calls["log_in_again"] == 1
    assert (state_of(bot), target_of(bot), open_incidents()) == (DOWN_BLUE, Direction.NONE, [])
    assert said(tell(RED, 20)) == ("ENTER_SHORT", "TREND_RED")
    assert len(broker.submits) == 2


@pytest.mark.parametrize("pauses_s", [(10,), (4, 5)], ids=["two looks", "nine seconds"])
def test_opening_not_listed_is_not_lost_before_the_rule_is_met(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, pauses_s: tuple[float, ...]
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    look_for(desk, clock, pauses_s)

    assert Order.objects.get().status == "unconfirmed"


def test_opening_not_listed_is_not_lost_while_the_position_differs(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    broker.hold("MESZ6", 1)

    look_for(desk, clock, (5, 5, 60))

    assert Order.objects.get().status == "unconfirmed"
    assert [kind for kind, _ in open_incidents()] == ["ORDER_UNCONFIRMED"]


def test_unconfirmed_order_that_was_filled_is_found_by_its_id(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    answer = tell(BLUE)
    assert answer.decision["order"]["status"] == "unconfirmed"
    assert answer.decision["state"]["current_position"] == "NONE"
    clock.advance(LEFT_BEHIND_S)

    (row,) = recover(desk).rows

    order = Order.objects.get()
    assert (row.still_open, order.status, order.filled_quantity) == (False, "filled", 1)
    assert (state_of(bot), stored(bot.id).quantity, Fill.objects.count()) == (IN_LONG, 1, 1)
    assert (open_incidents(), len(broker.submits), broker.held()) == ([], 1, 1)
    assert recover(desk).rows == []
    assert said(tell(DOWN, 20)) == ("EXIT", "DI_DOWN")


def test_no_opening_leaves_while_an_order_is_unconfirmed(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    assert said(tell(RED, 10)) == ("NONE", "ORDER_UNCONFIRMED")
    assert said(tell(BLUE, 20)) == ("NONE", "ORDER_UNCONFIRMED")
    assert len(broker.submits) == 1


@pytest.mark.parametrize("event", [UP, BLUE])
def test_event_that_agrees_with_an_order_on_its_way_does_not_stand_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, event: str
) -> None:
    broker.fills_at_once = False
    tell(BLUE)
    (order_id,) = broker.orders

    assert said(tell(event, 10))[0] == "NONE"
    broker.fill(order_id)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)

    assert (state_of(bot), target_of(bot)) == (IN_LONG, Direction.LONG)
    assert (open_incidents(), len(broker.submits)) == ([], 1)


def test_exit_while_the_entry_is_unconfirmed_closes_what_the_broker_holds(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    assert said(tell(DOWN, 10))[0] == "EXIT"
    clock.advance(LEFT_BEHIND_S)
    recover(desk)

    assert sent(broker) == [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")]
    assert (state_of(bot), broker.held()) == (OUT_BLUE, 0)


def test_unconfirmed_closing_is_not_sent_twice(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell(BLUE)
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))

    assert tell(DOWN, 20).decision["order"]["status"] == "unconfirmed"
    assert said(tell(DOWN, 40)) == ("NONE", "ORDER_UNCONFIRMED")
    assert said(tell(RED, 60)) == ("NONE", "ORDER_UNCONFIRMED")
    assert len(broker.submits) == 2


def test_order_rejected_after_its_answer_got_lost_stands_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.reject("MaxPosLimitReached")
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert Order.objects.get().status == "rejected"
    assert (state_of(bot), open_incidents()) == (DOWN_BLUE, [])


# --- penalties ---


def test_throttled_order_goes_again_once_with_its_id_while_young(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(5))
    assert tell(BLUE).decision["order"]["status"] == "pending"
    clock.advance(LEFT_BEHIND_S)

    recover(desk)
    recover(desk)

    first, second = broker.submits
    assert first.client_order_id == second.client_order_id
    assert Order.objects.get().status == "filled"
    assert (state_of(bot), broker.held()) == (IN_LONG, 1)


def test_throttled_order_waits_out_a_longer_penalty_and_goes_then(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(15), times=3)
    tell(BLUE)
    for _ in range(2):
        clock.advance(LEFT_BEHIND_S)
        recover(desk)
        assert (Order.objects.get().status, broker.held()) == ("pending", 0)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert (Order.objects.get().status, len(broker.submits), broker.held()) == ("filled", 4, 1)


def test_throttled_order_that_grew_old_is_denied_and_stands_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(120))
    tell(BLUE)
    clock.advance(61)

    recover(desk)

    assert Order.objects.get().status == "denied"
    assert (state_of(bot), len(broker.submits), broker.held()) == (DOWN_BLUE, 1, 0)


def test_throttled_closing_goes_again_however_old(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    broker.fail("submit", BrokerThrottled(120))
    tell(DOWN, 20)
    clock.advance(3600)

    recover(desk)

    assert (state_of(bot), broker.held()) == (OUT_BLUE, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: set_mode(TradingMode.HALTED),
        lambda: set_mode(TradingMode.REDUCING),
        lambda: Bot.objects.update(enabled=False),
        lambda: Instrument.objects.update(tick_size="0.5"),
        lambda: make_incident(Bot.objects.get()),
    ],
)
def test_throttled_entry_passes_the_gate_again_before_it_goes(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, spoil: Callable[[], object]
) -> None:
    broker.fail("submit", BrokerThrottled(5))
    tell(BLUE)
    spoil()
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert Order.objects.get().status == "denied"
    assert (len(broker.submits), broker.held()) == (1, 0)


def test_throttled_entry_does_not_go_after_the_trend_turned(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(5))
    tell(BLUE)
    tell(RED, 0.25)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert (len(broker.submits), broker.held()) == (1, 0)
    assert Order.objects.get().status == "denied"


# --- fills that take their time ---


def test_order_that_works_longer_than_the_answer_may_take_is_working(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fills_at_once = False

    answer = tell(BLUE)

    assert answer.decision["order"]["status"] == "working"
    assert clock.now() - START < timedelta(seconds=2.5)
    broker.fill(int(answer.decision["order"]["broker_order_id"]))
    clock.advance(LEFT_BEHIND_S)
    recover(desk)
    assert (state_of(bot), Order.objects.get().status) == (IN_LONG, "filled")


def test_part_filled_in_time_and_the_rest_found_by_recovery(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    Bot.objects.update(size=3)
    broker.fills_at_once = False

    def fill_one() -> None:
        clock.during_sleep = None
        broker.fill(next(iter(broker.orders)), 1)

    clock.during_sleep = fill_one
    answer = tell(BLUE)
    assert answer.decision["order"] | {"client_order_id": ""} == {
        "client_order_id": "",
        "side": "BUY",
        "quantity": 3,
        "contract": "MESZ6",
        "status": "partially_filled",
        "broker_order_id": "1001",
        "filled_quantity": 1,
        "average_price": "6842.25",
    }
    assert stored(bot.id).quantity == 1

    broker.price = Decimal("6842.75")
    broker.fill(1001)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)

    order = Order.objects.get()
    assert (order.status, order.filled_quantity, str(order.average_price)) == ("filled", 3, "6842.58333333")
    assert list(Fill.objects.order_by("id").values_list("quantity", flat=True)) == [1, 2]
    assert stored(bot.id).quantity == 3


def test_cancelled_with_a_part_filled_keeps_the_part(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    Bot.objects.update(size=2)
    broker.fills_at_once = False

    def fill_one_and_cancel() -> None:
        clock.during_sleep = None
        broker.fill(1001, 1)
        broker.cancel(1001, timeout_s=1)

    clock.during_sleep = fill_one_and_cancel
    answer = tell(BLUE)

    assert (answer.decision["order"]["status"], answer.decision["order"]["filled_quantity"]) == (
        "cancelled",
        1,
    )
    assert stored(bot.id).quantity == 1
    assert (broker.held(), target_of(bot)) == (1, Direction.LONG)


def test_repeated_recovery_books_a_fill_once(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    Bot.objects.update(size=2)
    broker.fills_at_once = False
    tell(BLUE)
    broker.fill(1001, 1)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)
    recover(desk)

    assert (Fill.objects.count(), stored(bot.id).quantity, Order.objects.get().filled_quantity) == (1, 1, 1)


def test_target_that_turns_back_while_a_closing_works_is_held_in_the_end_or_given_up(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    Bot.objects.update(size=2)
    tell(BLUE)
    broker.fills_at_once = False

    def fill_one() -> None:
        clock.during_sleep = None
        broker.fill(list(broker.orders)[-1], 1)

    clock.during_sleep = fill_one
    assert tell(DOWN, 15).decision["order"]["status"] == "partially_filled"
    tell(UP, 30)

    for order in broker.working_orders(1, timeout_s=1):
        broker.fill(order.id)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)

    assert target_of(bot) is Direction.of(broker.held())
