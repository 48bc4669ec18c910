import threading
from datetime import timedelta

import pytest
from django.db import connection

from tests.builders import make_bot, make_incident, make_strategy
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, open_incidents, said
from tradedesk.models import Account, Bot, IncidentKind, Order, OrderStatus, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling import reconciliation
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.stores.positions import Busy, seat


def mode_of(account: Account) -> str:
    return TradingState.objects.get(account=account).mode


def test_position_that_agrees_is_clean_and_counts_as_reconciled(
    bot: Bot, desk: Desk, clock: FakeClock
) -> None:
    found = reconcile(desk, [bot.account])

    assert (found.clean, found.incidents) == (True, [])
    assert Account.objects.get(pk=bot.account.pk).reconciled_at == clock.now()


def test_difference_seen_once_makes_no_incident(bot: Bot, desk: Desk, broker: FakeBroker) -> None:
    broker.hold("MESZ6", 2)

    (difference,) = reconcile(desk, [bot.account]).differences

    assert (difference["bot"], difference["broker"], difference["booked"]) == (bot.slug, 2, 0)
    assert (open_incidents(), mode_of(bot.account)) == ([], TradingMode.ACTIVE)


def test_difference_seen_twice_makes_an_incident_and_lets_the_account_only_reduce(
    bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    reconcile(desk, [bot.account])
    clock.advance(5)

    reconcile(desk, [bot.account])

    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]
    assert mode_of(bot.account) == TradingMode.REDUCING
    assert broker.submits == []


def test_difference_that_is_gone_closes_its_incident_and_sets_the_account_free(
    bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    for _ in range(2):
        reconcile(desk, [bot.account])
        clock.advance(5)
    broker.hold("MESZ6", 0)

    found = reconcile(desk, [bot.account])

    assert (found.clean, open_incidents(), mode_of(bot.account)) == (True, [], TradingMode.ACTIVE)


def test_bot_that_is_worked_on_keeps_its_incident_and_its_account_counts_as_not_reconciled(
    bot: Bot, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SEAT_WAIT_S", 0.0)
    make_incident(bot, kind=IncidentKind.POSITION_MISMATCH, subject=bot.slug)
    long_ago = clock.now() - timedelta(days=1)
    Account.objects.filter(pk=bot.account.pk).update(reconciled_at=long_ago)

    with seat(bot.id, wait_s=0, sleep=clock.sleep), pytest.raises(Busy):
        reconcile(desk, [bot.account])

    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]
    assert Account.objects.get(pk=bot.account.pk).reconciled_at == long_ago


def test_bot_with_an_order_without_an_end_is_not_compared(
    bot: Bot, desk: Desk, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    Order.objects.update(status=OrderStatus.UNCONFIRMED, settled_at=None)
    broker.hold("MESZ6", 3)

    assert reconcile(desk, [bot.account]).clean


def test_position_without_a_bot_is_foreign(bot: Bot, desk: Desk, broker: FakeBroker) -> None:
    broker.hold("MNQZ6", -1)

    (difference,) = reconcile(desk, [bot.account]).differences

    assert (difference["kind"], difference["bot"], difference["broker"]) == ("FOREIGN_POSITION", None, -1)


def test_working_order_that_the_desk_did_not_send_is_foreign(
    bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    order_id = broker.place_foreign_order()

    (difference,) = reconcile(desk, [bot.account]).differences

    assert (difference["kind"], difference["broker"]) == ("FOREIGN_ORDER", order_id)


def test_second_bot_of_the_account_is_compared_too(bot: Bot, desk: Desk, broker: FakeBroker) -> None:
    other = make_bot("mnq-paper", strategy=make_strategy("mnq-trend", root="MNQ"), account=bot.account)
    broker.hold("MNQZ6", 1)

    (difference,) = reconcile(desk, [bot.account]).differences

    assert (difference["bot"], difference["broker"]) == (other.slug, 1)


@pytest.mark.django_db(transaction=True)
def test_alert_trades_while_its_account_is_being_reconciled(
    bot: Bot, desk: Desk, tell: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_inside, may_end = threading.Event(), threading.Event()

    def stay(*_: object) -> None:
        is_inside.set()
        may_end.wait(10)

    def run() -> None:
        reconcile(desk, [bot.account])
        connection.close()

    monkeypatch.setattr(reconciliation, "lift_reduction", stay)
    thread = threading.Thread(target=run)
    thread.start()
    assert is_inside.wait(10)

    answer = tell(BLUE)

    may_end.set()
    thread.join()
    assert said(answer) == ("ENTER_LONG", "TREND_BLUE")
