"""Every risk control, P1 to P18 and Q1 to Q8, on a whole desk: in order, broken, and with nothing to read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import time, timedelta

import pytest

from broker.money import OuterWall
from strategy.types import Memory
from tests.builders import set_held
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.strategy.builders import LONG_BLUE
from tests.telling import BLUE, DOWN, RED, set_mode
from tests.tradedesk.floors import (
    AWAY,
    Act,
    Floor,
    an_order,
    an_order_at_the_broker,
    arm_again,
    as_it_is,
    be_flat,
    cancel_legs,
    check_identity,
    end_the_day,
    failing_database,
    have,
    in_turn,
    keep_stop,
    live,
    look,
    look_twice,
    lost_orders,
    money,
    money_untold,
    on_demo,
    recover_later,
    round_trip,
    second_bot,
    unanswered,
    unknown_order,
    watch_alerts,
)
from tradedesk.models import Account, Bot, Instrument, SessionRule, Strategy, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.order_path import usage


def an_opening(floor: Floor) -> str:
    return floor.tell(floor.event, floor.minute)


def an_exit(floor: Floor) -> str:
    return floor.tell(DOWN, floor.minute + 15)


@dataclass(frozen=True)
class Control:
    """A control, and what is heard by who asks it, an opening as a rule.

    `begins` sets it up. `passes`, `refuses` and `blinds` bring about the three forms; `passed`, `refused` and
    `blind` are what is heard then. `leaves` is what an exit hears while the control is blind. `holds` says
    that a position is held when it is asked, `waits` that the exit is written down and waits.
    """

    number: str
    passes: Act
    refuses: Act
    refused: str
    blinds: Act
    blind: str
    leaves: str = "DI_DOWN"
    passed: str = "TREND_BLUE"
    begins: Act = as_it_is
    asks: Callable[[Floor], str] = an_opening
    holds: bool = False
    waits: bool = False


NO_WEEK = have(SessionRule, week="whenever")
SILENT = have(Strategy, watch_heartbeat=True, heartbeat_at=START - timedelta(hours=1))
NEVER_LOOKED = have(Account, reconciled_at=None)

CONTROLS = [
    Control(
        "P1",
        passes=as_it_is,
        refuses=lambda floor: set_mode(TradingMode.REDUCING, "account:paper"),
        refused="REDUCING",
        blinds=lambda floor: TradingState.objects.filter(scope="account:paper").delete(),
        blind="HALTED",
        leaves="HALTED",
    ),
    Control(
        "P2",
        begins=check_identity,
        passes=as_it_is,
        refuses=have(Account, broker_account_id=8),
        refused="BROKER_UNREACHABLE",
        blinds=lambda floor: floor.links.down.update(paper=AWAY),
        blind="BROKER_UNREACHABLE",
        leaves="BROKER_UNREACHABLE",
    ),
    Control(
        "P3",
        passes=as_it_is,
        refuses=have(Instrument, tick_size="0.5"),
        refused="CONTRACT_UNKNOWN",
        blinds=unanswered("front_contract"),
        blind="CONTRACT_UNKNOWN",
    ),
    Control(
        "P4",
        begins=in_turn(have(Bot, risk_percent=1, stop_points=10), money("50000")),
        passes=money("5000"),
        refuses=money("4999"),
        refused="RISK_SIZE",
        blinds=money_untold,
        blind="RISK_SIZE",
    ),
    Control(
        "P5",
        begins=have(Account, max_position=3),
        passes=lambda floor: floor.broker.hold("MNQZ6", -2),
        refuses=lambda floor: floor.broker.hold("MNQZ6", -3),
        refused="MAX_ACCOUNT_POSITION",
        blinds=unanswered("positions"),
        blind="BROKER_UNREACHABLE",
        leaves="BROKER_UNREACHABLE",
    ),
    Control(
        "P6",
        asks=an_exit,
        holds=True,
        passes=as_it_is,
        passed="DI_DOWN",
        refuses=lambda floor: floor.broker.hold("MESZ6", 0),
        refused="POSITION_MISMATCH",
        blinds=unanswered("positions"),
        blind="BROKER_UNREACHABLE",
        leaves="BROKER_UNREACHABLE",
    ),
    Control(
        "P7",
        passes=lambda floor: floor.clock.advance(60),
        refuses=lambda floor: floor.clock.advance(60.001),
        refused="TOO_OLD",
        # The event that opened the target is older than what is remembered.
        blinds=lambda floor: set_held(floor.bot, floor.broker.held(), memory=Memory(LONG_BLUE)),
        blind="TOO_OLD",
    ),
    Control(
        "P8",
        begins=have(Account, max_clock_offset_s=2),
        passes=lambda floor: setattr(floor.broker, "clock_offset_s", -2.0),
        refuses=lambda floor: setattr(floor.broker, "clock_offset_s", -2.1),
        refused="CLOCK_OFF",
        blinds=lambda floor: setattr(floor.broker, "clock_offset_s", None),
        blind="CLOCK_OFF",
    ),
    Control(
        "P9",
        passes=as_it_is,
        refuses=an_opening,
        refused="duplicate",
        blinds=failing_database('INSERT INTO "tradedesk_order"'),
        blind="NOT_REACHED",
        leaves="NOT_REACHED",
    ),
    Control(
        "P10",
        passes=lost_orders(1),
        refuses=an_order,
        refused="ORDER_UNCONFIRMED",
        blinds=failing_database("settled_at IS NULL"),
        blind="NOT_REACHED",
        leaves="NOT_REACHED",
    ),
    Control(
        "P11",
        begins=have(Bot, orders_per_session=2),
        passes=lost_orders(1),
        refuses=lost_orders(2),
        refused="TOO_MANY_ORDERS",
        blinds=failing_database('"bot_session"'),
        blind="NOT_REACHED",
        leaves="NOT_REACHED",
    ),
    Control(
        "P12",
        begins=on_demo,
        passes=as_it_is,
        refuses=have(SessionRule, week="Tue 17:00 - Wed 16:00"),
        refused="SESSION_CLOSED",
        blinds=NO_WEEK,
        blind="SESSION_CLOSED",
    ),
    Control(
        "P13",
        begins=in_turn(have(Account, daily_loss=500), money("50000")),
        passes=money("50000", gained="-499.99"),
        refuses=money("50000", gained="-500"),
        refused="REDUCING",
        blinds=money_untold,
        blind="DAILY_LOSS",
    ),
    Control(
        "P14",
        begins=have(Bot, trades_per_session=2),
        passes=round_trip,
        refuses=in_turn(round_trip, round_trip),
        refused="TOO_MANY_TRADES",
        blinds=in_turn(round_trip, lambda floor: floor.monkeypatch.setattr(usage, "MOST_FILLS", 2)),
        blind="TOO_MANY_TRADES",
    ),
    Control(
        "P15",
        begins=in_turn(
            have(Account, margin_factor="1.5"), have(Instrument, initial_margin=2000), money("50000")
        ),
        passes=money("3000"),
        refuses=money("2999"),
        refused="MARGIN",
        blinds=money_untold,
        blind="MARGIN",
    ),
    Control(
        "P16",
        begins=live,
        passes=as_it_is,
        # There are no quotes to read: one contract is all that passes without.
        refuses=have(Bot, size=2),
        refused="PRICE_UNCHECKED",
        blinds=have(Bot, size=2),
        blind="PRICE_UNCHECKED",
    ),
    Control(
        "P17",
        asks=second_bot,
        passes=lambda floor: floor.market.update(second="MNQ"),
        passed="made",
        refuses=as_it_is,
        refused="IntegrityError",
        blinds=failing_database('INSERT INTO "tradedesk_bot"'),
        blind="OperationalError",
    ),
    Control(
        "P18",
        passes=lambda floor: floor.market.update(exchange="CME_MINI"),
        refuses=lambda floor: floor.market.update(exchange="CME_MINI_DL"),
        refused="DELAYED_DATA",
        blinds=lambda floor: floor.market.update(exchange=""),
        blind="invalid",
        leaves="invalid",
    ),
    Control(
        "Q1",
        passes=look_twice,
        refuses=in_turn(lambda floor: floor.broker.hold("MNQZ6", -1), look_twice),
        refused="REDUCING",
        blinds=in_turn(NEVER_LOOKED, unanswered("working_orders"), look),
        blind="RECONCILING",
    ),
    Control(
        "Q2",
        begins=lambda floor: vars(floor).update(event=RED, minute=20),
        passes=in_turn(an_order_at_the_broker, recover_later),
        passed="TREND_RED",
        refuses=an_order,
        refused="ORDER_UNCONFIRMED",
        blinds=in_turn(an_order_at_the_broker, unanswered("find_order")),
        blind="ORDER_UNCONFIRMED",
    ),
    Control(
        "Q3",
        passes=look,
        refuses=in_turn(unknown_order, look),
        refused="HALTED",
        blinds=in_turn(NEVER_LOOKED, unanswered("named_orders"), look),
        blind="RECONCILING",
    ),
    Control(
        "Q4",
        begins=on_demo,
        passes=in_turn(SILENT, have(Strategy, heartbeat_at=START), watch_alerts),
        refuses=in_turn(SILENT, watch_alerts),
        refused="ALERTS_SILENT",
        # Which bars are missing is not known without the hours of the market.
        blinds=in_turn(SILENT, NO_WEEK, watch_alerts),
        blind="SESSION_CLOSED",
    ),
    Control(
        "Q5",
        begins=have(Bot, stop_points=10),
        asks=keep_stop,
        holds=True,
        passes=as_it_is,
        passed="kept",
        refuses=cancel_legs,
        refused="put back",
        blinds=unanswered("orders"),
        blind="unread",
        # Where the stop cannot be put away, an exit beside it could fill twice: it waits for that.
        waits=True,
    ),
    Control(
        "Q6",
        begins=have(Account, flat_by=time(15, 8)),
        asks=be_flat,
        holds=True,
        passes=as_it_is,
        passed="flat",
        refuses=lambda floor: setattr(floor.broker, "fills_at_once", False),
        refused="not flat",
        blinds=unanswered("positions"),
        blind="not flat",
        leaves="BROKER_UNREACHABLE",
    ),
    Control(
        "Q7",
        begins=on_demo,
        passes=end_the_day,
        refuses=in_turn(round_trip, end_the_day),
        refused="STATEMENT_DIFFERS",
        blinds=in_turn(unanswered("account_fills"), end_the_day),
        blind="STATEMENT_DIFFERS",
    ),
    Control(
        "Q8",
        begins=live,
        passes=arm_again,
        refuses=in_turn(lambda floor: setattr(floor.broker, "wall", OuterWall(None, 3)), arm_again),
        refused="NOT_ARMED",
        blinds=in_turn(unanswered("outer_wall"), arm_again),
        blind="NOT_ARMED",
    ),
]
each_control = pytest.mark.parametrize("control", [pytest.param(one, id=one.number) for one in CONTROLS])


@pytest.fixture
def floor(
    bot: Bot,
    desk: Desk,
    broker: FakeBroker,
    links: FakeLinks,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Floor]:
    with ExitStack() as afterwards:
        yield Floor(bot, desk, broker, links, clock, monkeypatch, afterwards)


def begin(floor: Floor, control: Control, *, holding: bool) -> None:
    control.begins(floor)
    if holding:
        assert floor.tell(BLUE, 0) == "TREND_BLUE"


def assert_nothing_opened(floor: Floor, before: int) -> None:
    after = floor.broker.held()
    assert after in range(min(0, before), max(0, before) + 1)


def test_no_control_is_left_out() -> None:
    numbers = [*(f"P{number}" for number in range(1, 19)), *(f"Q{number}" for number in range(1, 9))]

    assert [control.number for control in CONTROLS] == numbers


@each_control
def test_what_is_in_order_passes(floor: Floor, control: Control) -> None:
    begin(floor, control, holding=control.holds)
    control.passes(floor)

    assert control.asks(floor) == control.passed


@each_control
def test_what_is_against_the_control_is_refused(floor: Floor, control: Control) -> None:
    begin(floor, control, holding=control.holds)
    control.refuses(floor)
    before = floor.broker.held()

    assert control.asks(floor) == control.refused
    assert_nothing_opened(floor, before)


@each_control
def test_what_cannot_be_read_opens_nothing(floor: Floor, control: Control) -> None:
    begin(floor, control, holding=control.holds)
    control.blinds(floor)
    before = floor.broker.held()

    assert control.asks(floor) == control.blind
    assert_nothing_opened(floor, before)


@each_control
def test_exit_goes_unless_what_cannot_be_read_is_what_an_exit_needs(floor: Floor, control: Control) -> None:
    begin(floor, control, holding=True)
    control.blinds(floor)

    assert an_exit(floor) == control.leaves
    assert floor.broker.held() == (0 if control.leaves == "DI_DOWN" and not control.waits else 1)
