"""A fill that shows only after its order was cancelled is booked where the broker lists the order as ours."""

from dataclasses import replace

import pytest

from broker.base import BrokerOrderStatus
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, DOWN_BLUE, LEFT_BEHIND_S, OUT_BLUE, open_incidents, sent, state_of
from tradedesk.models import Bot, Fill, Order
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored


@pytest.fixture
def cancelled(bot: Bot, tell: Teller, desk: Desk, broker: FakeBroker, clock: FakeClock) -> int:
    """Return the broker's id of an entry that the exchange cancelled, as the desk has it."""
    broker.fills_at_once = False
    tell(BLUE)
    broker.fills_at_once = True
    return cancel(desk, broker, clock)


def cancel(desk: Desk, broker: FakeBroker, clock: FakeClock) -> int:
    """Let the exchange cancel the last order, and the desk hear of it; return the broker's id."""
    number = max(broker.orders)
    broker.cancel(number, timeout_s=1)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)
    assert Order.objects.get(broker_order_id=number).status == "cancelled"
    return number


def fill_late(broker: FakeBroker, number: int) -> None:
    """Let a fill of a cancelled order show."""
    broker.fill(number)
    broker.orders[number].status = BrokerOrderStatus.CANCELLED


def test_late_fill_of_an_entry_is_booked_and_closed_since_the_strategy_left_it(
    cancelled: int, bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    fill_late(broker, cancelled)

    assert reconcile(desk, [bot.account]).differences == []

    entry = Order.objects.get(broker_order_id=cancelled)
    assert (entry.status, entry.filled_quantity, entry.average_price) == ("cancelled", 1, broker.price)
    assert (stored(bot.id).quantity, Fill.objects.get().order) == (1, entry)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)
    assert (sent(broker), broker.held()) == ([("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")], 0)
    assert (state_of(bot), open_incidents()) == (DOWN_BLUE, [])


def test_late_fill_of_an_exit_is_booked(
    bot: Bot, tell: Teller, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    tell(BLUE)
    broker.fills_at_once = False
    tell(DOWN, 15)
    number = cancel(desk, broker, clock)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]

    fill_late(broker, number)
    reconcile(desk, [bot.account])

    assert (state_of(bot), open_incidents(), Fill.objects.count()) == (OUT_BLUE, [], 2)


def test_late_fill_is_booked_once(cancelled: int, bot: Bot, desk: Desk, broker: FakeBroker) -> None:
    fill_late(broker, cancelled)

    for _ in range(2):
        reconcile(desk, [bot.account])

    assert (Fill.objects.count(), Order.objects.count(), stored(bot.id).quantity) == (1, 2, 1)


def test_late_fill_of_an_order_that_is_not_listed_as_ours_is_a_difference(
    cancelled: int, bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    fill_late(broker, cancelled)
    order = broker.orders[cancelled]
    order.message = replace(order.message, client_order_id="somebody else's")

    reconcile(desk, [bot.account])
    clock.advance(LEFT_BEHIND_S)
    reconcile(desk, [bot.account])

    assert (stored(bot.id).quantity, open_incidents()) == (0, [("POSITION_MISMATCH", bot.slug)])
