from collections import defaultdict
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from django.db import transaction

from broker.base import (
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerThrottled,
    OrderReport,
    OrderRequest,
    Side,
)
from tests.builders import make_account, make_bot, make_fill, make_order, set_held
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, LEFT_BEHIND_S, set_mode
from tests.threads import Other, count_of_waiting, someone_waits_for_a_lock
from tests.waiting import until
from tradedesk.models import Account, Bot, BotState, Fill, Order, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.kill_switch import NotClean, engage, release, status
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.rounds import reconcile_each
from tradedesk.stores import positions, redis
from tradedesk.stores.positions import stored
from tradedesk.stores.redis import RedisUnavailable


class NoLock:
    def acquire(self, timeout: float | None = None) -> bool:
        return True

    def release(self) -> None:
        return None


@pytest.fixture
def two_processes_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Redis away, and with it all that keeps two processes apart but the database."""

    def refuse(act: redis.Act) -> None:
        raise RedisUnavailable("away")

    monkeypatch.setattr(redis, "call", refuse)
    monkeypatch.setattr(positions, "_in_process", defaultdict(NoLock))


def during(broker: FakeBroker, call: str, number: int, act: Callable[[], object]) -> None:
    """Do something on the way back of the broker's so-manieth answer to a call."""
    real, calls = getattr(broker, call), []

    def answer(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        calls.append(call)
        if len(calls) == number:
            act()
        return result

    setattr(broker, call, answer)


def sent(broker: FakeBroker) -> list[tuple[str, int]]:
    return [(order.side.value, order.quantity) for order in broker.submits]


@pytest.mark.usefixtures("two_processes_without_redis")
def test_late_order_that_two_recoveries_find_is_sent_once(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(1.0))
    assert tell(BLUE).decision["order"]["status"] == "pending"
    broker.submits.clear()
    clock.advance(LEFT_BEHIND_S)
    during(broker, "positions", 1, lambda: recover(desk))

    recover(desk)

    assert (sent(broker), broker.held()) == ([("BUY", 1)], 1)


@pytest.mark.usefixtures("two_processes_without_redis")
def test_order_that_goes_out_late_is_not_asked_about_while_it_does(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(1.0))
    tell(BLUE)
    clock.advance(LEFT_BEHIND_S)
    seen = []

    def look(_: OrderRequest) -> None:
        recover(desk)
        seen.append(Order.objects.get().status)

    broker.before_submit = look

    recover(desk)

    assert (seen, Order.objects.get().status) == (["sent"], "filled")


def test_opening_that_waits_does_not_go_before_its_account_is_reconciled(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerThrottled(1.0))
    tell(BLUE)
    Account.objects.update(reconciled_at=None)
    broker.fail("working_orders", BrokerNotReached("no route"))
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    order = Order.objects.get()
    assert (order.status, broker.held()) == ("denied", 0)
    assert order.note.startswith("Not sent late: RECONCILING")


@pytest.mark.usefixtures("two_processes_without_redis")
def test_flatten_beside_an_exit_sells_once(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    broker.submits.clear()
    clock.advance(600)
    during(broker, "positions", 2, lambda: tell(DOWN, 20))

    flatten(desk, scope=f"bot:{bot.slug}", reason="", by="ada")

    assert (sent(broker), broker.held()) == ([("SELL", 1)], 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_processes_without_redis")
def test_flatten_beside_an_exit_that_is_just_being_claimed_sells_once(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    broker.submits.clear()
    clock.advance(1200)
    has_read, goes_on = Event(), Event()

    def pause() -> None:
        has_read.set()
        goes_on.wait(10)

    during(broker, "positions", 2, pause)
    flattening = Other(lambda: flatten(desk, scope="account:paper", reason="", by="ada"))
    has_read.wait(10)
    with transaction.atomic():
        BotState.objects.select_for_update().get(bot=bot)
        exiting = Other(lambda: tell(DOWN, 20))
        until(someone_waits_for_a_lock, 10, "the claim of the exit is being written")
        goes_on.set()
        until(lambda: bool(broker.submits) or count_of_waiting() == 2, 10, "the flatten has come as far")

    assert (flattening.join().flat, exiting.join().decision["action"]) == (True, "EXIT")
    assert (sent(broker), broker.held()) == ([("SELL", 1)], 0)


def test_two_flattens_of_a_position_without_a_bot_sell_once(bot: Bot, broker: FakeBroker, desk: Desk) -> None:
    broker.hold("MNQZ6", 1)
    during(broker, "positions", 2, lambda: flatten(desk, scope="account:paper", reason="", by="bob"))

    flatten(desk, scope="account:paper", reason="", by="ada")

    assert sent(broker) == [("SELL", 1)]


def test_flatten_takes_the_place_of_an_exit_that_waits(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk
) -> None:
    tell(BLUE)
    broker.fail("submit", BrokerThrottled(1.0))
    assert tell(DOWN, 20).decision["order"]["status"] == "pending"
    set_mode(TradingMode.HALTED)

    result = flatten(desk, scope="all", reason="", by="ada")

    assert (result.flat, broker.held()) == (True, 0)
    assert Order.objects.get(purpose="close").status == "denied"


def test_flatten_of_all_closes_what_a_disabled_account_holds(
    bot: Bot, broker: FakeBroker, desk: Desk
) -> None:
    broker.hold("MESZ6", 1)
    set_held(bot, 1)
    Account.objects.update(enabled=False)

    assert (flatten(desk, scope="all", reason="", by="ada").flat, broker.held()) == (True, 0)


def test_fill_that_the_database_does_not_take_ends_as_unconfirmed(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    make_fill(make_order(bot, client_order_id="old", broker_order_id=1), broker_fill_id=1002)

    order = tell(BLUE).decision["order"]

    assert (order["status"], len(broker.submits)) == ("unconfirmed", 1)
    assert "one_row_per_fill" in Order.objects.get(client_order_id=order["client_order_id"]).note


def test_order_that_cannot_be_booked_holds_up_no_other(
    bot: Bot, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    make_fill(make_order(bot, client_order_id="old", broker_order_id=1), broker_fill_id=1002)
    broker.submit(OrderRequest(1, "", "MESZ6", Side.BUY, 1, "td-x"), timeout_s=1)
    make_order(bot, client_order_id="td-x", status="unconfirmed", broker_order_id=None)
    other = make_bot("other", account=make_account("second"))
    late = make_order(other, client_order_id="td-y", status="unconfirmed", broker_order_id=None)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    late.refresh_from_db()
    assert late.looks == 1


def test_bot_that_cannot_be_read_holds_up_no_other_and_is_flattened(
    bot: Bot, broker: FakeBroker, desk: Desk
) -> None:
    other = make_account("second", reconciled_at=None)
    BotState.objects.filter(bot=bot).update(memory='{"v": 99}')
    broker.hold("MESZ6", 1)

    found = reconcile_each(desk, Account.objects.order_by("name"))
    result = flatten(desk, scope=f"bot:{bot.slug}", reason="", by="ada")

    other.refresh_from_db()
    assert (list(found.unread), other.reconciled_at is not None) == (["paper"], True)
    assert (result.flat, broker.held()) == (True, 0)


def test_filled_order_whose_fills_show_up_later_is_booked(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = BrokerOrderStatus.FILLED
    with monkeypatch.context() as early:
        early.setattr(broker, "fills", lambda order_id, timeout_s: [])
        early.setattr(broker, "order_report", lambda order_id, timeout_s: OrderReport(order_id, filled))
        assert tell(BLUE).decision["order"]["status"] == "working"
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert (Fill.objects.count(), stored(bot.id).quantity) == (1, 1)


def test_trade_of_a_person_beside_an_unconfirmed_order_is_a_difference(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("time-out"))
    tell(BLUE)
    broker.hold("MESZ6", 2)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    (difference,) = reconcile(desk, [bot.account]).differences
    assert (difference["broker"], difference["booked"]) == (2, 1)


def test_halt_during_a_release_stands(bot: Bot, broker: FakeBroker, desk: Desk) -> None:
    engage(desk, scope="all", mode=TradingMode.HALTED, reason="first", by="ada")

    def stop_again() -> None:
        engage(desk, scope="all", mode=TradingMode.HALTED, reason="second", by="bob")

    during(broker, "positions", 1, stop_again)

    with pytest.raises(NotClean, match="Somebody stopped trading"):
        release(desk, scope="all", reason="ok", by="ada")

    assert (status().mode, status().by, status().reason) == (TradingMode.HALTED, "bob", "second")


@pytest.mark.usefixtures("two_processes_without_redis")
def test_switch_counts_an_order_on_its_way_that_a_flatten_met(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk
) -> None:
    in_flight = []

    def stop(_: OrderRequest) -> None:
        broker.before_submit = None
        flatten(desk, scope="all", reason="", by="ada", within_s=0.5)
        in_flight.append(engage(desk, scope="all", mode=TradingMode.HALTED, reason="", by="ada").in_flight)

    broker.before_submit = stop
    tell(BLUE)

    assert in_flight == [1]
