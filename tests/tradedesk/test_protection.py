"""What keeps the stop in step where the broker or the market does not play along."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from broker.base import BrokerError, BrokerNotReached, BrokerOrderStatus, BrokerThrottled
from broker.terms import OrderType
from tests.builders import confirm_calendars, make_account, make_bot, set_held
from tests.fakes import FakeBroker, FakeClock
from tests.telling import open_incidents
from tradedesk.models import Bot, Environment, Order
from tradedesk.services.desk import Desk
from tradedesk.services.reconciliation import reconcile
from tradedesk.stores.positions import stored

# The strategy of a bot that never heard an alert wants nothing held.
LEFT = ("UNHELD_TARGET", "mes-own")
SATURDAY = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)


def bare(broker: FakeBroker, environment: Environment = Environment.PAPER) -> Bot:
    """Return a bot that holds a contract without the stop that it is to have."""
    account = make_account("own", environment=environment, credentials="TRADOVATE", enabled=True)
    bot = make_bot("mes-own", account=account, stop_points=Decimal(10))
    set_held(bot, 1)
    broker.hold("MESZ6", 1)
    return bot


def kinds(broker: FakeBroker) -> Sequence[OrderType]:
    return [order.terms.type for order in broker.submits]


def test_position_that_was_there_before_the_stop_was_set_gets_one(desk: Desk, broker: FakeBroker) -> None:
    bot = bare(broker)

    reconcile(desk, [bot.account])
    reconcile(desk, [bot.account])

    (order,) = broker.submits
    assert (order.side, order.quantity, order.terms.stop_price) == ("SELL", 1, Decimal("6832.25"))
    assert open_incidents() == [LEFT]


@pytest.mark.parametrize("error", [BrokerNotReached("down"), BrokerThrottled(5)])
def test_stop_that_was_not_sent_is_tried_again_and_not_counted(
    desk: Desk, broker: FakeBroker, error: BrokerError
) -> None:
    bot = bare(broker)
    broker.fail("submit", error)

    reconcile(desk, [bot.account])
    reconcile(desk, [bot.account])

    assert kinds(broker) == [OrderType.STOP, OrderType.STOP]
    assert list(Order.objects.order_by("id").values_list("status", flat=True)) == ["denied", "working"]


def test_nothing_is_sent_while_the_market_is_closed(desk: Desk, broker: FakeBroker, clock: FakeClock) -> None:
    confirm_calendars()
    bot = bare(broker, Environment.DEMO)
    clock.advance((SATURDAY - clock.now()).total_seconds())

    reconcile(desk, [bot.account])

    assert (broker.submits, open_incidents()) == ([], [("STOP_MISSING", "mes-own"), LEFT])


def test_stop_of_another_size_is_replaced(desk: Desk, broker: FakeBroker) -> None:
    bot = bare(broker)
    reconcile(desk, [bot.account])
    broker.hold("MESZ6", 2)
    set_held(bot, 2)
    Order.objects.update(client_order_id="td-first-stop")

    reconcile(desk, [bot.account])

    assert [order.quantity for order in broker.submits] == [1, 2]
    working = [order.id for order in broker.orders.values() if order.status is BrokerOrderStatus.WORKING]
    assert len(working) == 1
    assert stored(bot.id).quantity == 2
