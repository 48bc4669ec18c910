"""A limit that halts a bot lets the closing go that the bot owed before; a person's halt holds everything."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from broker.base import BrokerOutcomeUnknown, BrokerThrottled
from strategy.gate import Check
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, DOWN_RED, LEFT_BEHIND_S, RED, open_incidents, said, sent, state_of
from tradedesk.models import Bot, Cause, IncidentKind, Order, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.halting import trips
from tradedesk.services.halting.kill_switch import engage, release
from tradedesk.services.reconciling.recovery import recover

HALF = ("SELL", 1, "MESZ6")
OWN = "bot:mes-paper"


def throttled(broker: FakeBroker) -> None:
    broker.fail("submit", BrokerThrottled(120))


def lost(broker: FakeBroker) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))


@pytest.fixture
def long(tell: Teller, broker: FakeBroker) -> None:
    """Let the bot be long one contract, with a stop, and out of orders for this session."""
    Bot.objects.update(orders_per_session=1, stop_points=Decimal(10))
    tell(BLUE)
    broker.submits.clear()


def pass_time(desk: Desk, clock: FakeClock) -> None:
    """Let recovery come until an order that never arrived is lost and what it leaves is sent."""
    for seconds in (LEFT_BEHIND_S, 5, 5, LEFT_BEHIND_S):
        clock.advance(seconds)
        recover(desk)


def halted() -> list[tuple[str, str]]:
    found = TradingState.objects.filter(mode=TradingMode.HALTED).order_by("scope")
    return list(found.values_list("scope", "cause"))


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize(("spoil", "submits"), [(throttled, [HALF] * 2), (lost, [HALF] * 2)])
def test_limit_that_halts_the_bot_lets_its_own_closing_half_go(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    spoil: Callable[[FakeBroker], None],
    submits: list[tuple[str, int, str]],
) -> None:
    spoil(broker)
    answer = tell(RED, 20)

    pass_time(desk, clock)

    assert said(answer) == ("EXIT", "TOO_MANY_ORDERS")
    assert halted() == [(OWN, Cause.LIMIT)]
    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == (submits, 0, DOWN_RED, [])


@pytest.mark.usefixtures("long")
def test_limit_lets_an_exit_go_that_waited_before_it_was_met(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, bot: Bot
) -> None:
    throttled(broker)
    tell(DOWN, 20)
    trips.halt_bot(bot, _breach(), clock.now())

    pass_time(desk, clock)

    assert (halted(), sent(broker), broker.held()) == ([(OWN, Cause.LIMIT)], [HALF, HALF], 0)


def test_exit_refused_by_the_limit_does_not_come_back_when_the_opening_proves_filled(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    trips.halt_bot(bot, _breach(), clock.now())
    assert said(tell(DOWN, 20)) == ("NONE", "HALTED")

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([("BUY", 1, "MESZ6")], 1)
    assert ("UNHELD_TARGET", bot.slug) in open_incidents()


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("scope", ["all", "account:paper", OWN])
@pytest.mark.parametrize("is_released", [False, True])
def test_person_who_halts_holds_back_what_the_limit_let_go(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, scope: str, is_released: bool
) -> None:
    throttled(broker)
    tell(RED, 20)
    engage(desk, scope=scope, mode=TradingMode.HALTED, reason="look", by="ada")
    if is_released:
        release(desk, scope=scope, reason="fine", by="ada")

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 1)
    assert ("UNHELD_TARGET", bot.slug) in open_incidents()


@pytest.mark.usefixtures("long")
def test_release_of_a_limit_sends_nothing_by_itself(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    throttled(broker)
    tell(RED, 20)
    release(desk, scope=OWN, reason="looked", by="ada")

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 1)


@pytest.mark.usefixtures("long")
def test_fault_that_halts_the_account_holds_back_the_closing(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    throttled(broker)
    tell(RED, 20)
    trips.halt_account(IncidentKind.OVERFILLED, bot.account, "td-1", {"filled": 2}, clock.now())

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 1)


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("scope", ["all", "account:paper", OWN])
def test_trading_state_that_is_missing_holds_back_the_closing(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, scope: str
) -> None:
    throttled(broker)
    tell(RED, 20)
    TradingState.objects.filter(scope=scope).delete()

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 1)


@pytest.mark.usefixtures("long")
def test_limit_that_was_met_before_the_closing_was_decided_holds_it_back(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    throttled(broker)
    tell(RED, 20)
    TradingState.objects.filter(scope=OWN).update(since=START)

    pass_time(desk, clock)

    assert (sent(broker), broker.held()) == ([HALF], 1)


@pytest.mark.usefixtures("long")
def test_exit_that_comes_after_the_limit_was_met_is_refused(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    trips.halt_bot(bot, _breach(), clock.now())

    answer = tell(DOWN, 20)
    pass_time(desk, clock)

    assert said(answer) == ("NONE", "HALTED")
    assert (sent(broker), broker.held(), open_incidents()) == ([], 1, [("UNHELD_TARGET", bot.slug)])
    assert not Order.objects.filter(purpose="close").exists()


def _breach() -> Check:
    return Check("TOO_MANY_ORDERS", "P11", False, "bot session 1 of 1")
