"""What keeps the stop in step where the broker or the market does not play along."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from broker.base import BrokerError, BrokerNotReached, BrokerOrderStatus, BrokerThrottled
from broker.terms import OrderType
from tests.builders import confirm_calendars, make_account, make_bot, set_held
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, DOWN_BLUE, RED, open_incidents, sent, state_of
from tradedesk.models import Account, Bot, Environment, Incident, Order
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import resolve
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


# --- which position it is ---


@pytest.fixture
def long(bot: Bot, tell: Teller, broker: FakeBroker) -> Bot:
    """Let a bot be long one contract with a stop."""
    Bot.objects.update(stop_points=Decimal(10))
    tell(BLUE)
    bot.refresh_from_db()
    broker.submits.clear()
    return bot


def take_away(broker: FakeBroker) -> None:
    """Cancel the stop at the broker, as a person there would."""
    for order in broker.orders.values():
        if order.status is BrokerOrderStatus.WORKING:
            order.status = BrokerOrderStatus.CANCELLED


def adopt(desk: Desk, clock: FakeClock, bot: Bot) -> None:
    for _ in range(2):
        reconcile(desk, [bot.account])
        clock.advance(30)
    mismatch = Incident.objects.get(kind="POSITION_MISMATCH", closed_at=None)
    resolve(desk, mismatch, adopt=True, reason="mine", by="ada")


def test_adopted_position_has_its_own_stop_put_back_once(
    long: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    take_away(broker)
    reconcile(desk, [long.account])
    take_away(broker)
    broker.hold("MESZ6", 2)
    adopt(desk, clock, long)
    broker.submits.clear()

    reconcile(desk, [long.account])
    put_back = kinds(broker)
    take_away(broker)
    reconcile(desk, [long.account])

    assert (put_back, kinds(broker)) == ([OrderType.STOP], [OrderType.STOP, OrderType.MARKET])
    assert broker.held() == 0


def test_adopted_position_on_the_other_side_gets_a_stop(
    long: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    take_away(broker)
    broker.hold("MESZ6", -1)
    adopt(desk, clock, long)

    reconcile(desk, [long.account])

    assert [(order.side, order.terms.type) for order in broker.submits] == [("BUY", OrderType.STOP)]


def test_position_that_stop_and_target_opened_by_filling_both_is_closed_and_not_protected(
    bot: Bot, desk: Desk, broker: FakeBroker, tell: Teller
) -> None:
    Bot.objects.update(stop_points=Decimal(10), target_points=Decimal(20))
    tell(BLUE)
    broker.submits.clear()
    for order in list(broker.orders.values()):
        order.siblings = []
        if order.status is BrokerOrderStatus.WORKING:
            broker.fill(order.id)

    reconcile(desk, [Account.objects.get()])

    assert sent(broker) == [("BUY", 1, "MESZ6")]
    assert (kinds(broker), broker.held(), state_of(bot)) == ([OrderType.MARKET], 0, DOWN_BLUE)


# --- a closing that waits ---


@pytest.mark.parametrize("event", [DOWN, RED])
def test_closing_that_waits_does_not_hide_that_the_stop_is_gone(
    long: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock, tell: Teller, event: str
) -> None:
    broker.fail("submit", BrokerThrottled(120))
    tell(event, 20)

    reconcile(desk, [long.account])
    told = open_incidents()
    clock.advance(61)
    recover(desk)
    reconcile(desk, [long.account])

    assert told == [("STOP_MISSING", long.slug), ("UNHELD_TARGET", long.slug)]
    assert (sent(broker), open_incidents()) == ([("SELL", 1, "MESZ6")] * 2, [])


def test_closing_that_waits_beside_a_stop_that_stands_tells_of_no_missing_one(
    long: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock, tell: Teller
) -> None:
    broker.fail("cancel", BrokerNotReached("no route"), times=9)
    tell(DOWN, 20)

    reconcile(desk, [long.account])

    assert open_incidents() == [("LEG_NOT_CANCELLED", long.slug)]
