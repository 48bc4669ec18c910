from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from strategy.gate import CLOSING, OPENING
from strategy.types import Direction
from tests.builders import (
    confirm_calendars,
    make_account,
    make_bot,
    make_incident,
    make_strategy,
    make_token,
    set_held,
)
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks, make_desk
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    IN_LONG,
    IN_SHORT,
    NOTHING_YET,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    said,
    sent,
    set_mode,
    state_of,
    target_of,
)
from tradedesk import wiring
from tradedesk.models import (
    Account,
    Alert,
    Bot,
    Decision,
    Environment,
    Incident,
    IncidentKind,
    Instrument,
    Strategy,
    TradingMode,
    TradingState,
)
from tradedesk.services.desk import Desk
from tradedesk.stores.positions import stored

# --- refused openings stand down ---


def test_refused_opening_stands_down_until_the_next_colour_change(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    clock.advance(61)

    assert said(tell(BLUE, 0)) == ("NONE", "TOO_OLD")
    assert state_of(bot) == DOWN_BLUE
    assert said(tell(UP, 15)) == ("NONE", "NOT_WAITING")
    assert said(tell(BLUE, 20)) == ("NONE", "SAME_COLOR")
    assert said(tell(DOWN, 30)) == ("NONE", "ALREADY_OUT")
    assert said(tell(UP, 45)) == ("NONE", "NOT_WAITING")
    assert said(tell(RED, 50)) == ("ENTER_SHORT", "TREND_RED")
    assert sent(broker) == [("SELL", 1, "MESZ6")]


def test_refused_opening_keeps_its_figures(tell: Teller, clock: FakeClock) -> None:
    clock.advance(61)

    tell(BLUE, 0)

    detail = Decision.objects.get().detail
    assert detail["figures"] == "61.0 s old, at most 60 s"
    assert ["TOO_OLD", "P7", False, "61.0 s old, at most 60 s"] in detail["rules"]
    assert [row[0] for row in detail["rules"] if not row[2]] == ["TOO_OLD"]


def test_order_that_passed_keeps_every_rule_with_its_figures(tell: Teller) -> None:
    tell(BLUE)

    rules = Decision.objects.get().detail["rules"]
    assert [row[:2] for row in rules] == [[rule.code, rule.number] for rule in OPENING]
    assert all(passed for _, _, passed, _ in rules)
    assert rules[0] == ["HALTED", "P1", True, "trading state ACTIVE"]


def test_decision_that_asks_for_no_order_has_no_rules(tell: Teller) -> None:
    tell(DOWN)

    assert Decision.objects.get().detail == {}


def test_refused_reversal_keeps_the_rules_of_both_halves(tell: Teller, clock: FakeClock) -> None:
    tell(RED)
    clock.advance(20 * 60 + 61)

    assert said(tell(BLUE, 20)) == ("EXIT", "TOO_OLD")
    detail = Decision.objects.latest("id").detail
    assert detail["figures"] == "61.0 s old, at most 60 s"
    assert [row[0] for row in detail["rules"] if not row[2]] == ["TOO_OLD"]
    assert detail["closing_rules"] == [
        ["HALTED", "P1", True, "trading state ACTIVE"],
        ["BROKER_UNREACHABLE", "P5", True, "broker holds -1"],
        ["ORDER_UNCONFIRMED", "P10", True, "unfinished closing False"],
        ["NOT_TOWARD_FLAT", "P6", True, "order +1, broker holds -1"],
    ]


def test_exit_keeps_the_rules_for_closings(tell: Teller) -> None:
    tell(BLUE)

    tell(DOWN, 15)

    detail = Decision.objects.latest("id").detail
    assert [row[0] for row in detail["rules"]] == [rule.code for rule in CLOSING]
    assert detail.keys() == {"rules"}


def test_alert_of_exactly_the_greatest_age_opens(tell: Teller, clock: FakeClock) -> None:
    clock.advance(60)

    assert said(tell(BLUE, 0)) == ("ENTER_LONG", "TREND_BLUE")


def test_age_rule_that_is_off_lets_old_alerts_open(
    tell: Teller, clock: FakeClock, links: FakeLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ageless = make_desk(clock, links, max_alert_age_s=0)
    monkeypatch.setattr(wiring, "desk", lambda: ageless)
    clock.advance(3 * 3600)

    assert said(tell(BLUE, 0)) == ("ENTER_LONG", "TREND_BLUE")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda: set_mode(TradingMode.HALTED), "HALTED"),
        (lambda: set_mode(TradingMode.HALTED, "account:paper"), "HALTED"),
        (lambda: set_mode(TradingMode.HALTED, "bot:mes-paper"), "HALTED"),
        (lambda: set_mode(TradingMode.REDUCING), "REDUCING"),
        (lambda: TradingState.objects.filter(scope="all").delete(), "HALTED"),
        (lambda: TradingState.objects.filter(scope="bot:mes-paper").delete(), "HALTED"),
        (lambda: Bot.objects.update(enabled=False), "BOT_DISABLED"),
        (lambda: Account.objects.update(reconciled_at=None), "RECONCILING"),
        (lambda: Instrument.objects.update(pinned_contract="MESX9"), "CONTRACT_UNKNOWN"),
        (lambda: Bot.objects.update(size=3, max_position=2), "MAX_POSITION"),
    ],
)
def test_entry_refused_by_the_gate_sends_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker, spoil: Callable[[], None], reason: str
) -> None:
    spoil()

    assert said(tell(BLUE)) == ("NONE", reason)
    assert (sent(broker), state_of(bot)) == ([], DOWN_BLUE)


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        ({"symbol": "MESH2027"}, "CONTRACT_MISMATCH"),
        ({"symbol": "MES1!", "contract": "MESH7"}, "CONTRACT_MISMATCH"),
        ({"symbol": "MESZ2026"}, "TREND_BLUE"),
        ({"symbol": "MESZ6"}, "TREND_BLUE"),
        ({"symbol": "MES1!", "contract": "MESZ2026"}, "TREND_BLUE"),
    ],
)
def test_opening_needs_the_chart_to_show_the_contract_that_is_traded(
    tell: Teller, market: dict[str, Any], reason: str
) -> None:
    assert said(tell(BLUE, 0, **market))[1] == reason


def test_pinned_contract_is_traded_instead_of_the_front_month(tell: Teller, broker: FakeBroker) -> None:
    Instrument.objects.filter(root="MES").update(pinned_contract="MESH7")

    tell(BLUE)

    assert sent(broker) == [("BUY", 1, "MESH7")]


def test_old_month_is_closed_and_not_reversed(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell(RED)
    broker.hold("MESZ6", 0)
    broker.hold("MESU6", -1)
    set_held(bot, -1, contract="MESU6")
    broker.submits.clear()

    answer = tell(BLUE, 20)

    assert said(answer) == ("EXIT", "CONTRACT_ROLLED")
    assert sent(broker) == [("BUY", 1, "MESU6")]


def test_other_instruments_of_the_account_do_not_count(tell: Teller, broker: FakeBroker) -> None:
    broker.hold("MNQZ6", 5)

    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


def test_size_is_traded_and_reversed_within_the_largest_position(tell: Teller, broker: FakeBroker) -> None:
    Bot.objects.update(size=2, max_position=2)

    tell(BLUE)
    tell(RED, 20)

    assert sent(broker) == [("BUY", 2, "MESZ6"), ("SELL", 4, "MESZ6")]
    assert broker.held() == -2


def test_demo_account_opens_nothing_while_the_market_is_closed(tell: Teller, clock: FakeClock) -> None:
    Account.objects.update(environment=Environment.DEMO)
    confirm_calendars()
    saturday = 5 * 24 * 60

    assert said(tell(BLUE, saturday)) == ("NONE", "SESSION_CLOSED")
    assert said(tell(RED, saturday + 2 * 24 * 60)) == ("ENTER_SHORT", "TREND_RED")


def test_paper_account_trades_at_the_weekend(tell: Teller) -> None:
    assert said(tell(BLUE, 5 * 24 * 60)) == ("ENTER_LONG", "TREND_BLUE")


# --- closings ---


def test_refused_closing_leaves_the_position_until_the_next_event(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    set_mode(TradingMode.HALTED)

    assert said(tell(DOWN, 20)) == ("NONE", "HALTED")
    assert (state_of(bot), target_of(bot)) == (("LONG", "BLUE", "YES"), Direction.NONE)
    assert open_incidents() == [("UNHELD_TARGET", "mes-paper")]
    set_mode(TradingMode.ACTIVE)
    assert len(broker.submits) == 1

    assert said(tell(DOWN, 40))[0] == "EXIT"
    assert (state_of(bot), open_incidents()) == (OUT_BLUE, [])


def test_refused_closing_ends_when_the_strategy_wants_the_position_again(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    set_mode(TradingMode.HALTED)
    tell(DOWN, 20)
    set_mode(TradingMode.ACTIVE)

    assert said(tell(UP, 40)) == ("NONE", "DI_UP")
    assert (state_of(bot), open_incidents(), len(broker.submits)) == (IN_LONG, [], 1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: set_mode(TradingMode.REDUCING),
        lambda: Bot.objects.update(enabled=False),
        lambda: Account.objects.update(enabled=False, reconciled_at=None, environment=Environment.DEMO),
        lambda: Instrument.objects.update(tick_size="0.5", pinned_contract="MESX9"),
        lambda: make_incident(Bot.objects.get(), IncidentKind.AMBIGUOUS_EVENTS),
    ],
)
def test_exit_needs_only_trading_state_and_quantity(
    bot: Bot, tell: Teller, spoil: Callable[[], None]
) -> None:
    tell(BLUE)
    spoil()

    assert said(tell(DOWN, 5 * 24 * 60)) == ("EXIT", "DI_DOWN")
    assert state_of(bot) == OUT_BLUE


def test_late_exit_closes_and_late_reentry_does_not_open(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    clock.advance(2 * 3600)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")
    assert said(tell(UP, 30)) == ("NONE", "TOO_OLD")
    assert sent(broker) == [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")]


def test_late_exit_that_newer_events_outweigh_changes_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    tell(RED, 40)

    assert said(tell(UP, 15)) == ("NONE", "LATE_NO_EFFECT")
    assert (state_of(bot), len(broker.submits)) == (IN_SHORT, 2)


# --- what came before, between and after ---


def test_two_opposite_events_at_one_time_stop_openings_until_a_person_looked(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)

    answer = tell(RED, 0)

    assert said(answer) == ("EXIT", "AMBIGUOUS")
    assert sent(broker) == [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")]
    incident = Incident.objects.get(closed_at=None)
    assert (incident.kind, incident.subject) == (
        "AMBIGUOUS_EVENTS",
        "mes-paper TREND 2026-11-23T15:00:00+00:00",
    )
    assert said(tell(BLUE, 20)) == ("NONE", "AMBIGUOUS")
    Incident.objects.update(closed_at=START)
    assert said(tell(RED, 40)) == ("ENTER_SHORT", "TREND_RED")
    assert open_incidents() == []


def test_opposite_crossings_at_one_time_are_ordered_by_firing_time(bot: Bot, tell: Teller) -> None:
    tell(BLUE)
    tell(UP, 15, timenow="2026-11-23T15:15:02Z")
    tell(DOWN, 15, timenow="2026-11-23T15:15:01Z")

    # DOWN fired first: out, and in again with UP.
    assert target_of(bot) is Direction.LONG
    assert [kind for kind, _ in open_incidents()] == ["AMBIGUOUS_EVENTS"]


@pytest.fixture
def ageless(clock: FakeClock, links: FakeLinks, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off the age rule: how old an event is then matters to no order."""
    fake = make_desk(clock, links, max_alert_age_s=0)
    monkeypatch.setattr(wiring, "desk", lambda: fake)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([(BLUE, 0), (DOWN, 15), (RED, 30), (UP, 30)], IN_SHORT),
        ([(BLUE, 0), (RED, 10), (BLUE, 20), (DOWN, 30)], OUT_BLUE),
        ([(RED, 0), (UP, 15), (DOWN, 30), (BLUE, 30)], IN_LONG),
    ],
)
def test_events_in_any_order_end_in_one_state(
    ageless: None,
    clock: FakeClock,
    broker: FakeBroker,
    links: FakeLinks,
    events: list[tuple[str, float]],
    state: tuple[str, str, str],
) -> None:
    for number, order in enumerate(permutations(events)):
        bot = make_bot(
            f"bot-{number}", strategy=make_strategy(f"s-{number}"), account=make_account(f"a-{number}")
        )
        make_token(bot.strategy, f"token-{number}")
        tell = Teller(clock, f"token-{number}")
        for event, minute in order:
            tell(event, minute)

        assert state_of(bot) == state, order
        assert broker.held(account_id=number + 1) == {"LONG": 1, "NONE": 0, "SHORT": -1}[state[0]]


@pytest.mark.parametrize(("hours", "reason"), [(24, "LATE_NO_EFFECT"), (24.01, "EVENT_WINDOW")])
def test_event_older_than_the_window_is_stored_and_ignored(
    bot: Bot, tell: Teller, hours: float, reason: str
) -> None:
    tell(BLUE, 60 * hours)

    answer = tell(RED, 0)

    assert said(answer) == ("NONE", reason)
    assert state_of(bot) == IN_LONG
    assert Alert.objects.count() == 2


def test_window_is_measured_between_events_and_not_by_the_clock(
    tell: Teller, clock: FakeClock, bot: Bot
) -> None:
    tell(BLUE)
    clock.advance(5 * 24 * 3600)

    assert said(tell(DOWN, 15)) == ("EXIT", "DI_DOWN")


@pytest.mark.parametrize(
    ("event", "market", "reason"),
    [
        (BLUE, {"exchange": "CME_MINI_DL"}, "DELAYED_DATA"),
        (BLUE, {"exchange": "CME_MINI_DLY"}, "DELAYED_DATA"),
        (BLUE, {"timeframe": "15"}, "WRONG_TIMEFRAME"),
        (DOWN, {"timeframe": "10"}, "WRONG_TIMEFRAME"),
        (BLUE, {"symbol": "ES1!"}, "UNKNOWN_SYMBOL"),
        (BLUE, {"symbol": "MESX"}, "UNKNOWN_SYMBOL"),
        (BLUE, {"timestamp": "2026-11-23T15:02:01Z"}, "FUTURE_BAR"),
    ],
)
def test_alert_that_says_nothing_about_the_chart_is_never_folded(
    bot: Bot, tell: Teller, broker: FakeBroker, event: str, market: dict[str, Any], reason: str
) -> None:
    version = stored(bot.id).version

    assert said(tell(event, 0, **market)) == ("NONE", reason)
    assert (state_of(bot), stored(bot.id).version, sent(broker)) == (NOTHING_YET, version, [])


def test_intrabar_alert_counts_from_its_firing_time(bot: Bot, tell: Teller) -> None:
    tell(BLUE, 0, timestamp="2026-11-23T14:55:00Z")

    assert Alert.objects.get().effective_at == START
    assert state_of(bot) == IN_LONG


def test_strategy_that_takes_closed_bars_only_refuses_intrabar_alerts(tell: Teller) -> None:
    Strategy.objects.update(bar_close_only=True)

    assert said(tell(BLUE, 0, timestamp="2026-11-23T14:55:00Z")) == ("NONE", "INTRABAR")
    assert said(tell(BLUE, 20)) == ("ENTER_LONG", "TREND_BLUE")


def test_refusal_keeps_the_trading_state_as_it_was_and_not_as_it_is_assumed(
    tell: Teller, clock: FakeClock
) -> None:
    set_mode(TradingMode.REDUCING)
    clock.advance(61)

    assert said(tell(BLUE, 0)) == ("NONE", "REDUCING")
    rules = Decision.objects.get().detail["rules"]
    assert [row[0] for row in rules if not row[2]] == ["REDUCING", "TOO_OLD"]
