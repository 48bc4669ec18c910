import threading

import pytest

from broker.base import BrokerNotReached, BrokerOutcomeUnknown, Change, Connected
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, open_incidents
from tradedesk.models import Bot, Fill, Order, OrderStatus
from tradedesk.services.desk import Desk
from tradedesk.services.following import Follower
from tradedesk.stores.positions import stored


@pytest.fixture
def follower(bot: Bot, desk: Desk) -> Follower:
    return Follower(desk, [bot.account])


def told(follower: Follower, clock: FakeClock, *changes: Connected | Change, seconds: float = 1.0) -> None:
    """Hand changes on and let the follower work for a while."""
    for change in changes:
        follower.take(change)
    follower.work()
    for _ in range(int(seconds / 0.25)):
        clock.advance(0.25)
        follower.work()


def work_on(broker: FakeBroker, tell: Teller) -> int:
    """Let an alert leave an order working, and return the broker's id of it."""
    broker.fills_at_once = False
    tell(BLUE)
    order_id = Order.objects.get().broker_order_id
    assert order_id is not None
    return order_id


def held(bot: Bot) -> int:
    return stored(bot.id).quantity


def test_late_fill_is_booked_once_however_often_it_is_told(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    fill = broker.orders[order_id].fills[0]

    for _ in range(3):
        told(follower, clock, Change(order_id=order_id, fill_id=fill.id), Change(order_id=order_id))

    assert [row.broker_fill_id for row in Fill.objects.all()] == [fill.id]
    assert (Order.objects.get().status, held(bot)) == (OrderStatus.FILLED, 1)


def test_fill_told_before_the_frame_that_names_the_order_is_booked(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    order = Order.objects.get()
    (order_id,) = broker.orders
    assert (order.status, order.broker_order_id) == (OrderStatus.UNCONFIRMED, None)

    follower.take(Change(order_id=order_id, fill_id=broker.orders[order_id].fills[0].id))
    follower.work()
    told(follower, clock, Change(order_id=order_id, client_order_id=order.client_order_id))

    order.refresh_from_db()
    assert (order.status, order.broker_order_id, held(bot)) == (OrderStatus.FILLED, order_id, 1)


def test_another_id_of_a_modification_does_not_hide_ours(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    order = Order.objects.get()
    (order_id,) = broker.orders

    told(
        follower,
        clock,
        Change(order_id=order_id, client_order_id=order.client_order_id),
        Change(order_id=order_id, client_order_id="td-modified"),
    )

    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED


def test_trade_of_a_person_becomes_an_incident_after_a_second_look(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.hold("MESZ6", 2)

    told(follower, clock, Change(account_id=1), Change(account_id=1, order_id=77, fill_id=78), seconds=4)
    early = open_incidents()
    told(follower, clock, seconds=5)

    assert early == []
    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]


def test_burst_of_changes_makes_one_comparison(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    told(follower, clock, *[Change(account_id=1)] * 50)

    assert broker.calls["working_orders"] == 1


def test_new_connection_catches_up_with_what_nobody_told(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.fill(work_on(broker, tell))

    told(follower, clock, Connected(), seconds=0)

    assert (Order.objects.get().status, held(bot)) == (OrderStatus.FILLED, 1)


def test_broker_that_does_not_answer_is_asked_again_a_second_later(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    broker.fail("order_report", BrokerNotReached("down"))

    told(follower, clock, Change(order_id=order_id), seconds=0)
    at_first = Order.objects.get().status
    told(follower, clock, seconds=1.5)

    assert at_first == OrderStatus.WORKING
    assert Order.objects.get().status == OrderStatus.FILLED


@pytest.mark.django_db(transaction=True)
def test_run_works_through_what_the_stream_tells_and_ends_with_it(
    bot: Bot, tell: Teller, broker: FakeBroker, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    broker.hints = [Connected(), Change(order_id=order_id), None]

    follower.run(threading.Event())

    assert broker.hints == []
    assert Order.objects.get().status == OrderStatus.FILLED
