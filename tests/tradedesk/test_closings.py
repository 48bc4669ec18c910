"""What an order that came to nothing leaves to be closed, sent by recovery and by whoever settles."""

from collections.abc import Callable

import pytest

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerThrottled,
)
from strategy.types import Direction
from tests.builders import make_order
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    DOWN_RED,
    LEFT_BEHIND_S,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    said,
    sent,
    set_mode,
    state_of,
    target_of,
)
from tradedesk.models import Bot, Order, OrderPurpose, OrderStatus, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.kill_switch import engage, release
from tradedesk.services.order_path.orders import id_of_closing_after
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored

WHOLE, HALF = ("SELL", 2, "MESZ6"), ("SELL", 1, "MESZ6")


@pytest.fixture
def long(tell: Teller, broker: FakeBroker) -> None:
    """Let the bot be long one contract, and the broker have heard of nothing yet."""
    tell(BLUE)
    broker.submits.clear()


def throttled(broker: FakeBroker) -> None:
    broker.fail("submit", BrokerThrottled(120))


def lost(broker: FakeBroker) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))


def rejected_unheard(broker: FakeBroker) -> None:
    broker.reject("MaxPosLimitReached")
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))


def working(broker: FakeBroker) -> None:
    broker.fills_at_once = False


def reject_all(broker: FakeBroker) -> None:
    """Let every order that works be rejected, and the next one fill."""
    broker.fills_at_once = True
    for order in broker.orders.values():
        if order.status is BrokerOrderStatus.WORKING:
            order.status, order.reject_reason = BrokerOrderStatus.REJECTED, "MaxPosLimitReached"


def pass_time(desk: Desk, clock: FakeClock, *, rounds: int = 1) -> None:
    """Let recovery come so often, each time after an order is left behind and lost if it never shows up."""
    for _ in range(rounds):
        for seconds in (LEFT_BEHIND_S, 5, 5):
            clock.advance(seconds)
            recover(desk)


def statuses() -> list[tuple[str, str]]:
    """Return purpose and status of every order but the first entry, oldest first."""
    return list(Order.objects.order_by("id").values_list("purpose", "status")[1:])


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize(
    ("spoil", "status", "submits"),
    [
        (throttled, "denied", [WHOLE, HALF]),
        (lost, "lost", [WHOLE, HALF]),
        (rejected_unheard, "rejected", [WHOLE, HALF]),
        (working, "rejected", [WHOLE, HALF]),
    ],
)
def test_reversal_that_comes_to_nothing_later_sends_its_closing_half_once(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    spoil: Callable[[FakeBroker], None],
    status: str,
    submits: list[tuple[str, int, str]],
) -> None:
    spoil(broker)
    tell(RED, 20)
    reject_all(broker)
    clock.advance(61)

    pass_time(desk, clock, rounds=2)

    assert statuses() == [("reverse", status), ("close", "filled")]
    assert sent(broker) == submits
    whole, half = Order.objects.order_by("id")[1:]
    assert half.client_order_id == id_of_closing_after(whole.client_order_id)
    assert half.decision == whole.decision
    assert (broker.held(), state_of(bot), open_incidents()) == (0, DOWN_RED, [])


@pytest.mark.usefixtures("long")
def test_closing_half_is_sized_from_the_broker(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    throttled(broker)
    tell(RED, 20)
    broker.hold("MESZ6", 3)
    clock.advance(61)

    pass_time(desk, clock)

    assert sent(broker) == [WHOLE, ("SELL", 3, "MESZ6")]
    assert broker.held() == 0


@pytest.mark.usefixtures("long")
def test_part_of_a_reversal_that_filled_before_its_rejection_is_not_closed_again(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    working(broker)
    tell(RED, 20)
    broker.fill(max(broker.orders), 1)
    reject_all(broker)

    pass_time(desk, clock)

    assert sent(broker) == [WHOLE]
    assert (broker.held(), state_of(bot), open_incidents()) == (0, DOWN_RED, [])


def test_reversal_rejected_in_time_after_a_part_filled_closes_what_is_left(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock
) -> None:
    Bot.objects.update(size=2)
    tell(BLUE)
    working(broker)

    def fill_one_and_reject() -> None:
        clock.during_sleep = None
        broker.fill(max(broker.orders), 1)
        reject_all(broker)

    clock.during_sleep = fill_one_and_reject

    tell(RED, 20)

    assert sent(broker)[1:] == [("SELL", 4, "MESZ6"), HALF]
    assert (broker.held(), state_of(bot), target_of(bot)) == (0, DOWN_RED, Direction.NONE)


@pytest.mark.usefixtures("long")
def test_halted_desk_sends_no_closing_half_and_not_after_its_release_either(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(RED, 20)
    set_mode(TradingMode.HALTED)
    pass_time(desk, clock)
    set_mode(TradingMode.ACTIVE)

    pass_time(desk, clock)

    assert statuses() == [("reverse", "lost"), ("close", "denied")]
    assert Order.objects.latest("id").note == "Not sent late: HALTED, trading state HALTED."
    assert (sent(broker), broker.held()) == ([WHOLE], 1)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]
    assert said(tell(DOWN, 60))[0] == "EXIT"


@pytest.mark.usefixtures("long")
def test_reducing_lets_the_closing_half_go(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(RED, 20)
    set_mode(TradingMode.REDUCING)

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([WHOLE, HALF], 0)


@pytest.mark.usefixtures("long")
def test_reversal_that_the_next_colour_undid_leaves_nothing_to_close(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    throttled(broker)
    tell(RED, 20)
    tell(BLUE, 30)

    pass_time(desk, clock)

    assert (sent(broker), broker.held(), target_of(bot)) == ([WHOLE], 1, Direction.LONG)
    assert statuses() == [("reverse", "denied")]


@pytest.mark.usefixtures("long")
def test_closing_half_that_the_broker_rejects_is_not_sent_again(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(RED, 20)
    broker.reject("MarketClosed")

    pass_time(desk, clock, rounds=2)

    assert statuses() == [("reverse", "lost"), ("close", "rejected")]
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]


@pytest.mark.usefixtures("long")
def test_closing_half_that_the_request_could_not_send_is_left_to_recovery(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.reject("MaxPosLimitReached")
    broker.before_submit = lambda _: broker.fail("positions", BrokerNotReached("no route"))

    answer = tell(RED, 20)
    assert answer.decision["order"]["status"] == "pending"
    assert statuses() == [("reverse", "rejected"), ("close", "pending")]
    broker.before_submit = None
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert (sent(broker), broker.held()) == ([WHOLE, HALF], 0)


# --- closings that get lost ---


@pytest.mark.usefixtures("long")
def test_lost_exit_goes_again_under_a_new_id(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(DOWN, 20)

    pass_time(desk, clock, rounds=2)

    assert statuses() == [("close", "lost"), ("close", "filled")]
    assert len({order.client_order_id for order in broker.submits}) == 2
    assert (broker.held(), state_of(bot), open_incidents()) == (0, OUT_BLUE, [])


@pytest.mark.usefixtures("long")
def test_exit_that_gets_lost_again_and_again_is_given_up_after_three(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"), times=9)
    tell(DOWN, 20)

    pass_time(desk, clock, rounds=6)

    assert statuses() == [("close", "lost")] * 3
    assert (len(broker.submits), broker.held()) == (3, 1)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]
    broker.fail("submit", BrokerOutcomeUnknown("?"), times=0)
    assert flatten(desk, scope="all", reason="drill", by="ada").flat is True


@pytest.mark.usefixtures("long")
def test_lost_exit_of_a_position_that_is_gone_is_not_sent_again(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(DOWN, 20)
    for seconds in (LEFT_BEHIND_S, 5):
        clock.advance(seconds)
        recover(desk)
    Order.objects.filter(purpose="close").update(position_before=0)
    broker.hold("MESZ6", 0)

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 0)
    assert statuses() == [("close", "lost"), ("close", "denied")]


@pytest.mark.usefixtures("long")
def test_closing_waits_for_another_one_without_an_end(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(DOWN, 20)
    flattening = make_order(
        bot, purpose=OrderPurpose.FLATTEN, side="SELL", status=OrderStatus.WORKING, broker_order_id=7
    )
    broker.fail("order_report", BrokerOutcomeUnknown("?"), times=9)

    pass_time(desk, clock)

    assert statuses() == [("close", "lost"), ("flatten", "working"), ("close", "pending")]
    Order.objects.filter(pk=flattening.pk).update(status=OrderStatus.CANCELLED, settled_at=clock.now())
    pass_time(desk, clock)
    assert (sent(broker), broker.held()) == ([HALF, HALF], 0)


@pytest.mark.usefixtures("long")
def test_closings_that_both_wait_do_not_wait_for_each_other(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerNotReached("no route"))
    tell(DOWN, 20)
    exit_, names = Order.objects.get(purpose=OrderPurpose.CLOSE), ("account", "bot", "decision", "contract")
    kept = {name: getattr(exit_, name) for name in names}
    Order.objects.create(
        **kept,
        purpose=OrderPurpose.CLOSE,
        side=exit_.side,
        quantity=1,
        client_order_id="td-another",
        status=OrderStatus.PENDING,
        created_at=clock.now(),
    )

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF, HALF], 0)
    assert statuses() == [("close", "filled"), ("close", "denied")]


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("error", [BrokerNotReached("no route"), BrokerAuthFailed("401")])
def test_exit_that_never_left_goes_as_soon_as_the_broker_is_there(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, error: BrokerError
) -> None:
    broker.fail("submit", error)
    assert tell(DOWN, 20).decision["order"]["status"] == "pending"
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert sent(broker) == [HALF, HALF]
    assert broker.submits[0].client_order_id == broker.submits[1].client_order_id
    assert (broker.held(), state_of(bot), open_incidents()) == (0, OUT_BLUE, [])


def test_opening_that_fills_after_the_strategy_left_it_is_closed(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(BLUE)
    tell(DOWN, 15)
    late = broker._add(broker.submits[0])
    broker.fill(late.id)

    pass_time(desk, clock)

    assert sent(broker) == [("BUY", 1, "MESZ6"), HALF]
    assert (broker.held(), stored(bot.id).quantity, state_of(bot)) == (0, 0, OUT_BLUE)
    assert open_incidents() == []


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("event", [DOWN, RED])
@pytest.mark.parametrize("scope", ["all", "account:paper", "bot:mes-paper"])
def test_nothing_that_waited_goes_after_a_halt_and_its_release(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, event: str, scope: str
) -> None:
    throttled(broker)
    tell(event, 20)
    engage(desk, scope=scope, mode=TradingMode.HALTED, reason="look", by="ada")
    release(desk, scope=scope, reason="fine", by="ada")

    pass_time(desk, clock)

    assert {status for _, status in statuses()} == {"denied"}
    assert set(Order.objects.filter(status="denied").values_list("note", flat=True)) == {
        "Not sent late: trading was halted meanwhile."
    }
    assert (len(broker.submits), broker.held()) == (1, 1)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]


# --- orders that fill after the colour came back ---


@pytest.mark.usefixtures("long")
def test_exit_that_fills_after_its_colour_came_back_stands_the_bot_down(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(DOWN, 20)
    assert said(tell(UP, 25)) == ("NONE", "DI_UP")
    broker.fill(broker._add(broker.submits[0]).id)

    pass_time(desk, clock)

    assert (broker.held(), target_of(bot), state_of(bot)) == (0, Direction.NONE, DOWN_BLUE)
    assert (sent(broker), open_incidents()) == ([HALF], [])


@pytest.mark.usefixtures("long")
def test_reversal_that_fills_after_its_colour_was_undone_is_closed(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    lost(broker)
    tell(RED, 20)
    assert said(tell(BLUE, 30)) == ("NONE", "TREND_BLUE")
    broker.fill(broker._add(broker.submits[0]).id)

    pass_time(desk, clock)

    assert sent(broker) == [WHOLE, ("BUY", 1, "MESZ6")]
    assert (broker.held(), target_of(bot), state_of(bot)) == (0, Direction.NONE, DOWN_BLUE)
    assert open_incidents() == []
