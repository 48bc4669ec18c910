import threading
from collections.abc import Callable, Iterator
from itertools import permutations

import pytest
from django.db import OperationalError, connection
from structlog.testing import capture_logs

from broker.base import (
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerRefused,
    Change,
    Connected,
)
from broker.orders import BrokerOrder
from tests.builders import make_account, make_bot, make_order, make_strategy
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.telling import BLUE, LEFT_BEHIND_S, open_incidents
from tradedesk.models import Bot, Fill, Order, OrderStatus
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.comparing import Comparer
from tradedesk.services.reconciling.following import Follower
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores import followers
from tradedesk.stores.positions import stored

type Hear = Callable[..., None]


@pytest.fixture
def comparer(desk: Desk) -> Comparer:
    return Comparer(desk)


@pytest.fixture
def follower(bot: Bot, desk: Desk, broker: FakeBroker, comparer: Comparer) -> Follower:
    """Return a follower that has caught up."""
    follower = Follower(desk, [bot.account], comparer)
    follower.take(Connected())
    work(follower)
    broker.calls.clear()
    return follower


def told(follower: Follower, clock: FakeClock, *changes: Connected | Change, seconds: float = 1.0) -> None:
    """Hand changes on and let the follower work for a while."""
    for change in changes:
        follower.take(change)
    work(follower)
    for _ in range(int(seconds / 0.25)):
        clock.advance(0.25)
        work(follower)


def work(follower: Follower) -> None:
    """Do what is due, as the threads of a process do."""
    follower.work()
    follower._comparer.work()


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


def test_label_that_the_database_cannot_hold_holds_up_no_other_order(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)

    told(follower, clock, Change(order_id=7, client_order_id="a\x00b"), Change(order_id=order_id), seconds=0)

    assert Order.objects.get().status == OrderStatus.FILLED


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


FRAMES = ("order", "command", "version", "fill", "position")


def frames_of(order: Order, broker: FakeBroker) -> dict[str, Change]:
    """Return what the frames of a filled order tell, by kind."""
    (number,) = broker.orders
    (fill,) = broker.orders[number].fills
    return {
        "order": Change(account_id=1, order_id=number),
        "command": Change(order_id=number, client_order_id=order.client_order_id),
        "version": Change(order_id=number, client_order_id=order.client_order_id),
        "fill": Change(order_id=number, fill_id=fill.id),
        "position": Change(account_id=1),
    }


@pytest.mark.parametrize("kinds", [*permutations(FRAMES[1:]), *[(FRAMES * 2)[i : i + 5] for i in range(5)]])
def test_order_without_an_answer_is_booked_once_in_whatever_order_frames_come(
    kinds: tuple[str, ...],
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    clock: FakeClock,
    follower: Follower,
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    frames = frames_of(Order.objects.get(), broker)

    for kind in (*kinds, *kinds):
        told(follower, clock, frames[kind], seconds=0)

    assert (Order.objects.get().status, Fill.objects.count(), held(bot)) == (OrderStatus.FILLED, 1, 1)
    assert open_incidents() == []


@pytest.mark.parametrize("named_by", ["command", "version"])
def test_one_frame_with_our_id_is_enough(
    named_by: str, bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    told(follower, clock, frames_of(Order.objects.get(), broker)[named_by], seconds=0)

    assert (Order.objects.get().status, held(bot)) == (OrderStatus.FILLED, 1)


def test_order_that_its_request_still_sends_is_left_alone_until_then(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order = make_order(
        bot,
        client_order_id="td-on-its-way",
        status=OrderStatus.SENT,
        broker_order_id=None,
        sent_at=clock.now(),
    )
    change = Change(account_id=1, order_id=1001, client_order_id="td-on-its-way")

    told(follower, clock, change, seconds=2)
    asked = dict(broker.calls)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.REJECTED, settled_at=clock.now())
    told(follower, clock, seconds=1)

    assert asked == {}
    assert (broker.calls["order_report"], broker.calls["working_orders"]) == (0, 1)


def test_fill_that_the_broker_lists_later_than_it_tells_is_asked_for_again(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    told(follower, clock, Change(order_id=order_id, fill_id=1002), seconds=0.5)
    assert Order.objects.get().status == OrderStatus.WORKING

    broker.fill(order_id)
    told(follower, clock, seconds=0.5)

    assert [fill.broker_fill_id for fill in Fill.objects.all()] == [1002]


def test_cancellation_told_with_a_fill_that_is_booked_already_is_booked_too(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    bot.size = 2
    bot.save()
    order_id = work_on(broker, tell)
    broker.fill(order_id, 1)
    fill = Change(order_id=order_id, fill_id=broker.orders[order_id].fills[0].id)
    told(follower, clock, fill, seconds=0)
    assert Order.objects.get().status == OrderStatus.PARTIALLY_FILLED

    broker.orders[order_id].status = BrokerOrderStatus.CANCELLED
    told(follower, clock, Change(account_id=1, order_id=order_id), fill, seconds=0)

    order = Order.objects.get()
    assert (order.status, order.filled_quantity, held(bot)) == (OrderStatus.CANCELLED, 1, 1)


def test_order_that_the_broker_does_not_tell_of_holds_up_no_other(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    other = make_bot("mnq-paper", strategy=make_strategy("mnq", root="MNQ"))
    for owner, contract in ((bot, "MESZ6"), (other, "MNQZ6")):
        number = broker.place_foreign_order(contract)
        make_order(owner, contract=contract, status=OrderStatus.WORKING, broker_order_id=number)
        broker.fill(number)
    broker.fail("order_report", BrokerRefused("HTTP 404"))

    told(follower, clock, *[Change(order_id=number) for number in broker.orders], seconds=0)
    at_first = dict(Order.objects.values_list("contract", "status"))
    told(follower, clock, seconds=1)

    assert at_first == {"MESZ6": OrderStatus.WORKING, "MNQZ6": OrderStatus.FILLED}
    assert not Order.objects.filter(settled_at=None).exists()


def test_difference_that_stays_is_looked_at_twice_and_then_left_to_the_schedule(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.hold("MESZ6", 2)

    told(follower, clock, Change(account_id=1), seconds=120)

    assert broker.calls["working_orders"] == 2
    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]


def test_comparison_without_an_answer_is_tried_again_less_and_less_often(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    broker.fail("positions", BrokerNotReached("down"), times=1000)

    told(follower, clock, Change(account_id=1), seconds=60)
    tries = broker.calls["positions"]
    broker.fail("positions", BrokerNotReached("down"), times=0)
    told(follower, clock, seconds=30)

    assert tries == 6
    assert broker.calls["working_orders"] == 1


def test_change_of_another_account_of_the_login_is_passed_over(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    told(follower, clock, Change(account_id=99), Change(account_id=99, order_id=7))

    assert broker.calls == {}


def test_accounts_of_a_login_are_compared_in_turn_and_only_those_that_changed(
    bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    others = [make_account(f"paper-{number}") for number in (2, 3)]
    follower = Follower(desk, [bot.account, *others], Comparer(desk))
    told(follower, clock, Connected(), seconds=0)
    at_first = broker.calls["working_orders"]
    told(follower, clock)
    broker.calls.clear()

    told(follower, clock, Change(account_id=2), Change(account_id=2))

    assert at_first == 1
    assert broker.calls["working_orders"] == 1


def test_second_follower_books_nothing_twice(
    bot: Bot, desk: Desk, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    change = Change(order_id=order_id, fill_id=broker.orders[order_id].fills[0].id)

    for each in (follower, Follower(desk, [bot.account], Comparer(desk))):
        told(each, clock, change)

    assert (Fill.objects.count(), held(bot)) == (1, 1)


def test_account_that_cannot_be_reached_holds_up_no_other_and_is_caught_up_with_later(
    bot: Bot, desk: Desk, tell: Teller, broker: FakeBroker, links: FakeLinks, clock: FakeClock
) -> None:
    broker.fill(work_on(broker, tell))
    gone = make_account("gone", reconciled_at=None)
    links.down["gone"] = BrokerRefused("AccountChanged", "sign it off anew")
    follower = Follower(desk, [gone, bot.account], Comparer(desk))

    with capture_logs() as logs:
        told(follower, clock, Connected(), seconds=70)
    links.down.clear()
    told(follower, clock, seconds=31)

    assert [line["account"] for line in logs if line["event"] == "follow.not_linked"] == ["gone"]
    assert (Order.objects.get().status, held(bot)) == (OrderStatus.FILLED, 1)
    gone.refresh_from_db()
    assert gone.reconciled_at is not None


def test_database_that_fails_is_left_alone_longer_each_time_and_told_of_once(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    tries = 0

    def fail(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OperationalError("the connection is closed")

    with capture_logs() as logs, connection.execute_wrapper(fail):
        told(follower, clock, Change(order_id=order_id), seconds=20)
    told(follower, clock, Connected(), seconds=0)

    assert tries == 5
    assert [line["event"] for line in logs] == ["follow.put_off"]
    assert Order.objects.get().status == OrderStatus.FILLED


def test_comparison_that_the_database_fails_is_tried_again(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("the connection is closed")

    with capture_logs() as logs, connection.execute_wrapper(fail):
        told(follower, clock, Change(account_id=1))
    told(follower, clock, seconds=2)

    assert [line["event"] for line in logs] == ["compare.failed"]
    assert broker.calls["working_orders"] == 1


@pytest.mark.django_db(transaction=True)
def test_comparison_that_takes_long_holds_up_no_fill(
    bot: Bot, tell: Teller, broker: FakeBroker, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    is_comparing, may_go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def hang(*_args: object, **_options: object) -> list[BrokerOrder]:
        is_comparing.set()
        may_go_on.wait(10)
        return []

    def compare() -> None:
        follower._comparer.run(stop)
        connection.close()

    monkeypatch.setattr(broker, "working_orders", hang)
    follower._comparer.ask(bot.account_id)
    thread = threading.Thread(target=compare)
    thread.start()
    assert is_comparing.wait(10)

    follower.take(Change(order_id=order_id))
    follower.work()
    booked = Order.objects.get().status
    stop.set()
    may_go_on.set()
    thread.join(10)

    assert booked == OrderStatus.FILLED


@pytest.fixture(params=["stream", "polling"])
def hear(request: pytest.FixtureRequest, bot: Bot, desk: Desk, clock: FakeClock, follower: Follower) -> Hear:
    """Return what brings the desk up to date: the stream, or polling where no stream can be had."""

    def by_stream(*changes: Change) -> None:
        told(follower, clock, *changes, seconds=8)

    def by_polling(*_changes: Change) -> None:
        clock.advance(LEFT_BEHIND_S)
        recover(desk)
        reconcile(desk, [bot.account])
        clock.advance(30)
        reconcile(desk, [bot.account])

    return by_stream if request.param == "stream" else by_polling


def test_stream_and_polling_book_the_same_story(
    hear: Hear, bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    order_id = work_on(broker, tell)
    broker.fill(order_id)
    fill = broker.orders[order_id].fills[0]
    hear(Change(order_id=order_id, fill_id=fill.id))
    after_the_fill = (Order.objects.get().status, held(bot), open_incidents())

    broker.hold("MESZ6", 3)
    hear(Change(account_id=1))

    assert after_the_fill == (OrderStatus.FILLED, 1, [])
    assert [row.broker_fill_id for row in Fill.objects.all()] == [fill.id]
    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]
    assert held(bot) == 1


@pytest.mark.django_db(transaction=True)
def test_follower_leaves_signs_of_life_until_it_is_stopped(
    bot: Bot, broker: FakeBroker, clock: FakeClock, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = []

    def look(_stop: threading.Event) -> Iterator[None]:
        for _ in range(2):
            yield None
            signs.append(followers.last_sign(bot.account_id))

    monkeypatch.setattr(broker, "changes", look)

    follower.run(threading.Event())

    assert (signs, followers.last_sign(bot.account_id)) == ([clock.now()] * 2, None)
