"""The process dies at one step of its work, the alert comes again, and a new process recovers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django_redis import get_redis_connection

from broker.base import BrokerOutcomeUnknown
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, open_incidents
from tradedesk.models import Alert, Bot, Decision, Order, TradingMode, TradingState
from tradedesk.services.alerts import intake
from tradedesk.services.desk import Desk
from tradedesk.services.order_path import booking, owed_closings, trading
from tradedesk.services.reconciling import reconciliation, recovery
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores import positions
from tradedesk.stores.positions import stored

BEFORE, AFTER = "before", "after"


@contextmanager
def dying(owner: object, step: str, when: str) -> Iterator[None]:
    """Let the process die before or right after a step, and Redis and what it had in memory be gone then."""
    real: Callable[..., Any] = getattr(owner, step)

    def die(*args: Any, **kwargs: Any) -> None:
        if when == AFTER:
            real(*args, **kwargs)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(SystemExit):
            yield
    positions._latest.clear()
    get_redis_connection("default").flushdb()


def start_again(desk: Desk, clock: FakeClock) -> None:
    """Let recovery come until what was lost is known to be lost, and reconcile."""
    for seconds in (6, 5, 5):
        clock.advance(seconds)
        recover(desk)
    reconcile(desk, [Bot.objects.get().account])


def assert_nothing_is_lost_or_doubled(bot: Bot, broker: FakeBroker) -> None:
    at_broker = [order.message.client_order_id for order in broker.orders.values()]
    assert len(at_broker) == len(set(at_broker))
    assert set(at_broker) <= set(Order.objects.values_list("client_order_id", flat=True))
    assert Decision.objects.count() == Alert.objects.count()
    assert stored(bot.id).quantity == broker.held()
    assert not Order.objects.filter(settled_at=None).exists()
    assert open_incidents() == []


@pytest.mark.parametrize(
    ("owner", "step", "when", "entered", "reversed_"),
    [
        (intake, "store_alert", BEFORE, 1, -1),
        (trading, "decide", BEFORE, 1, -1),
        (booking, "write", BEFORE, 1, -1),
        (booking, "write", AFTER, 0, 0),
        (FakeBroker, "submit", BEFORE, 0, 0),
        (FakeBroker, "submit", AFTER, 1, -1),
        (booking, "book", BEFORE, 1, -1),
        (booking, "book", AFTER, 1, -1),
    ],
)
def test_death_at_any_step_of_an_alert_loses_nothing_and_sends_nothing_twice(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    owner: object,
    step: str,
    when: str,
    entered: int,
    reversed_: int,
) -> None:
    with dying(owner, step, when):
        tell(BLUE)
    assert tell(BLUE).body["status"] == ("processed" if owner is intake else "duplicate")
    start_again(desk, clock)
    assert broker.held() == entered
    assert_nothing_is_lost_or_doubled(bot, broker)

    tell(RED, 20)
    tell(BLUE, 40)
    assert broker.held() == 1
    with dying(owner, step, when):
        tell(RED, 60)
    tell(RED, 60)
    start_again(desk, clock)
    assert broker.held() == reversed_
    assert_nothing_is_lost_or_doubled(bot, broker)

    tell(BLUE, 80)
    assert broker.held() == 1
    with dying(owner, step, when):
        tell(DOWN, 90)
    tell(DOWN, 90)
    start_again(desk, clock)
    assert broker.held() == 0
    assert_nothing_is_lost_or_doubled(bot, broker)


@pytest.mark.parametrize(
    ("owner", "step", "when"),
    [
        (owed_closings, "put_down", AFTER),
        (recovery, "send_late", BEFORE),
        (FakeBroker, "submit", BEFORE),
        (FakeBroker, "submit", AFTER),
        (recovery, "send_late", AFTER),
    ],
)
def test_death_of_recovery_amid_a_closing_half_closes_once(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    owner: object,
    step: str,
    when: str,
) -> None:
    tell(BLUE)
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(RED, 20)
    for seconds in (6, 5):
        clock.advance(seconds)
        recover(desk)
    clock.advance(5)

    with dying(owner, step, when):
        recover(desk)
    for _ in range(2):
        start_again(desk, clock)

    assert [fill.message.quantity for fill in broker.orders.values()] == [1, 1]
    assert broker.held() == 0
    assert_nothing_is_lost_or_doubled(bot, broker)


def test_death_amid_a_reconciliation_leaves_the_next_one_to_find_the_same(
    bot: Bot, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    reconcile(desk, [bot.account])
    clock.advance(5)
    with dying(reconciliation, "_close_what_is_gone", BEFORE):
        reconcile(desk, [bot.account])
    assert open_incidents() == []

    for _ in range(2):
        reconcile(desk, [bot.account])

    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]
    assert TradingState.objects.get(account=bot.account).mode == TradingMode.REDUCING
