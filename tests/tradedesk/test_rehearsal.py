from broker.base import BrokerOutcomeUnknown
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, sent, set_mode
from tradedesk.models import Alert, Bot, Decision, Order, Reason, TradingMode
from tradedesk.services.alerts.rehearsal import Rehearsal, rehearse
from tradedesk.services.desk import Desk
from tradedesk.stores.positions import stored


def rehearsed(desk: Desk, bot: Bot) -> Rehearsal:
    alert = Alert.objects.order_by("id")[0]
    return rehearse(
        desk, alert, Bot.objects.select_related("strategy", "account", "instrument").get(pk=bot.pk)
    )


def test_late_alert_that_comes_in_time_would_open(
    desk: Desk, bot: Bot, tell: Teller, clock: FakeClock
) -> None:
    clock.advance(90)
    assert tell(BLUE).decision["reason"] == "TOO_OLD"
    clock.advance(60)

    found = rehearsed(desk, bot)

    assert (found.choice.action, found.choice.reason) == ("ENTER_LONG", Reason.TREND_BLUE)
    assert (found.choice.quantity, found.choice.contract) == (1, "MESZ6")
    assert all(passed for _, _, passed, _ in found.choice.detail["rules"])


def test_nothing_is_sent_or_written(desk: Desk, bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell(BLUE)
    tell(DOWN, 15)
    rows = Alert.objects.count(), Decision.objects.count(), Order.objects.count()
    orders, version = sent(broker), stored(bot.id).version

    found = rehearsed(desk, bot)

    assert (found.choice.action, found.choice.quantity) == ("ENTER_LONG", 1)
    assert (Alert.objects.count(), Decision.objects.count(), Order.objects.count()) == rows
    assert (sent(broker), stored(bot.id).version) == (orders, version)


def test_todays_trading_state_and_position_count(
    desk: Desk, bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    tell(RED, 10)
    clock.advance(60)
    orders = sent(broker)
    set_mode(TradingMode.HALTED)

    found = rehearsed(desk, bot)

    assert (found.choice.action, found.choice.reason) == ("NONE", Reason.HALTED)
    set_mode(TradingMode.ACTIVE)
    found = rehearsed(desk, bot)
    assert (found.choice.action, found.choice.quantity) == ("REVERSE_TO_LONG", 2)
    assert sent(broker) == orders


def test_broker_that_does_not_answer_refuses_the_rehearsal_too(
    desk: Desk, bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    set_mode(TradingMode.HALTED)
    tell(BLUE)
    set_mode(TradingMode.ACTIVE)
    tell(RED, 10)
    clock.advance(60)
    broker.fail("positions", BrokerOutcomeUnknown("away"))

    assert rehearsed(desk, bot).choice.reason == Reason.BROKER_UNREACHABLE


def test_position_that_is_held_already_needs_no_order(desk: Desk, bot: Bot, tell: Teller) -> None:
    tell(BLUE)

    choice = rehearsed(desk, bot).choice

    assert (choice.action, choice.reason, choice.quantity) == ("NONE", Reason.TREND_BLUE, 0)


def test_alert_that_is_no_fact_stays_none(desk: Desk, bot: Bot, tell: Teller) -> None:
    tell(BLUE, symbol="MNQ1!")

    assert rehearsed(desk, bot).choice.reason == Reason.UNKNOWN_SYMBOL
