"""A clock that was ahead is put right: what was written before that lies in the future, and is dealt with."""

from datetime import timedelta

import pytest

from tests.builders import make_alert, make_order
from tests.fakes import START, FakeBroker
from tests.posting import Teller
from tests.telling import BLUE, DOWN, IN_LONG, OUT_BLUE, open_incidents, said, state_of
from tradedesk import wiring
from tradedesk.models import Account, Bot, Decision, Order
from tradedesk.services.desk import Desk
from tradedesk.services.order_path import legs
from tradedesk.services.reconciling import readiness
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover, settle_account

AHEAD = START + timedelta(hours=1)


@pytest.fixture
def left_behind(bot: Bot, tell: Teller) -> Order:
    """Return an order that the broker filled, and whose process was killed before it heard of that."""
    tell(BLUE)
    Order.objects.update(status="sent", settled_at=None, created_at=AHEAD, sent_at=AHEAD)
    return Order.objects.get()


def test_order_left_behind_is_settled_by_recovery(left_behind: Order, desk: Desk, bot: Bot) -> None:
    assert [row.still_open for row in recover(desk).rows] == [False]

    left_behind.refresh_from_db()
    assert (left_behind.status, state_of(bot)) == ("filled", IN_LONG)


def test_order_left_behind_is_settled_with_its_account(left_behind: Order, desk: Desk, bot: Bot) -> None:
    settle_account(desk, desk.link(bot.account, timeout_s=1), bot.account)

    left_behind.refresh_from_db()
    assert left_behind.status == "filled"


@pytest.mark.usefixtures("left_behind")
def test_order_left_behind_holds_up_no_exit(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")
    assert (state_of(bot), broker.held()) == (OUT_BLUE, 0)


@pytest.mark.parametrize(("ahead_s", "looks"), [(4, 0), (6, 1)])
def test_stop_whose_sending_lies_far_ahead_is_left_behind_too(
    bot: Bot, tell: Teller, desk: Desk, ahead_s: float, looks: int
) -> None:
    """Another machine's clock may be a few seconds ahead: what it sends is on its way still."""
    tell(BLUE)
    stop = make_order(
        bot,
        purpose="stop",
        status="sent",
        broker_order_id=None,
        sent_at=START + timedelta(seconds=ahead_s),
        client_order_id="td-stop",
    )

    legs.settle(desk, desk.link(bot.account, timeout_s=1), bot, desk.deadline(2))

    stop.refresh_from_db()
    assert (stop.looks, stop.status) == (looks, "unconfirmed" if looks else "sent")


def test_alert_left_behind_is_decided(bot: Bot, desk: Desk) -> None:
    make_alert(bot.strategy, received_at=AHEAD)

    recover(desk)

    assert Decision.objects.get().bot == bot


def test_account_is_not_taken_for_reconciled(tell: Teller, desk: Desk) -> None:
    Account.objects.update(reconciled_at=AHEAD)

    assert said(tell(BLUE)) == ("NONE", "RECONCILING")
    assert [check.name for check in readiness.checks(desk) if not check.ok] == ["reconciled:paper"]
    recover(desk)
    assert Account.objects.get().reconciled_at == START


def test_difference_seen_before_becomes_an_incident(bot: Bot, broker: FakeBroker, desk: Desk) -> None:
    broker.hold("MESZ6", 2)
    reconcile(desk, [bot.account])
    (seen,) = Account.objects.get().differences
    Account.objects.update(differences={seen: AHEAD.isoformat()})

    reconcile(desk, [bot.account])

    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]


def test_start_of_the_process_moves_with_the_clock() -> None:
    ahead, behind = wiring.reconciled_since(AHEAD), wiring.reconciled_since(START)

    assert abs(ahead - behind - timedelta(hours=1)) < timedelta(seconds=1)
    assert behind < START
