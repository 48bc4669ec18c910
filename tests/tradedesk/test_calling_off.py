"""The strategy leaves a side while an opening toward it still works: the rest is cancelled first."""

from collections.abc import Callable

import pytest

from broker.base import BrokerOutcomeUnknown, BrokerRefused
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    IN_LONG,
    IN_SHORT,
    LEFT_BEHIND_S,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    said,
    sent,
    state_of,
)
from tradedesk.models import Bot, Order
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored

ENTRY = 1001


@pytest.fixture
def entry(bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock) -> None:
    """Let an entry of three contracts be filled by one and work on; what comes after it fills at once."""
    Bot.objects.update(size=3)
    broker.fills_at_once = False

    def fill_one() -> None:
        clock.during_sleep = None
        broker.fill(ENTRY, 1)

    clock.during_sleep = fill_one
    assert tell(BLUE).decision["order"]["status"] == "partially_filled"
    broker.fills_at_once = True
    broker.submits.clear()


def fill_before_the_cancel(broker: FakeBroker) -> None:
    """Let the rest of an order fill while it is asked to be cancelled."""

    def too_late(order_id: int, *, timeout_s: float) -> int:
        broker.fill(order_id)
        raise BrokerRefused("TooLate", "the order is over")

    broker.cancel = too_late  # type: ignore[method-assign]


def lose_the_cancel(broker: FakeBroker) -> None:
    broker.fail("cancel", BrokerOutcomeUnknown("read timed out"))


@pytest.mark.usefixtures("entry")
def test_exit_cancels_the_rest_of_its_entry_and_closes_the_part(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")

    assert sent(broker) == [("SELL", 1, "MESZ6")]
    assert (broker.orders[ENTRY].status, broker.held()) == ("cancelled", 0)
    assert list(Order.objects.order_by("id").values_list("status", "filled_quantity")) == [
        ("cancelled", 1),
        ("filled", 1),
    ]
    assert (state_of(bot), open_incidents()) == (OUT_BLUE, [])
    assert said(tell(UP, 30)) == ("REENTER_LONG", "DI_UP")


@pytest.mark.usefixtures("entry")
def test_reversal_cancels_the_rest_of_the_entry_and_goes_as_one_order(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    assert said(tell(RED, 20)) == ("REVERSE_TO_SHORT", "TREND_RED")

    assert sent(broker) == [("SELL", 4, "MESZ6")]
    assert (broker.orders[ENTRY].status, broker.held()) == ("cancelled", -3)
    assert (state_of(bot), open_incidents()) == (IN_SHORT, [])


@pytest.mark.usefixtures("entry")
def test_cancel_that_comes_too_late_closes_all_that_filled(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    fill_before_the_cancel(broker)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")

    assert (sent(broker), broker.held()) == ([("SELL", 3, "MESZ6")], 0)
    assert (state_of(bot), stored(bot.id).quantity, open_incidents()) == (OUT_BLUE, 0, [])


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("later", [lambda broker: None, lambda broker: broker.fill(ENTRY)])
def test_cancel_without_an_answer_is_asked_again_by_recovery_which_ends_flat(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    desk: Desk,
    clock: FakeClock,
    later: Callable[[FakeBroker], None],
) -> None:
    lose_the_cancel(broker)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")
    assert sent(broker) == [("SELL", 1, "MESZ6")]
    later(broker)
    clock.advance(LEFT_BEHIND_S)
    recover(desk)

    assert (broker.held(), stored(bot.id).quantity, state_of(bot)) == (0, 0, OUT_BLUE)
    assert not Order.objects.filter(settled_at=None).exists()
    assert open_incidents() == []


def test_exit_cancels_an_entry_of_which_nothing_filled(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    broker.fills_at_once = False
    tell(BLUE)

    assert said(tell(DOWN, 15)) == ("NONE", "DI_DOWN")

    assert (broker.orders[ENTRY].status, len(broker.submits)) == ("cancelled", 1)
    assert (state_of(bot), open_incidents()) == (OUT_BLUE, [])


def test_color_that_comes_back_cancels_the_rest_of_a_reversal_and_keeps_the_position(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.fills_at_once = False
    tell(RED, 20)

    assert said(tell(BLUE, 30))[0] == "NONE"

    assert (broker.orders[max(broker.orders)].status, broker.held()) == ("cancelled", 1)
    assert (state_of(bot), open_incidents()) == (IN_LONG, [])


@pytest.mark.usefixtures("entry")
def test_event_that_agrees_with_the_entry_leaves_it_working(tell: Teller, broker: FakeBroker) -> None:
    tell(UP, 15)

    assert (broker.orders[ENTRY].status, broker.calls["cancel"]) == ("working", 0)


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("spoil", [lambda broker: None, fill_before_the_cancel])
def test_flatten_amid_an_entry_ends_flat(
    bot: Bot, broker: FakeBroker, desk: Desk, spoil: Callable[[FakeBroker], None]
) -> None:
    spoil(broker)

    assert flatten(desk, scope="all", reason="drill", by="ada").flat is True

    assert (broker.held(), stored(bot.id).quantity, open_incidents()) == (0, 0, [])
