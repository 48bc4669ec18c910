from dataclasses import replace
from datetime import date, time

import pytest
from django.test import Client

from broker.base import BrokerNotReached, BrokerOutcomeUnknown, BrokerRefused
from tests.builders import make_account, make_bot
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.rolling import DUE, ROLLED, rolled
from tests.strategy.builders import chicago
from tests.telling import (
    BLUE,
    DOWN_BLUE,
    IN_LONG,
    RED,
    open_incidents,
    said,
    sent,
    set_mode,
    state_of,
    target_of,
)
from tradedesk import tasks
from tradedesk.models import AuditEntry, Bot, Holiday, Incident, Instrument, Notice, SessionRule, TradingMode
from tradedesk.services.contracts.rolling import CannotRoll
from tradedesk.services.contracts.rolls import watch_rolls
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.stores.positions import stored


def move(clock: FakeClock, local: str) -> None:
    clock.advance((chicago(local) - clock.now()).total_seconds())


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-12-15 16:59", ("ENTER_LONG", "TREND_BLUE")),
        ("2026-12-15 17:00", ("NONE", "ROLL_CUTOFF")),
        ("2026-12-22 10:00", ("NONE", "ROLL_CUTOFF")),
    ],
)
def test_opening_ends_two_days_before_expiry(
    bot: Bot, tell: Teller, clock: FakeClock, local: str, expected: tuple[str, str]
) -> None:
    Instrument.objects.update(opening_days=2, flat_days=1)
    move(clock, local)

    answer = tell(BLUE, (clock.now() - chicago("2026-11-23 09:00")).total_seconds() / 60)

    assert said(answer) == expected


@pytest.mark.parametrize(
    ("closes_at", "expected"),
    [(None, ("NONE", "ROLL_CUTOFF")), (time(12), ("ENTER_LONG", "TREND_BLUE"))],
)
def test_day_without_a_session_ends_openings_one_day_earlier(
    bot: Bot, tell: Teller, clock: FakeClock, closes_at: time | None, expected: tuple[str, str]
) -> None:
    Instrument.objects.update(opening_days=2, flat_days=1)
    rule = SessionRule.objects.get(name="CME equity index")
    Holiday.objects.create(rule=rule, date=date(2026, 12, 17), name="Mourning", closes_at=closes_at)
    move(clock, "2026-12-15 16:59")

    assert said(tell(BLUE, (clock.now() - chicago("2026-11-23 09:00")).total_seconds() / 60)) == expected


def test_first_notice_ends_openings_of_what_is_delivered(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    Instrument.objects.update(settlement="delivery", opening_days=5)
    broker.contracts[10] = replace(broker.contracts[10], first_notice_on=date(2026, 11, 30))

    assert said(tell(BLUE)) == ("NONE", "ROLL_CUTOFF")


def test_delivered_contract_without_a_notice_date_is_not_opened(bot: Bot, tell: Teller) -> None:
    Instrument.objects.update(settlement="delivery")

    assert said(tell(BLUE)) == ("NONE", "ROLL_CUTOFF")


def test_reversal_past_the_cutoff_only_closes(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell(BLUE)
    Instrument.objects.update(settlement="delivery")

    assert said(tell(RED, 10)) == ("EXIT", "ROLL_CUTOFF")

    assert broker.held() == 0


def test_position_in_the_front_month_is_in_order(bot: Bot, tell: Teller, desk: Desk) -> None:
    tell(BLUE)

    assert (watch_rolls(desk), open_incidents()) == (0, [])


def test_month_that_is_not_traded_any_more_is_told_and_kept(due: Incident, broker: FakeBroker) -> None:
    assert open_incidents() == DUE
    assert due.seen == {"MESZ6": "+1, the desk trades MESH7, closed from 2026-12-17"}
    assert (broker.held(), due.blocks) == (1, "")


def test_month_past_its_cutoff_is_told_though_it_is_the_front_one(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    move(clock, "2026-12-16 10:00")

    watch_rolls(desk)

    assert Incident.objects.get().seen == {"MESZ6": "+1, the desk trades MESZ6, closed from 2026-12-17"}


def test_incident_ends_with_the_position(due: Incident, bot: Bot, desk: Desk) -> None:
    flatten(desk, scope=f"bot:{bot.slug}", reason="", by="ada")
    watch_rolls(desk)

    assert open_incidents() == []


def test_account_that_cannot_be_read_keeps_its_incident_and_holds_up_no_other(
    due: Incident, desk: Desk, links: FakeLinks, broker: FakeBroker
) -> None:
    other = make_bot("second", account=make_account("second"))
    broker.hold("MESZ6", 1, account_id=2)
    links.down["paper"] = BrokerNotReached("connection refused")

    watch_rolls(desk)

    assert open_incidents() == [*DUE, ("ROLL_DUE", other.slug)]


def test_position_is_closed_by_rule_from_its_last_date(
    due: Incident, bot: Bot, clock: FakeClock, broker: FakeBroker
) -> None:
    move(clock, "2026-12-16 15:59")
    tasks.watch_rolls()
    assert broker.held() == 1

    # 17:00: the trade date begins.
    move(clock, "2026-12-16 17:01")
    tasks.watch_rolls()

    assert sent(broker) == ROLLED[:2]
    assert (state_of(bot), open_incidents()) == (DOWN_BLUE, [])


def test_closed_market_is_waited_for(due: Incident, clock: FakeClock, broker: FakeBroker, desk: Desk) -> None:
    move(clock, "2026-12-17 16:30")

    assert watch_rolls(desk) == 0

    assert (broker.held(), open_incidents()) == (1, DUE)


def test_unknown_hours_keep_nothing_open(due: Incident, clock: FakeClock, broker: FakeBroker) -> None:
    Instrument.objects.update(session_rule=None)
    move(clock, "2026-12-17 16:30")

    tasks.watch_rolls()

    assert broker.held() == 0


def test_halted_bot_is_told_once_a_day_and_not_closed(
    due: Incident, clock: FakeClock, broker: FakeBroker, desk: Desk
) -> None:
    set_mode(TradingMode.HALTED)
    move(clock, "2026-12-17 10:00")

    assert (watch_rolls(desk), watch_rolls(desk)) == (1, 1)

    assert (broker.held(), open_incidents()) == (1, DUE)
    told = Notice.objects.filter(kind="flat_by").values_list("subject", "text")
    assert list(told) == [
        (
            "NOT FLAT: mes-paper, its contract is about to end",
            "Trading is halted, so the desk closes nothing.",
        )
    ]


def test_roll_closes_the_old_month_and_opens_the_new_one(
    due: Incident, bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    opening = rolled(desk, due)

    assert sent(broker) == ROLLED
    assert (broker.held("MESZ6"), broker.held("MESH7")) == (0, 1)
    assert (state_of(bot), stored(bot.id).contract) == (IN_LONG, "MESH7")
    assert (opening.status, open_incidents()) == ("filled", [])
    entry = AuditEntry.objects.get(action="roll")
    assert (entry.by, entry.subject, entry.reason) == ("ada", "bot mes-paper", "It is time.")


def test_roll_is_done_once(due: Incident, desk: Desk, broker: FakeBroker) -> None:
    rolled(desk, due)

    assert rolled(desk, due).status == "filled"

    assert sent(broker) == ROLLED


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCING])
def test_roll_closes_nothing_while_the_opening_would_be_refused(
    due: Incident, bot: Bot, desk: Desk, broker: FakeBroker, mode: TradingMode
) -> None:
    set_mode(mode)

    with pytest.raises(CannotRoll, match="Nothing was closed"):
        rolled(desk, due)

    assert (broker.held(), state_of(bot), open_incidents()) == (1, IN_LONG, DUE)


def test_roll_into_the_month_that_is_held_is_refused(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    move(clock, "2026-12-16 10:00")
    watch_rolls(desk)

    with pytest.raises(CannotRoll, match="no other month"):
        rolled(desk, Incident.objects.get())

    assert broker.held() == 1


def test_roll_of_a_position_that_the_strategy_left_is_refused(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, broker: FakeBroker
) -> None:
    set_mode(TradingMode.HALTED)
    tell(RED, 10)
    set_mode(TradingMode.ACTIVE)

    with pytest.raises(CannotRoll, match="strategy has left"):
        rolled(desk, due)

    assert broker.held() == 1


def test_closing_that_is_rejected_leaves_all_as_it_was_and_may_be_tried_again(
    due: Incident, bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    broker.fail("submit", BrokerRefused("SessionClosed"))

    with pytest.raises(CannotRoll, match="Nothing was opened: the closing order is rejected"):
        rolled(desk, due)
    assert (broker.held(), state_of(bot), open_incidents()) == (1, IN_LONG, DUE)

    assert rolled(desk, due).status == "filled"
    assert broker.held("MESH7") == 1


def test_closing_without_an_end_opens_nothing(
    due: Incident, bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    broker.fills_at_once = False

    with pytest.raises(CannotRoll, match="Nothing was opened: the closing order is working"):
        rolled(desk, due)

    assert sent(broker) == ROLLED[:2]


def test_closing_is_waited_for(due: Incident, desk: Desk, clock: FakeClock, broker: FakeBroker) -> None:
    broker.fills_at_once = False
    began = clock.now()

    def fill() -> None:
        waited = (clock.now() - began).total_seconds()
        for order in list(broker.orders.values()):
            if waited > 2 and order.status == "working":
                broker.fill(order.id)

    clock.during_sleep = fill

    rolled(desk, due)

    assert sent(broker) == ROLLED


def test_lost_answer_to_the_closing_is_looked_up_and_the_roll_goes_on(
    due: Incident, desk: Desk, broker: FakeBroker
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("time-out"))

    assert rolled(desk, due).status == "filled"

    assert sent(broker) == ROLLED
    assert open_incidents() == []


def test_opening_that_is_rejected_leaves_the_bot_flat_until_the_next_colour(
    due: Incident, bot: Bot, tell: Teller, desk: Desk, broker: FakeBroker
) -> None:
    broker.before_submit = lambda order: (
        broker.reject("LiquidationOnly") if order.contract == "MESH7" else None
    )

    with pytest.raises(CannotRoll, match="The old month is closed; the opening is rejected"):
        rolled(desk, due)

    assert (broker.held("MESZ6"), broker.held("MESH7"), state_of(bot)) == (0, 0, DOWN_BLUE)
    assert target_of(bot) == "NONE"
    broker.before_submit = None
    assert said(tell(RED, 10)) == ("ENTER_SHORT", "TREND_RED")


def test_switch_between_the_two_orders_leaves_the_bot_flat(
    due: Incident, bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    broker.before_submit = lambda _: set_mode(TradingMode.HALTED)

    with pytest.raises(CannotRoll, match="the opening is denied"):
        rolled(desk, due)

    assert (broker.held("MESZ6"), broker.held("MESH7"), state_of(bot)) == (0, 0, DOWN_BLUE)


def test_person_rolls_in_the_panel(due: Incident, panel: Client, broker: FakeBroker) -> None:
    page = panel.get(f"/admin/tradedesk/incident/{due.pk}/change/").content.decode()
    assert f"/admin/tradedesk/incident/{due.pk}/roll/" in page

    answer = panel.post(f"/admin/tradedesk/incident/{due.pk}/roll/", {"reason": "Roll."}, follow=True)

    assert "The old month is closed; the opening in MESH7 is filled." in answer.content.decode()
    assert sent(broker) == ROLLED


@pytest.mark.parametrize(("reason", "words"), [("", "write down the reason"), ("Roll.", "Trading is halted")])
def test_panel_says_why_nothing_was_rolled(
    due: Incident, panel: Client, broker: FakeBroker, reason: str, words: str
) -> None:
    set_mode(TradingMode.HALTED)

    answer = panel.post(f"/admin/tradedesk/incident/{due.pk}/roll/", {"reason": reason}, follow=True)

    assert words in answer.content.decode()
    assert broker.held() == 1


def test_roll_needs_the_right_to_resolve(due: Incident, viewer: Client, broker: FakeBroker) -> None:
    answer = viewer.post(f"/admin/tradedesk/incident/{due.pk}/roll/", {"reason": "Roll."})

    assert (answer.status_code, broker.held()) == (403, 1)


@pytest.fixture
def stopped(bot: Bot) -> None:
    """Give the bot a stop before it enters."""
    Bot.objects.update(stop_points=10)


def test_roll_takes_the_stop_off_the_old_month_and_reconciliation_puts_one_on_the_new(
    stopped: None, due: Incident, bot: Bot, desk: Desk, broker: FakeBroker
) -> None:
    rolled(desk, due)
    after_the_roll = waiting_stops(broker)

    reconcile(desk, [bot.account])

    assert (after_the_roll, waiting_stops(broker)) == ([], [("SELL", 1, "MESH7")])
    assert stored(bot.id).contract == "MESH7"


def waiting_stops(broker: FakeBroker) -> list[tuple[str, int, str]]:
    waiting = [order.message for order in broker.orders.values() if order.status == "working"]
    return [(message.side.value, message.quantity, message.contract) for message in waiting]
