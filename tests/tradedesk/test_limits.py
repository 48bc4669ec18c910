"""The limits of bots and accounts, from the alert to the broker and to the trading state."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from broker.base import BrokerThrottled
from strategy.gate import Check
from tests.builders import confirm_calendars, make_account, make_bot, make_order, make_strategy, make_token
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, LEFT_BEHIND_S, RED, UP, said, sent
from tests.tradedesk.test_races import during
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    Cause,
    Decision,
    Environment,
    Instrument,
    Order,
    OrderStatus,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.models.limits import ACCOUNT_DEFAULTS, BOT_DEFAULTS
from tradedesk.services.desk import Desk
from tradedesk.services.halting import trips
from tradedesk.services.halting.kill_switch import release
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover


def limit(owner: type[Bot] | type[Account], **fields: Any) -> None:
    owner.objects.update(**fields)


def state(scope: str) -> tuple[str, str]:
    found = TradingState.objects.get(scope=scope)
    return found.mode, found.cause


def figures(code: str) -> str:
    """Return the figures of a rule in the newest decision."""
    rules = Decision.objects.latest("id").detail["rules"]
    (text,) = (figures for rule, _, _, figures in rules if rule == code)
    return str(text)


@pytest.fixture
def tell_mnq(bot: Bot, clock: FakeClock) -> Teller:
    """Return what posts alerts to a second bot of the account, on MNQ."""
    strategy = make_strategy("mnq-trend", root="MNQ")
    make_bot("mnq-paper", strategy=strategy, account=bot.account)
    make_token(strategy, "token-mnq")
    return Teller(clock, "token-mnq")


# --- P11: orders per minute, day and session ---


@pytest.mark.parametrize("owner", [Bot, Account])
@pytest.mark.parametrize(
    ("name", "later"),
    [("orders_per_minute", 0.5), ("orders_per_day", 24 * 60 - 1), ("orders_per_session", 60)],
)
def test_order_beyond_the_limit_is_refused_and_halts_the_bot(
    tell: Teller, owner: type[Bot] | type[Account], name: str, later: float
) -> None:
    limit(owner, **{name: 2})
    tell(BLUE)
    tell(RED, 0.1)

    answer = tell(BLUE, later)

    # The position is left, nothing opens.
    assert said(answer) == ("EXIT", "TOO_MANY_ORDERS")
    assert state("bot:mes-paper") == (TradingMode.HALTED, Cause.LIMIT)
    assert state("account:paper")[0] == TradingMode.ACTIVE
    assert said(tell(RED, later + 20)) == ("NONE", "HALTED")


@pytest.mark.parametrize(
    ("name", "later"),
    [("orders_per_minute", 1.5), ("orders_per_day", 24 * 60 + 1), ("orders_per_session", 8 * 60)],
)
def test_order_within_the_limit_again_is_sent(tell: Teller, name: str, later: float) -> None:
    limit(Bot, **{name: 1})
    tell(BLUE)

    assert said(tell(RED, later)) == ("REVERSE_TO_SHORT", "TREND_RED")


def test_halt_by_a_limit_is_written_down_and_stays_until_a_person_releases_it(
    tell: Teller, desk: Desk
) -> None:
    limit(Bot, orders_per_session=1)
    tell(BLUE)
    tell(RED, 20)

    change, entry = TradingStateChange.objects.get(), AuditEntry.objects.get()
    assert (change.scope, change.old_mode, change.new_mode, change.by) == (
        "bot:mes-paper",
        TradingMode.ACTIVE,
        TradingMode.HALTED,
        "desk",
    )
    assert change.reason == "The bot or its account has sent as many orders as it may. bot session 1 of 1"
    assert (entry.by, entry.action, entry.subject) == ("desk", "limit met", "bot:mes-paper")
    assert entry.detail == {"code": "TOO_MANY_ORDERS", "mode": "HALTED", "figures": "bot session 1 of 1"}
    recover(desk)
    reconcile(desk, Account.objects.all())
    assert state("bot:mes-paper") == (TradingMode.HALTED, Cause.LIMIT)
    release(desk, scope="bot:mes-paper", reason="looked at it", by="ada")
    assert state("bot:mes-paper") == (TradingMode.ACTIVE, Cause.PERSON)


def test_opening_that_another_rule_refuses_does_not_halt_the_bot(tell: Teller, clock: FakeClock) -> None:
    limit(Bot, orders_per_session=1)
    tell(BLUE)
    clock.advance(20 * 60 + 61)

    assert said(tell(RED, 20)) == ("EXIT", "TOO_OLD")
    assert state("bot:mes-paper")[0] == TradingMode.ACTIVE


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (OrderStatus.REJECTED, True),
        (OrderStatus.LOST, True),
        (OrderStatus.CANCELLED, True),
        (OrderStatus.DENIED, False),
    ],
)
def test_order_that_may_have_left_counts(bot: Bot, tell: Teller, status: OrderStatus, counts: bool) -> None:
    limit(Bot, orders_per_session=1)
    make_order(bot, status=status, settled_at="2026-11-23T15:00:00Z")

    assert said(tell(BLUE))[1] == ("TOO_MANY_ORDERS" if counts else "TREND_BLUE")


def test_exit_is_never_held_up_by_a_number_of_orders(tell: Teller) -> None:
    limit(Bot, orders_per_minute=1)
    tell(BLUE)

    assert said(tell(DOWN, 0.5)) == ("EXIT", "DI_DOWN")


def test_orders_of_the_account_count_for_every_bot_of_it(tell: Teller, tell_mnq: Teller) -> None:
    limit(Account, orders_per_session=1)
    tell(BLUE)

    assert said(tell_mnq(BLUE, 1, symbol="MNQ1!")) == ("NONE", "TOO_MANY_ORDERS")
    assert figures("TOO_MANY_ORDERS") == "account session 1 of 1"
    assert state("bot:mnq-paper")[0] == TradingMode.HALTED
    assert state("bot:mes-paper")[0] == TradingMode.ACTIVE


def test_orders_of_another_account_do_not_count(bot: Bot, tell: Teller) -> None:
    limit(Account, orders_per_session=1)
    other = make_bot("other", strategy=make_strategy("other"), account=make_account("other"))
    make_order(other)

    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("ORDER_SIZE", "P4", False, "order +9, at most 1"), True),
        (Check("TOO_MANY_ORDERS", "P11", False, "bot minute 6 of 6"), True),
        (Check("ORDER_SIZE", "P4", False, "order +1, broker holds None", unread=True), False),
        (Check("TOO_MANY_ORDERS", "P11", False, "bot minute unreadable of 6", unread=True), False),
        (Check("TOO_MANY_TRADES", "P14", False, "bot 10 of 10"), False),
        (Check("TOO_MANY_ORDERS", "P11", True, "off"), False),
    ],
)
def test_only_what_may_be_the_desk_s_own_fault_halts_the_bot(check: Check, expected: bool) -> None:
    assert trips.halts(check) is expected


# --- P14: trades and losing streak ---


def lose(tell: Teller, broker: FakeBroker, minute: float) -> None:
    """Enter with an event at a minute, and leave with a loss."""
    broker.price = Decimal("6842.25")
    tell(BLUE if minute == 0 else UP, minute)
    broker.price = Decimal("6840.25")
    tell(DOWN, minute + 15)


@pytest.mark.parametrize("owner", [Bot, Account])
def test_bot_rests_after_its_losing_streak_until_the_next_session(
    tell: Teller, broker: FakeBroker, owner: type[Bot] | type[Account]
) -> None:
    limit(owner, losing_streak=2)
    lose(tell, broker, 0)
    lose(tell, broker, 30)

    assert said(tell(RED, 60)) == ("NONE", "LOSING_STREAK")
    # 17:00 in Chicago is eight hours after the first alert.
    assert said(tell(BLUE, 8 * 60 - 1)) == ("NONE", "LOSING_STREAK")
    assert said(tell(RED, 8 * 60)) == ("ENTER_SHORT", "TREND_RED")
    assert state("bot:mes-paper")[0] == TradingMode.ACTIVE


def test_gain_ends_a_losing_streak(tell: Teller, broker: FakeBroker) -> None:
    limit(Bot, losing_streak=2)
    lose(tell, broker, 0)
    tell(UP, 30)
    broker.price = Decimal("6850")
    tell(DOWN, 45)
    lose(tell, broker, 60)

    assert said(tell(RED, 90)) == ("ENTER_SHORT", "TREND_RED")


@pytest.mark.parametrize("owner", [Bot, Account])
def test_bot_rests_after_its_trades_until_the_next_session(
    tell: Teller, owner: type[Bot] | type[Account]
) -> None:
    limit(owner, trades_per_session=2)
    tell(BLUE)
    tell(RED, 20)
    tell(BLUE, 40)

    # Two round trips are over, the third is closed and not turned.
    assert said(tell(RED, 60)) == ("EXIT", "TOO_MANY_TRADES")
    assert said(tell(BLUE, 8 * 60)) == ("ENTER_LONG", "TREND_BLUE")


def test_trade_that_began_in_an_earlier_session_counts_where_it_ends(
    tell: Teller, broker: FakeBroker
) -> None:
    limit(Bot, losing_streak=1)
    tell(BLUE)
    broker.price = Decimal("6840")

    assert said(tell(DOWN, 9 * 60)) == ("EXIT", "DI_DOWN")
    assert said(tell(RED, 10 * 60)) == ("NONE", "LOSING_STREAK")


# --- P13: daily loss and drawdown ---


def test_bot_rests_after_its_daily_loss(tell: Teller, broker: FakeBroker) -> None:
    limit(Bot, daily_loss=Decimal(10))
    lose(tell, broker, 0)

    assert said(tell(RED, 30)) == ("NONE", "DAILY_LOSS")
    assert figures("DAILY_LOSS") == "bot 10.00 of 10.00"


def test_loss_below_the_limit_lets_the_bot_trade(tell: Teller, broker: FakeBroker) -> None:
    limit(Bot, daily_loss=Decimal("10.01"))
    lose(tell, broker, 0)

    assert said(tell(RED, 30)) == ("ENTER_SHORT", "TREND_RED")


# --- P5: account and group ---


def test_account_holds_no_more_than_its_largest_position(
    tell: Teller, tell_mnq: Teller, broker: FakeBroker
) -> None:
    limit(Account, max_position=1)
    tell(BLUE)

    assert said(tell_mnq(BLUE, 1, symbol="MNQ1!")) == ("NONE", "MAX_ACCOUNT_POSITION")
    assert figures("MAX_ACCOUNT_POSITION") == "account would hold 2, at most 1"
    assert said(tell(RED, 20)) == ("REVERSE_TO_SHORT", "TREND_RED")
    tell(UP, 30)
    assert said(tell_mnq(RED, 40, symbol="MNQ1!")) == ("ENTER_SHORT", "TREND_RED")


def test_position_that_no_bot_knows_counts_for_the_account(tell: Teller, broker: FakeBroker) -> None:
    limit(Account, max_position=3)
    broker.hold("MNQZ6", -3)

    assert said(tell(BLUE)) == ("NONE", "MAX_ACCOUNT_POSITION")


@pytest.mark.parametrize(
    ("held", "event", "reason"),
    [
        (0, BLUE, "TREND_BLUE"),
        (1, RED, "TREND_RED"),
        (1, BLUE, "MAX_GROUP_POSITION"),
        (-1, RED, "MAX_GROUP_POSITION"),
    ],
)
def test_group_is_counted_in_micros_with_its_direction(
    tell: Teller, broker: FakeBroker, held: int, event: str, reason: str
) -> None:
    limit(Account, max_group_position=10)
    broker.hold("ESZ6", held)

    assert said(tell(event))[1] == reason


def test_instrument_without_a_group_is_counted_alone(tell: Teller, broker: FakeBroker) -> None:
    limit(Account, max_group_position=1)
    Instrument.objects.filter(root="ES").update(group="")
    broker.hold("ESZ6", 5)
    broker.hold("MNQZ6", 5)

    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


@pytest.mark.parametrize("cap", [{"max_position": 1}, {"max_group_position": 1}])
def test_order_at_work_counts_as_if_it_were_filled(
    tell: Teller, tell_mnq: Teller, broker: FakeBroker, cap: dict[str, int]
) -> None:
    limit(Account, **cap)
    Instrument.objects.filter(root="MNQ").update(group="SP500")
    broker.fills_at_once = False
    tell_mnq(BLUE, 0, symbol="MNQ1!")

    assert said(tell(BLUE, 1))[1].startswith("MAX_")
    assert len(broker.submits) == 1


@pytest.mark.django_db(transaction=True)
def test_bots_that_open_at_once_do_not_pass_the_cap_together(
    desk: Desk, bot: Bot, tell: Teller, tell_mnq: Teller, broker: FakeBroker
) -> None:
    limit(Account, max_position=1)
    # The other bot enters while the first one has the broker's answer already: flat.
    during(broker, "front_contract", 1, lambda: tell_mnq(BLUE, 0, symbol="MNQ1!"))

    answer = tell(BLUE)

    assert said(answer) == ("NONE", "MAX_ACCOUNT_POSITION")
    assert sent(broker) == [("BUY", 1, "MNQZ6")]
    assert Account.objects.get().claims == 1


def test_exit_needs_no_claim(tell: Teller) -> None:
    limit(Account, max_position=1)
    tell(BLUE)
    Account.objects.update(max_position=1, claims=7)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")
    assert Account.objects.get().claims == 7


def test_order_sent_late_takes_its_place_under_the_cap(
    bot: Bot, desk: Desk, tell: Teller, broker: FakeBroker, clock: FakeClock
) -> None:
    limit(Account, max_position=1)
    broker.fail("submit", BrokerThrottled(1))
    tell(BLUE)
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert Order.objects.get().status == OrderStatus.FILLED
    assert Account.objects.get().claims == 2


# --- P15, P8, P16 ---


def read_money(desk: Desk, broker: FakeBroker, value: int, used: int = 0) -> None:
    broker.money = type(broker.money)(Decimal(value), Decimal(0), Decimal(used))
    reconcile(desk, Account.objects.all())


@pytest.mark.parametrize(("value", "reason"), [(3000, "TREND_BLUE"), (2999, "MARGIN")])
def test_opening_needs_its_margin_and_half_as_much_again(
    tell: Teller, desk: Desk, broker: FakeBroker, value: int, reason: str
) -> None:
    limit(Account, margin_factor=Decimal("1.5"))
    Instrument.objects.update(initial_margin=Decimal(2000))
    read_money(desk, broker, value)

    assert said(tell(BLUE))[1] == reason


@pytest.mark.parametrize("missing", ["margin", "money"])
def test_margin_that_is_not_known_stops_openings(
    tell: Teller, desk: Desk, broker: FakeBroker, missing: str
) -> None:
    limit(Account, margin_factor=Decimal("1.5"))
    if missing == "money":
        Instrument.objects.update(initial_margin=Decimal(2000))
    else:
        read_money(desk, broker, 50_000)

    assert said(tell(BLUE)) == ("NONE", "MARGIN")


@pytest.mark.parametrize(
    ("offset_s", "reason"),
    [(1.9, "TREND_BLUE"), (-1.9, "TREND_BLUE"), (2.1, "CLOCK_OFF"), (-2.1, "CLOCK_OFF"), (None, "CLOCK_OFF")],
)
def test_opening_needs_clocks_that_agree(
    tell: Teller, broker: FakeBroker, offset_s: float | None, reason: str
) -> None:
    limit(Account, max_clock_offset_s=2)
    broker.clock_offset_s = offset_s

    assert said(tell(BLUE))[1] == reason


@pytest.mark.parametrize(
    ("size", "fields", "reason"),
    [
        (1, {"daily_loss": 500, "drawdown": 1000}, "TREND_BLUE"),
        (2, {"daily_loss": 500, "drawdown": 1000}, "PRICE_UNCHECKED"),
        (1, {"daily_loss": 500}, "DRAWDOWN"),
        (1, {"drawdown": 1000}, "DAILY_LOSS"),
    ],
)
def test_live_opens_one_contract_with_its_losses_limited(
    tell: Teller, desk: Desk, broker: FakeBroker, size: int, fields: dict[str, int], reason: str
) -> None:
    confirm_calendars()
    limit(Account, environment=Environment.LIVE, armed_until=START + timedelta(hours=5), **fields)
    limit(Bot, size=size)
    read_money(desk, broker, 50_000)

    assert said(tell(BLUE))[1] == reason


# --- what the limits cost ---


def test_limits_that_are_off_cost_no_query(tell: Teller) -> None:
    tell(BLUE)

    with CaptureQueriesContext(connection) as queries:
        tell(RED, 20)

    tables = " ".join(query["sql"] for query in queries.captured_queries)
    assert "bot_minute" not in tables
    assert 'FROM "tradedesk_fill"' not in tables


@pytest.mark.parametrize(
    ("limits", "more"),
    [
        ({"orders_per_minute": 6, "orders_per_day": 40, "orders_per_session": 12}, 1),
        ({"trades_per_session": 10, "losing_streak": 4, "daily_loss": 500}, 1),
    ],
)
def test_limits_of_one_kind_cost_one_query(tell: Teller, limits: dict[str, int], more: int) -> None:
    tell(BLUE)
    with CaptureQueriesContext(connection) as before:
        tell(RED, 20)
    limit(Bot, **limits)

    with CaptureQueriesContext(connection) as after:
        tell(BLUE, 40)

    assert len(after) == len(before) + more


# --- how limits begin ---


LIMITS = (*BOT_DEFAULTS, *ACCOUNT_DEFAULTS, "daily_loss", "drawdown")


def limits_of(owner: Bot | Account) -> dict[str, Any]:
    """Return the limits that are set; a bot's largest position is no limit of this kind."""
    found = {name: getattr(owner, name, None) for name in LIMITS}
    return {name: value for name, value in found.items() if value is not None}


def test_paper_begins_without_limits(bot: Bot) -> None:
    assert (limits_of(bot), limits_of(bot.account)) == ({}, {})


@pytest.mark.parametrize("environment", [Environment.DEMO, Environment.LIVE])
def test_demo_and_live_begin_with_the_default_limits(desk: Desk, environment: Environment) -> None:
    bot = make_bot(account=make_account("tradovate", environment=environment, credentials="X"))

    assert limits_of(bot) == BOT_DEFAULTS
    assert limits_of(bot.account) == ACCOUNT_DEFAULTS


def test_account_that_leaves_paper_takes_the_defaults_with_its_bots(bot: Bot) -> None:
    bot.account.environment = Environment.DEMO
    bot.account.orders_per_day = 5
    bot.account.save()

    bot.refresh_from_db()
    assert limits_of(bot) == BOT_DEFAULTS
    assert limits_of(bot.account) == {**ACCOUNT_DEFAULTS, "orders_per_day": 5}


def test_default_that_a_person_switched_off_stays_off(desk: Desk) -> None:
    account = make_account("tradovate", environment=Environment.DEMO, credentials="X")
    bot = make_bot(account=account)
    account.max_position = bot.losing_streak = None
    account.save()
    bot.save()

    account.refresh_from_db()
    bot.refresh_from_db()
    assert (account.max_position, bot.losing_streak) == (None, None)
