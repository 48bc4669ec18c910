"""A stop or target that the broker does not cancel: what waits behind it, who is told, and what ends it."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from broker.base import BrokerError, BrokerNotReached, BrokerOrderStatus, BrokerOutcomeUnknown, BrokerRefused
from broker.orders import BrokerOrder
from tests.builders import make_incident
from tests.fakes import FakeBroker, FakeClock, FakeOrder
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    DOWN_RED,
    IN_LONG,
    IN_SHORT,
    LEFT_BEHIND_S,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    said,
    sent,
    set_mode,
    state_of,
)
from tradedesk.models import Bot, Decision, FlattenWish, IncidentKind, Notice, Order, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten, go_on
from tradedesk.services.halting.kill_switch import engage
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover

STANDS = ("LEG_NOT_CANCELLED", "mes-paper")
BUY, SELL = ("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")
REFUSED = BrokerRefused("TooLate", "the exchange has it")


@pytest.fixture
def bot(bot: Bot) -> Bot:
    """Return a bot with a stop ten points away."""
    bot.stop_points = Decimal(10)
    bot.save()
    return bot


@pytest.fixture
def stop(bot: Bot, tell: Teller, broker: FakeBroker) -> FakeOrder:
    """Let the bot be long with a stop that the broker refuses to cancel, and return the stop."""
    tell(BLUE)
    broker.submits.clear()
    stand(broker)
    (stop,) = (order for order in broker.orders.values() if order.message.terms.stop_price is not None)
    return stop


class Unlisted(dict[int, FakeOrder]):
    """Orders that the broker does not list."""

    def __call__(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerOrder]:
        raise BrokerNotReached("no route")


def stand(broker: FakeBroker, error: BrokerError = REFUSED) -> None:
    broker.fail("cancel", error, times=99)


def yield_(broker: FakeBroker) -> None:
    broker.fail("cancel", REFUSED, times=0)


def later(desk: Desk, clock: FakeClock, seconds: float = LEFT_BEHIND_S) -> None:
    clock.advance(seconds)
    recover(desk)


@pytest.mark.parametrize("error", [REFUSED, BrokerNotReached("no route"), BrokerOutcomeUnknown("timed out")])
def test_exit_waits_as_an_order_and_goes_once_the_stop_is_gone(
    bot: Bot,
    stop: FakeOrder,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    error: BrokerError,
) -> None:
    stand(broker, error)
    answer = tell(DOWN, 20)
    told = open_incidents()
    later(desk, clock)
    waiting = (sent(broker), broker.held(), open_incidents())
    yield_(broker)

    later(desk, clock, 15)

    assert (said(answer), answer.decision["order"]["status"]) == (("EXIT", "DI_DOWN"), "pending")
    assert (told, waiting) == ([STANDS], ([], 1, [STANDS]))
    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([SELL], 0, OUT_BLUE, [])


@pytest.mark.usefixtures("stop")
def test_exit_waits_as_long_as_the_stop_stands_beyond_the_event_window(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(DOWN, 20)
    later(desk, clock, 49 * 3600)
    waiting = (sent(broker), open_incidents())
    yield_(broker)

    later(desk, clock)

    assert waiting == ([], [STANDS])
    assert (sent(broker), broker.held(), open_incidents()) == ([SELL], 0, [])


def test_stop_that_fills_while_the_exit_waits_settles_it(
    bot: Bot, stop: FakeOrder, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(DOWN, 20)
    broker.fill(stop.id)

    later(desk, clock)

    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([], 0, OUT_BLUE, [])
    assert Order.objects.get(purpose="close").status == "denied"


@pytest.mark.usefixtures("stop")
def test_exit_that_its_colour_took_back_keeps_the_stop(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(DOWN, 20)
    tell(UP, 30)

    later(desk, clock)
    reconcile(desk, [bot.account])

    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([], 1, IN_LONG, [])


@pytest.mark.usefixtures("stop")
def test_exit_that_waits_is_held_by_a_halt_and_keeps_the_stop(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(DOWN, 20)
    set_mode(TradingMode.HALTED)
    yield_(broker)

    later(desk, clock)
    reconcile(desk, [bot.account])

    assert (sent(broker), broker.held(), broker.calls["cancel"]) == ([], 1, 1)
    assert open_incidents() == [("UNHELD_TARGET", bot.slug)]


@pytest.mark.usefixtures("stop")
@pytest.mark.parametrize(
    ("waits_s", "orders", "state"), [(10, [SELL, SELL], IN_SHORT), (61, [SELL], DOWN_RED)]
)
def test_reversal_waits_whole_and_opens_only_while_young(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    waits_s: float,
    orders: list[tuple[str, int, str]],
    state: tuple[str, str, str],
) -> None:
    answer = tell(RED, 20)
    later(desk, clock)
    yield_(broker)

    later(desk, clock, waits_s)

    assert (said(answer), answer.decision["order"]["status"]) == (
        ("REVERSE_TO_SHORT", "TREND_RED"),
        "pending",
    )
    assert (sent(broker), state_of(bot), open_incidents()) == (orders, state, [])
    stops = [order for order in broker.orders.values() if order.status is BrokerOrderStatus.WORKING]
    assert len(stops) == abs(broker.held())


def test_opening_waits_for_a_stop_that_was_left_behind_and_is_given_up_by_age(
    bot: Bot, stop: FakeOrder, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    flatten(desk, scope="all", reason="enough", by="ada")
    broker.submits.clear()
    FlattenWish.objects.update(ended_at=clock.now())
    set_mode(TradingMode.ACTIVE)

    answer = tell(RED, 20)
    later(desk, clock, 61)

    assert answer.decision["order"]["status"] == "pending"
    assert (sent(broker), broker.held(), state_of(bot), open_incidents()) == ([], 0, DOWN_RED, [STANDS])
    yield_(broker)
    reconcile(desk, [bot.account])
    assert (stop.status, open_incidents()) == (BrokerOrderStatus.CANCELLED, [])


@pytest.mark.usefixtures("stop")
def test_halt_that_comes_while_the_stop_is_cancelled_leaves_no_exit_waiting(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    def halt() -> None:
        clock.during_sleep = None
        engage(desk, scope="all", mode=TradingMode.HALTED, reason="look", by="ada")

    clock.during_sleep = halt

    answer = tell(DOWN, 20)

    assert said(answer) == ("NONE", "HALTED")
    assert (answer.decision["order"], sent(broker), broker.held()) == (None, [], 1)


def test_event_that_cannot_ask_whether_the_stop_filled_is_decided_by_recovery(
    bot: Bot, stop: FakeOrder, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fill(stop.id)
    broker.orders = Unlisted(broker.orders)  # type: ignore[assignment]

    answer = tell(DOWN, 20)
    later(desk, clock)

    decision = Decision.objects.latest("id")
    assert (said(answer), decision.reason) == (("NONE", "NOT_REACHED"), "POSITION_MISMATCH")
    assert ("POSITION_MISMATCH", bot.slug) in open_incidents()


# --- a person's flatten ---


def test_flatten_closes_ends_what_waits_and_tells_of_the_stop_until_it_is_gone(
    bot: Bot, stop: FakeOrder, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(DOWN, 20)

    result = flatten(desk, scope="all", reason="enough", by="ada")
    reconcile(desk, [bot.account])

    assert (result.flat, broker.held(), sent(broker)) == (False, 0, [SELL])
    assert result.positions == [{"account": "paper", "order": str(stop.id)}]
    assert Order.objects.get(purpose="close").status == "denied"
    assert Notice.objects.filter(subject="NOT FLAT: all").count() == 1
    assert open_incidents() == [STANDS]
    yield_(broker)
    clock.advance(60)
    assert (go_on(desk), open_incidents()) == (0, [])


@pytest.mark.usefixtures("stop")
def test_stop_of_a_flat_bot_that_stays_is_told(
    bot: Bot, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 0)
    for _ in range(2):
        reconcile(desk, [bot.account])
        clock.advance(30)

    assert open_incidents() == [STANDS, ("POSITION_MISMATCH", bot.slug)]


def test_stop_without_an_answer_is_none_that_stays(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)
    for seconds in (LEFT_BEHIND_S, 5, 5):
        later(desk, clock, seconds)
    unanswered = Order.objects.filter(purpose="stop").update(status="unconfirmed", settled_at=None, looks=0)

    reconcile(desk, [bot.account])

    assert (unanswered, state_of(bot), open_incidents()) == (1, DOWN_BLUE, [])


def test_incident_that_a_crash_left_behind_is_closed(bot: Bot, desk: Desk) -> None:
    make_incident(bot, kind=IncidentKind.LEG_NOT_CANCELLED, subject=bot.slug)

    reconcile(desk, [bot.account])

    assert open_incidents() == []
