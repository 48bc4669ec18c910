"""A comparison locks the account and then trading states: whoever needs both locks them in that order.

The other way round the two wait for each other, until PostgreSQL ends one of them.
"""

from collections.abc import Callable
from typing import Any

import pytest

from broker.base import BrokerThrottled
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, LEFT_BEHIND_S, open_incidents, said
from tests.threads import Other, someone_waits_for_a_lock
from tests.waiting import until
from tradedesk.models import Account, Bot, Order, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling import reconciliation
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def foreign(desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock) -> None:
    """Let the next comparison find a position for the second time, and the account's bots share a cap."""
    Account.objects.update(max_position=3)
    broker.hold("MNQZ6", 1)
    reconcile(desk, [bot.account])
    clock.advance(LEFT_BEHIND_S)


def while_compared(desk: Desk, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> Any:
    """Compare the account, let `act` begin once that has locked it, and return what came of `act`."""
    seen_before, others = reconciliation._seen_before, list[Other]()

    def begin(*args: Any) -> dict[str, str]:
        seen = seen_before(*args)
        others.append(Other(act))
        until(someone_waits_for_a_lock, 10, "the other waits for the account")
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(reconciliation, "_seen_before", begin)
        reconcile(desk, list(Account.objects.all()))
    assert TradingState.objects.get(scope="account:paper").mode == TradingMode.REDUCING
    assert open_incidents() == [("FOREIGN_POSITION", "paper MNQZ6")]
    return others[0].join()


def test_flatten_and_comparison_do_not_wait_for_each_other(
    desk: Desk, foreign: None, tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(BLUE, 1)

    flattened = while_compared(
        desk, monkeypatch, lambda: flatten(desk, scope="bot:mes-paper", reason="", by="ada")
    )

    assert (flattened.flat, broker.held()) == (True, 0)


def test_late_opening_and_comparison_do_not_wait_for_each_other(
    desk: Desk,
    foreign: None,
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker.fail("submit", BrokerThrottled(1.0))
    tell(BLUE, 1)
    clock.advance(LEFT_BEHIND_S)

    recovered = while_compared(desk, monkeypatch, lambda: recover(desk))

    assert recovered.open_count == 0
    assert Order.objects.get().note.startswith("Not sent late: REDUCING")


def test_opening_and_comparison_do_not_wait_for_each_other(
    desk: Desk, foreign: None, tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = while_compared(desk, monkeypatch, lambda: tell(BLUE, 1))

    assert (said(answer), broker.held()) == (("NONE", "REDUCING"), 0)
