"""A reversal with a stop is two orders: what the opening does while the closing has no end, or fails."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from broker.base import BrokerOrderStatus
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    DOWN_RED,
    IN_SHORT,
    LEFT_BEHIND_S,
    RED,
    open_incidents,
    refused_at_once,
    sent,
    set_mode,
    state_of,
    taken_and_rejected,
)
from tradedesk.models import Bot, Order, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.order_path.orders import id_of_closing_after
from tradedesk.services.reconciling.recovery import recover

SELL = ("SELL", 1, "MESZ6")


@pytest.fixture
def long(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    """Let the bot be long one contract with a stop."""
    Bot.objects.update(stop_points=Decimal(10))
    tell(BLUE)
    broker.submits.clear()


@pytest.fixture
def closing(long: None, tell: Teller, broker: FakeBroker) -> int:
    """Let a reversal's closing work on, and return the broker's id of it."""
    broker.fills_at_once = False
    tell(RED, 20)
    broker.fills_at_once = True
    return Order.objects.get(purpose="close").broker_order_id or 0


def later(desk: Desk, clock: FakeClock, seconds: float = LEFT_BEHIND_S) -> None:
    clock.advance(seconds)
    recover(desk)


def ends() -> list[tuple[str, str]]:
    """Return purpose and status of the orders after the first entry, stops aside, oldest first."""
    trades = Order.objects.exclude(purpose="stop").order_by("id")
    return list(trades.values_list("purpose", "status")[1:])


def test_opening_half_waits_while_the_closing_works_and_opens_then(
    bot: Bot, closing: int, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    later(desk, clock)
    later(desk, clock, 15)
    meanwhile = ends()
    broker.fill(closing)

    later(desk, clock, 15)

    assert meanwhile == [("close", "working"), ("open", "pending")]
    assert (sent(broker), broker.held(), state_of(bot)) == ([SELL, SELL], -1, IN_SHORT)
    assert open_incidents() == []


def test_opening_half_is_given_up_by_age_while_the_closing_works_on(
    bot: Bot, closing: int, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    later(desk, clock, 61)
    meanwhile = ends()
    broker.fill(closing)

    later(desk, clock)

    assert meanwhile == [("close", "working"), ("open", "denied")]
    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([SELL], 0, DOWN_RED, [])


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCING])
def test_opening_half_that_waited_meets_the_gate(
    bot: Bot, closing: int, broker: FakeBroker, desk: Desk, clock: FakeClock, mode: TradingMode
) -> None:
    later(desk, clock)
    set_mode(mode)
    broker.fill(closing)

    later(desk, clock)

    assert (sent(broker), broker.held(), state_of(bot)) == ([SELL], 0, DOWN_RED)


def test_opening_half_that_the_strategy_left_waits_no_longer(
    bot: Bot, closing: int, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE, 20.2)
    broker.fill(closing)

    later(desk, clock)

    assert (sent(broker), broker.held(), state_of(bot)) == ([SELL], 0, DOWN_BLUE)
    assert ends() == [("close", "filled"), ("open", "denied")]


# --- the broker rejects the closing ---


def reject_the_working(broker: FakeBroker) -> None:
    broker.fills_at_once = False


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("spoil", [refused_at_once, taken_and_rejected, reject_the_working])
def test_closing_half_that_is_rejected_goes_once_more_whenever_that_is_heard(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    spoil: Callable[[FakeBroker], None],
) -> None:
    spoil(broker)
    tell(RED, 20)
    for order in broker.orders.values():
        if order.status is BrokerOrderStatus.WORKING and order.message.terms.stop_price is None:
            order.status, order.reject_reason = BrokerOrderStatus.REJECTED, "MaxPosLimitReached"
    broker.fills_at_once = True

    later(desk, clock)

    assert ends() == [("close", "rejected"), ("open", "denied"), ("close", "filled")]
    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([SELL, SELL], 0, DOWN_RED, [])
    _, opening, last = Order.objects.exclude(purpose="stop").order_by("id")[1:]
    assert last.client_order_id == id_of_closing_after(opening.client_order_id)


@pytest.mark.usefixtures("long")
def test_closing_half_that_is_rejected_in_the_request_goes_again_within_it(
    tell: Teller, broker: FakeBroker
) -> None:
    refused_at_once(broker)

    answer = tell(RED, 20)

    assert (sent(broker), broker.held()) == ([SELL, SELL], 0)
    assert (answer.decision["order"]["side"], answer.decision["order"]["status"]) == ("SELL", "filled")


@pytest.mark.usefixtures("long")
def test_closing_half_that_is_rejected_twice_is_left_to_a_person(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    for _ in range(2):
        taken_and_rejected(broker)
    tell(RED, 20)

    later(desk, clock)

    assert (sent(broker), broker.held()) == ([SELL, SELL], 1)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]
    assert ends() == [("close", "rejected"), ("open", "denied"), ("close", "rejected")]
    tell(DOWN, 40)
    assert broker.held() == 0
