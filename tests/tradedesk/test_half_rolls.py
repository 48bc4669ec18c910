"""A roll that is cut off between its two orders goes on while young, or an incident tells of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from broker.base import BrokerNotReached, BrokerOrderStatus, BrokerOutcomeUnknown, OrderRequest
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.rolling import DUE, ROLLED, rolled
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    IN_LONG,
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
from tradedesk.models import Bot, Incident, Order, TradingMode
from tradedesk.services.contracts.rolling import CannotRoll
from tradedesk.services.contracts.rolls import watch_rolls
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import resolve

HALF_DONE = [("ROLL_HALF_DONE", "mes-paper")]
GONE = BrokerOutcomeUnknown("time-out")


class Killed(BaseException):
    """The process dies at this moment."""


@contextmanager
def killed(broker: FakeBroker, moment: str) -> Iterator[None]:
    """Let the process die before or after the so-manieth order reaches the broker, as in `after 1`."""
    when, number = moment.split()
    submit, before = broker.submit, len(broker.submits)

    def die(order: OrderRequest, *, timeout_s: float) -> int:
        is_now = len(broker.submits) - before + 1 == int(number)
        if is_now and when == "before":
            raise Killed
        order_id = submit(order, timeout_s=timeout_s)
        if is_now:
            raise Killed
        return order_id

    broker.submit = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        yield
    broker.submit = submit  # type: ignore[method-assign]


def pass_by(desk: Desk, clock: FakeClock, seconds: float) -> None:
    """Let time pass, with the worker at work every 15 seconds."""
    for _ in range(int(seconds // 15)):
        clock.advance(15)
        recover(desk)
    watch_rolls(desk)


def in_doubt(desk: Desk, broker: FakeBroker, due: Incident, clock: FakeClock) -> Order:
    """Return the closing of a roll that did not reach the broker, and is not known to have not."""
    broker.fail("submit", GONE)
    with pytest.raises(CannotRoll, match="the closing order is unconfirmed"):
        rolled(desk, due)
    clock.advance(LEFT_BEHIND_S)
    return Order.objects.get(purpose="close")


@pytest.mark.parametrize(
    ("moment", "orders", "held", "state", "told"),
    [
        ("before 1", [], (1, 0), IN_LONG, DUE),
        ("after 1", ROLLED[1:], (0, 1), IN_LONG, []),
        ("before 2", ROLLED[1:2], (0, 0), DOWN_BLUE, HALF_DONE),
        ("after 2", ROLLED[1:], (0, 1), IN_LONG, []),
    ],
)
def test_roll_that_is_killed_goes_on_while_young_or_says_why_not(
    due: Incident,
    bot: Bot,
    desk: Desk,
    clock: FakeClock,
    broker: FakeBroker,
    moment: str,
    orders: list[tuple[str, int, str]],
    held: tuple[int, int],
    state: tuple[str, str, str],
    told: list[tuple[str, str]],
) -> None:
    with killed(broker, moment):
        rolled(desk, due)

    pass_by(desk, clock, 90)

    assert sent(broker)[1:] == orders
    assert (broker.held("MESZ6"), broker.held("MESH7")) == held
    assert (state_of(bot), open_incidents()) == (state, told)


def test_opening_whose_time_passed_is_not_sent_and_an_incident_says_what_became_of_the_roll(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)
    clock.advance(61)

    pass_by(desk, clock, 30)

    assert (sent(broker), state_of(bot), open_incidents()) == (ROLLED[:2], DOWN_BLUE, HALF_DONE)
    incident = Incident.objects.get(kind="ROLL_HALF_DONE")
    assert incident.seen == {
        "opening": "BUY 1 MESH7 denied",
        "why": "Not sent late: TOO_OLD, 76.0 s old, at most 60 s.",
    }
    assert said(tell(RED, 10)) == ("ENTER_SHORT", "TREND_RED")
    watch_rolls(desk)
    assert open_incidents() == []


def test_incident_stays_while_the_roll_is_on_its_way(
    due: Incident, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)

    watch_rolls(desk)

    assert open_incidents() == DUE


def test_person_who_asks_again_after_a_crash_lets_it_go_on(
    due: Incident, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)
    clock.advance(LEFT_BEHIND_S)

    assert rolled(desk, due).status == "filled"

    assert sent(broker) == ROLLED


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCING])
def test_opening_of_a_roll_does_not_pass_a_switch_that_came_meanwhile(
    due: Incident, desk: Desk, clock: FakeClock, broker: FakeBroker, mode: TradingMode
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)
    set_mode(mode)

    pass_by(desk, clock, 30)

    assert (sent(broker), open_incidents()) == (ROLLED[:2], HALF_DONE)


def test_opening_of_a_roll_goes_into_no_month_that_is_not_traded_any_more(
    due: Incident, bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)
    bot.instrument.pinned_contract = "MESU6"
    bot.instrument.save()

    pass_by(desk, clock, 30)

    assert sent(broker) == ROLLED[:2]
    assert Incident.objects.get(kind="ROLL_HALF_DONE").seen["why"] == (
        "Not sent late: the month to trade is MESU6 by now."
    )


def test_flatten_takes_the_place_of_a_roll_that_was_cut_off(
    due: Incident, bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)

    assert flatten(desk, scope="all", reason="", by="ada").flat is True
    pass_by(desk, clock, 30)

    assert (sent(broker), state_of(bot), open_incidents()) == (ROLLED[:2], DOWN_BLUE, [])


def test_closing_that_turns_out_filled_after_its_opening_was_denied_is_told(
    due: Incident, bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    broker.fills_at_once = False
    with pytest.raises(CannotRoll, match="the closing order is working"):
        rolled(desk, due)
    pass_by(desk, clock, 15)
    assert Order.objects.get(contract="MESH7").status == "denied"
    assert (state_of(bot), open_incidents()) == (IN_LONG, DUE)

    broker.fill(max(broker.orders))
    pass_by(desk, clock, 15)

    assert (sent(broker), state_of(bot), open_incidents()) == (ROLLED[:2], DOWN_BLUE, HALF_DONE)


def looks(order: Order, desk: Desk, clock: FakeClock, broker: FakeBroker) -> None:
    """Let recovery find that the order never reached the broker."""
    pass_by(desk, clock, 60)


def rejected(order: Order, desk: Desk, clock: FakeClock, broker: FakeBroker) -> None:
    """Let recovery find that the broker rejected the order."""
    broker.place_foreign_order()
    found = broker.orders[max(broker.orders)]
    found.message = OrderRequest(1, "", order.contract, found.message.side, 1, order.client_order_id)
    found.status, found.reject_reason = BrokerOrderStatus.REJECTED, "MarketClosed"
    pass_by(desk, clock, 15)


@pytest.mark.parametrize("end", [looks, rejected])
def test_exit_that_a_closing_in_doubt_held_back_comes_back_when_that_is_over(
    due: Incident,
    bot: Bot,
    tell: Teller,
    desk: Desk,
    clock: FakeClock,
    broker: FakeBroker,
    end: Callable[..., None],
) -> None:
    order = in_doubt(desk, broker, due, clock)
    assert said(tell(DOWN, 1)) == ("NONE", "ORDER_UNCONFIRMED")
    assert broker.held() == 1

    end(order, desk, clock, broker)

    assert (broker.held(), state_of(bot), open_incidents()) == (0, OUT_BLUE, [])
    assert sent(broker)[2:] == [("SELL", 1, "MESZ6")]


def test_exit_does_not_come_back_past_a_halt(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    in_doubt(desk, broker, due, clock)
    tell(DOWN, 1)
    set_mode(TradingMode.HALTED)

    pass_by(desk, clock, 60)
    set_mode(TradingMode.ACTIVE)
    pass_by(desk, clock, 60)

    assert (broker.held(), open_incidents()) == (1, [*DUE, ("UNHELD_TARGET", "mes-paper")])


@pytest.mark.parametrize("wanted", [True, False])
def test_closing_of_a_roll_that_a_person_declares_lost_is_followed_by_nothing(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker, wanted: bool
) -> None:
    order = in_doubt(desk, broker, due, clock)
    if not wanted:
        tell(DOWN, 1)
    incident = Incident.objects.get(subject=order.client_order_id)

    resolve(desk, incident, adopt=False, reason="Not in its list.", by="ada")
    pass_by(desk, clock, 30)

    assert list(Order.objects.exclude(status="filled").values_list("contract", "status").order_by("id")) == [
        ("MESZ6", "lost"),
        ("MESH7", "denied"),
    ]
    left = [] if wanted else [("UNHELD_TARGET", "mes-paper")]
    assert (broker.held(), open_incidents()) == (1, [*DUE, *left])


def test_opening_of_a_roll_that_fills_after_the_strategy_left_it_is_closed(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    submit = broker.submit

    def hold_back(order: OrderRequest, **options: Any) -> int:
        broker.fills_at_once = order.contract != "MESH7"
        return submit(order, **options)

    broker.submit = hold_back  # type: ignore[method-assign]
    assert rolled(desk, due).status == "working"
    broker.submit = submit  # type: ignore[method-assign]
    opening = max(broker.orders)
    broker.fail("cancel", BrokerNotReached("no route"))
    tell(DOWN, 1)
    broker.fills_at_once = True
    broker.fill(opening)

    pass_by(desk, clock, 30)

    assert (broker.held("MESH7"), state_of(bot), open_incidents()) == (0, OUT_BLUE, [])
    assert sent(broker) == [*ROLLED, ("SELL", 1, "MESH7")]


def test_rolled_position_is_traded_on(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    with killed(broker, "after 1"):
        rolled(desk, due)
    pass_by(desk, clock, 30)

    assert [said(tell(event, minute)) for event, minute in ((DOWN, 5), (UP, 10), (BLUE, 20))] == [
        ("EXIT", "DI_DOWN"),
        ("REENTER_LONG", "DI_UP"),
        ("NONE", "SAME_COLOR"),
    ]
    assert broker.held("MESH7") == 1
