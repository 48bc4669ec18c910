"""The broker's figures about an account: read by reconciliation, kept, and what losses do."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from broker.base import BrokerNotReached
from tests.builders import make_incident
from tests.fakes import FakeBroker, FakeCash, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, said
from tradedesk.models import Account, AuditEntry, Bot, Cause, TradingMode, TradingState, TradingStateChange
from tradedesk.services.desk import Desk
from tradedesk.services.halting.kill_switch import release
from tradedesk.services.reconciling.reconciliation import reconcile

type Read = Callable[..., None]


@pytest.fixture
def read(desk: Desk, broker: FakeBroker) -> Read:
    """Return what lets reconciliation read an account's value, its profit of the session and its margin."""

    def do(value: int | None, profit: int | None = 0, margin: int | None = 0) -> None:
        figures = (None if figure is None else Decimal(figure) for figure in (value, profit, margin))
        broker.money = FakeCash(*figures)
        reconcile(desk, Account.objects.all())

    return do


def limit(**fields: Any) -> None:
    Account.objects.update(**fields)


def mode() -> tuple[str, str]:
    state = TradingState.objects.get(scope="account:paper")
    return state.mode, state.cause


def test_figures_are_kept_with_their_time(bot: Bot, clock: FakeClock, read: Read) -> None:
    limit(drawdown=1000)
    read(50_000, -120, 2_400)
    clock.advance(30)
    read(49_000, -1_120, 2_400)

    account = Account.objects.get()
    assert account.cash == {
        "net_liquidation": "49000",
        "profit": "-1120",
        "margin_used": "2400",
        "peak": "50000",
    }
    assert account.cash_read_at == clock.now()


def test_figures_that_no_limit_needs_are_read_for_the_panel_each_ten_minutes(
    bot: Bot, broker: FakeBroker, clock: FakeClock, read: Read
) -> None:
    limit(max_position=3, orders_per_day=40)

    for seconds in (0, 599, 1):
        clock.advance(seconds)
        read(50_000)

    assert broker.calls["cash"] == 2
    assert Account.objects.get().cash_read_at == clock.now()


def test_figures_older_than_a_fill_are_read_again_once(
    tell: Teller, broker: FakeBroker, clock: FakeClock, read: Read
) -> None:
    read(50_000)
    clock.advance(1)
    tell(BLUE)
    broker.calls.clear()

    for seconds in (1, 30):
        clock.advance(seconds)
        read(50_010)

    assert broker.calls["cash"] == 1
    assert Account.objects.get().cash["net_liquidation"] == "50010"


def test_order_asks_the_broker_for_no_figures(tell: Teller, broker: FakeBroker, read: Read) -> None:
    limit(daily_loss=500)
    read(50_000)
    broker.calls.clear()

    tell(BLUE)

    assert broker.calls["cash"] == 0


@pytest.mark.parametrize(("later", "reason"), [(90, "TREND_BLUE"), (91, "DAILY_LOSS")])
def test_figures_count_for_ninety_seconds(
    tell: Teller, read: Read, clock: FakeClock, later: float, reason: str
) -> None:
    limit(daily_loss=500)
    read(50_000)
    clock.advance(later)

    assert said(tell(BLUE, 1.5))[1] == reason


def test_figures_that_cannot_be_read_grow_old_and_hold_up_no_reconciliation(
    tell: Teller, desk: Desk, broker: FakeBroker, read: Read, clock: FakeClock
) -> None:
    limit(daily_loss=500)
    read(50_000)
    clock.advance(100)
    broker.fail("cash", BrokerNotReached("away"))

    assert reconcile(desk, Account.objects.all()).clean
    assert Account.objects.get().reconciled_at == clock.now()
    assert said(tell(BLUE, 2)) == ("NONE", "DAILY_LOSS")


@pytest.mark.parametrize(
    ("limits", "code"), [({"daily_loss": 500}, "DAILY_LOSS"), ({"drawdown": 500}, "DRAWDOWN")]
)
def test_figure_that_the_broker_does_not_tell_stops_openings_and_latches_nothing(
    tell: Teller, read: Read, limits: dict[str, int], code: str
) -> None:
    limit(**limits)
    read(None, None, None)

    assert said(tell(BLUE)) == ("NONE", code)
    assert mode() == (TradingMode.ACTIVE, Cause.PERSON)


def test_loss_below_its_limit_lets_the_account_trade(tell: Teller, read: Read) -> None:
    limit(daily_loss=500)
    read(49_500, Decimal("-499.99"))

    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


def test_loss_at_its_limit_lets_only_exits_pass_until_a_person_releases(
    tell: Teller, desk: Desk, read: Read
) -> None:
    limit(daily_loss=500)
    read(50_000)
    tell(BLUE)
    read(49_500, -500)

    assert mode() == (TradingMode.REDUCING, Cause.LIMIT)
    assert said(tell(RED, 1)) == ("EXIT", "REDUCING")
    # Better again, and clean: it stays.
    read(50_000, 0)
    assert mode() == (TradingMode.REDUCING, Cause.LIMIT)
    release(desk, scope="account:paper", reason="a new day", by="ada")
    assert mode() == (TradingMode.ACTIVE, Cause.PERSON)
    assert said(tell(BLUE, 2)) == ("ENTER_LONG", "TREND_BLUE")


def test_loss_at_its_limit_is_written_down_once(bot: Bot, read: Read) -> None:
    limit(daily_loss=500)
    read(49_500, -500)
    read(49_400, -600)

    change, entry = TradingStateChange.objects.get(), AuditEntry.objects.get()
    assert (change.scope, change.new_mode, change.by) == ("account:paper", TradingMode.REDUCING, "desk")
    assert (entry.subject, entry.detail["code"], entry.detail["figures"]) == (
        "account:paper",
        "DAILY_LOSS",
        "500.00 of 500.00",
    )


def test_gain_is_no_loss(tell: Teller, read: Read) -> None:
    limit(daily_loss=500)
    read(51_000, 1_000)

    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


def test_fall_from_the_highest_value_lets_only_exits_pass(tell: Teller, read: Read) -> None:
    limit(drawdown=1000)
    read(50_000)
    read(50_400)
    read(49_401)
    assert mode()[0] == TradingMode.ACTIVE

    read(49_400)

    assert mode() == (TradingMode.REDUCING, Cause.LIMIT)


def test_highest_value_begins_anew_with_a_new_limit(bot: Bot, read: Read) -> None:
    limit(drawdown=1000)
    read(50_000)
    limit(drawdown=None, daily_loss=5000)
    read(49_000)
    limit(drawdown=500)
    read(48_900)

    assert Account.objects.get().cash["peak"] == "48900"
    assert mode()[0] == TradingMode.ACTIVE


def test_limit_never_loosens_a_halt(bot: Bot, read: Read) -> None:
    TradingState.objects.filter(scope="account:paper").update(mode=TradingMode.HALTED)
    limit(daily_loss=500)

    read(49_000, -1_000)

    assert mode() == (TradingMode.HALTED, Cause.PERSON)
    assert not AuditEntry.objects.exists()


def test_reduction_by_a_limit_outlasts_the_incident_that_came_before(
    bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock, read: Read
) -> None:
    limit(daily_loss=500)
    make_incident(bot)
    TradingState.objects.filter(scope="account:paper").update(mode=TradingMode.REDUCING, cause=Cause.INCIDENT)

    broker.hold("MESZ6", 1)
    read(49_000, -1_000)
    broker.hold("MESZ6", 0)
    read(49_000, -1_000)

    assert mode() == (TradingMode.REDUCING, Cause.LIMIT)


def test_limit_of_one_account_leaves_the_others_alone(tell: Teller, read: Read) -> None:
    limit(daily_loss=500)
    read(49_000, -1_000)

    assert TradingState.objects.get(scope="all").mode == TradingMode.ACTIVE
    assert TradingState.objects.get(scope="bot:mes-paper").mode == TradingMode.ACTIVE


def test_exit_needs_no_figures(tell: Teller, read: Read, clock: FakeClock) -> None:
    limit(daily_loss=500, drawdown=1000, margin_factor=2)
    Account.objects.update(margin_factor=None)
    read(50_000)
    tell(BLUE)
    clock.advance(600)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")
