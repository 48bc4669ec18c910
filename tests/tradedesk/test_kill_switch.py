import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction

from broker.base import BrokerNotReached, BrokerOutcomeUnknown
from strategy.types import Direction
from tests.builders import make_account, make_bot, make_incident, make_order, set_held
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.posting import Answer, Teller
from tests.telling import BLUE, DOWN, RED, UP
from tests.threads import Other, someone_waits_for_a_lock
from tests.waiting import until
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    Cause,
    Environment,
    Incident,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderStatus,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.kill_switch import (
    LiveLocked,
    NotClean,
    NotCompared,
    Switch,
    engage,
    release,
    status,
)
from tradedesk.services.halting.scopes import UnknownScope
from tradedesk.services.halting.trading_state import set_mode
from tradedesk.services.order_path import orders
from tradedesk.services.people.second_factor import VerifiedCode
from tradedesk.services.reconciling import reconciliation
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import CannotAdopt, resolve
from tradedesk.stores.positions import seat, stored

HALTED, REDUCING, ACTIVE = TradingMode.HALTED, TradingMode.REDUCING, TradingMode.ACTIVE


def halt(desk: Desk, scope: str = "all", mode: TradingMode = HALTED) -> Switch:
    return engage(desk, scope=scope, mode=mode, reason="test", by="ada")


def free(desk: Desk, scope: str = "all") -> Switch:
    return release(desk, scope=scope, reason="looked", by="ada")


def reason(answer: Answer) -> str:
    return str(answer.decision["reason"])


def target_of(bot: Bot) -> Direction:
    return stored(bot.id).state.position


# --- engaging ---


def test_engaging_answers_with_how_the_switch_stands(desk: Desk, bot: Bot) -> None:
    switch = engage(desk, scope="bot:mes-paper", mode=REDUCING, reason="news", by="ada")

    assert switch == Switch(True, "bot:mes-paper", REDUCING, START, "ada", "news", 0)
    assert status("bot:mes-paper") == switch
    assert status("all") == Switch(False, "all", ACTIVE, None, "", "", 0)


def test_engaging_leaves_a_history_and_an_audit_entry(desk: Desk, bot: Bot) -> None:
    engage(desk, scope="all", mode=HALTED, reason="news", by="ada", source_address="10.0.0.1")

    change, entry = TradingStateChange.objects.get(), AuditEntry.objects.get()
    assert (change.scope, change.old_mode, change.new_mode, change.by) == ("all", "ACTIVE", "HALTED", "ada")
    assert (entry.action, entry.subject, entry.detail) == ("kill switch on", "all", {"mode": "HALTED"})
    assert (entry.reason, entry.source_address, entry.created_at) == ("news", "10.0.0.1", START)


@pytest.mark.parametrize("scope", ["all", "account:paper", "bot:mes-paper"])
def test_halt_of_any_scope_around_the_bot_lets_nothing_out(
    desk: Desk, tell: Teller, broker: FakeBroker, scope: str
) -> None:
    halt(desk, scope)

    assert reason(tell(BLUE)) == "HALTED"
    assert broker.submits == []


@pytest.mark.parametrize("scope", ["account:second", "bot:second"])
def test_halt_of_another_scope_does_not_concern_the_bot(
    desk: Desk, tell: Teller, bot: Bot, scope: str
) -> None:
    make_bot("second", account=make_account("second"))
    halt(desk, scope)

    answer = tell(BLUE)

    assert [d["reason"] for d in answer.body["decisions"]] == ["TREND_BLUE", "HALTED"]


def test_strictest_of_the_scopes_counts(desk: Desk, tell: Teller) -> None:
    halt(desk, "all", REDUCING)
    halt(desk, "bot:mes-paper", HALTED)

    assert reason(tell(BLUE)) == "HALTED"


@pytest.mark.parametrize("scope", ["", "bot:nobody", "account:", "ALL", "all "])
def test_unknown_scope_is_refused(desk: Desk, bot: Bot, scope: str) -> None:
    with pytest.raises(UnknownScope):
        halt(desk, scope)
    with pytest.raises(UnknownScope):
        free(desk, scope)


def test_signals_are_folded_while_halted(desk: Desk, tell: Teller, bot: Bot) -> None:
    halt(desk)
    tell(BLUE)
    tell(DOWN, 15)

    assert stored(bot.id).public() == {
        "current_position": "NONE",
        "trend_color": "BLUE",
        "waiting_for_reentry": "NO",
        "last_updated": "2026-11-23T15:15:00Z",
    }


def test_order_still_without_an_outcome_is_reported(desk: Desk, bot: Bot, clock: FakeClock) -> None:
    make_order(bot, status=OrderStatus.SENT)

    switch = halt(desk)

    assert switch.in_flight == 1
    assert timedelta(seconds=2.25) < clock.now() - START < timedelta(seconds=2.6)


@pytest.mark.parametrize("state", ["filled", "unconfirmed", "working", "pending"])
def test_order_whose_sending_is_over_is_not_waited_for(
    desk: Desk, bot: Bot, clock: FakeClock, state: OrderStatus
) -> None:
    make_order(bot, status=state)

    assert (halt(desk).in_flight, clock.now()) == (0, START)


def test_order_of_another_scope_is_not_waited_for(desk: Desk, bot: Bot, clock: FakeClock) -> None:
    make_order(make_bot("second", account=make_account("second")), status=OrderStatus.SENT)

    assert (halt(desk, "account:paper").in_flight, clock.now()) == (0, START)


def test_throttled_order_does_not_leave_after_a_halt(
    desk: Desk, tell: Teller, broker: FakeBroker, clock: FakeClock, bot: Bot
) -> None:
    make_order(bot, status=OrderStatus.PENDING, sent_at=None)
    halt(desk)
    clock.advance(6)

    recover(desk)

    assert (broker.submits, Order.objects.get().status) == ([], "denied")


# --- the switch and a claim to send are ordered ---


@pytest.mark.django_db(transaction=True)
def test_switch_waits_for_the_send_in_flight_and_nothing_leaves_after_it(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    is_waiting, is_sent = threading.Event(), threading.Event()
    clock = FakeClock()

    def wait_for_the_sender() -> None:
        is_waiting.set()
        assert is_sent.wait(10)

    clock.during_sleep = wait_for_the_sender
    switching = replace(desk, now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
    others: list[Other] = []

    def engage_meanwhile(_: object) -> None:
        broker.before_submit = None
        others.append(Other(lambda: halt(switching)))
        assert is_waiting.wait(10)
        # The switch is on, and its caller is still kept: an order is on its way.
        assert TradingState.objects.get(scope="all").mode == HALTED
        assert others[0].is_running

    broker.before_submit = engage_meanwhile

    first = tell(BLUE)
    is_sent.set()
    switch = others[0].join()

    assert (first.decision["order"]["status"], switch.in_flight, switch.mode) == ("filled", 0, HALTED)
    assert reason(tell(RED, 20)) == "HALTED"
    assert len(broker.submits) == 1


@pytest.mark.django_db(transaction=True)
def test_claim_waits_for_a_switch_that_came_first_and_then_sends_nothing(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    with transaction.atomic():
        set_mode("all", HALTED, Cause.PERSON, "news", "ada", START)
        claim = Other(lambda: tell(BLUE))
        until(someone_waits_for_a_lock, 10, "the claim waits for the switch")
        assert (claim.is_running, broker.submits) == (True, [])
    answer = claim.join()

    assert reason(answer) == "HALTED"
    assert (broker.submits, Order.objects.count(), target_of(bot)) == ([], 0, Direction.NONE)


@pytest.mark.django_db(transaction=True)
def test_switch_that_is_taken_back_lets_the_waiting_claim_go(
    desk: Desk, tell: Teller, broker: FakeBroker
) -> None:
    with transaction.atomic():
        set_mode("all", HALTED, Cause.PERSON, "news", "ada", START)
        claim = Other(lambda: tell(BLUE))
        until(someone_waits_for_a_lock, 10, "the claim waits for the switch")
        transaction.set_rollback(True)

    assert reason(claim.join()) == "TREND_BLUE"
    assert len(broker.submits) == 1


@pytest.mark.parametrize(("slept_s", "sends", "status"), [(0.25, 1, "filled"), (0.26, 0, "pending")])
def test_claim_that_slept_too_long_before_its_turn_sends_nothing(
    desk: Desk, bot: Bot, broker: FakeBroker, links: FakeLinks, slept_s: float, sends: int, status: str
) -> None:
    order = make_order(bot, status=OrderStatus.SENT)
    claimed = desk.monotonic() - slept_s

    outcome = orders.send(desk, links(bot.account, timeout_s=1), order, None, claimed, desk.deadline(2))

    assert (len(broker.submits), outcome.status) == (sends, status)


# --- releasing ---


def test_release_reconciles_and_sends_nothing(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    halt(desk)
    tell(BLUE)
    clock.advance(5)

    switch = free(desk)

    assert (switch.engaged, switch.mode, switch.by, switch.reason) == (False, ACTIVE, "ada", "looked")
    assert Account.objects.get().reconciled_at == clock.now()
    assert broker.submits == []
    assert reason(tell(RED, 20)) == "TREND_RED"


def test_release_with_a_difference_is_not_clean(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    halt(desk)
    broker.hold("MESZ6", 2)

    with pytest.raises(NotClean) as caught:
        free(desk)

    assert caught.value.differences == [
        {
            "kind": "POSITION_MISMATCH",
            "bot": "mes-paper",
            "subject": "mes-paper",
            "broker": 2,
            "booked": 0,
            "contract": "MESZ6",
        }
    ]
    assert status().mode is HALTED


def test_release_with_an_incident_that_blocks_is_not_clean(desk: Desk, bot: Bot) -> None:
    halt(desk)
    incident = make_incident(bot, IncidentKind.ORDER_UNCONFIRMED, subject="td-1")

    with pytest.raises(NotClean) as caught:
        free(desk)

    assert (caught.value.differences, caught.value.incidents) == ([], [incident])
    assert status().mode is HALTED


def test_release_of_one_account_does_not_look_at_another(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    make_incident(make_bot("second", account=make_account("second")))
    halt(desk, "account:paper")

    assert free(desk, "account:paper").engaged is False


def test_position_that_the_strategy_left_does_not_keep_the_switch_on(
    desk: Desk, tell: Teller, bot: Bot, broker: FakeBroker
) -> None:
    tell(BLUE)
    halt(desk)
    tell(DOWN, 15)

    assert free(desk).engaged is False
    assert list(Incident.objects.filter(closed_at=None).values_list("kind", flat=True)) == ["UNHELD_TARGET"]
    assert (broker.held(), len(broker.submits)) == (1, 1)


def test_release_that_finds_no_broker_leaves_the_switch_on(desk: Desk, bot: Bot, links: FakeLinks) -> None:
    halt(desk)
    make_account("second")
    links.down |= {"paper": BrokerNotReached("no route"), "second": BrokerNotReached("time-out")}

    with pytest.raises(NotCompared, match=r"^paper: no route; second: time-out$"):
        free(desk)

    assert status().mode is HALTED


def test_release_that_meets_a_busy_bot_leaves_the_switch_on_and_names_its_account(
    desk: Desk, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt(desk)
    monkeypatch.setattr(reconciliation, "SEAT_WAIT_S", 0.0)

    with seat(bot.id, wait_s=0, sleep=desk.sleep), pytest.raises(NotCompared, match=r"^paper: busy$"):
        free(desk)

    assert status().mode is HALTED


def make_live(bot: Bot) -> str:
    """Make the bot's account a live one, and return its scope."""
    bot.account.environment = Environment.LIVE
    bot.account.save()
    return f"account:{bot.account.name}"


def test_live_account_begins_halted_and_is_not_released(desk: Desk, bot: Bot) -> None:
    scope = make_live(bot)

    with pytest.raises(LiveLocked):
        free(desk, scope)

    assert status(scope).mode is HALTED


@pytest.mark.parametrize("age", [timedelta(seconds=61), timedelta(seconds=-1)])
def test_stale_code_releases_no_live_account(desk: Desk, bot: Bot, age: timedelta) -> None:
    scope = make_live(bot)

    with pytest.raises(LiveLocked):
        release(desk, scope=scope, reason="go", by="ada", code=VerifiedCode("ada", desk.now() - age))

    assert status(scope).mode is HALTED


def test_code_releases_a_live_account_after_a_comparison(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    scope, code = make_live(bot), VerifiedCode("ada", desk.now())
    broker.hold("MESZ6", 1)
    with pytest.raises(NotClean):
        release(desk, scope=scope, reason="go", by="ada", code=code)
    broker.hold("MESZ6", 0)

    release(desk, scope=scope, reason="go", by="ada", code=code)

    assert status(scope).mode is TradingMode.ACTIVE
    assert AuditEntry.objects.filter(action="kill switch off").get().detail == {"code_of": "ada"}


def test_exits_of_a_live_account_are_let_through_without_a_code(desk: Desk, bot: Bot) -> None:
    scope = make_live(bot)

    engage(desk, scope=scope, mode=TradingMode.REDUCING, reason="", by="ada")

    assert status(scope).mode is TradingMode.REDUCING


def test_release_of_all_that_lets_a_live_account_out_takes_a_code(desk: Desk, bot: Bot) -> None:
    scope, code = make_live(bot), VerifiedCode("ada", desk.now())
    release(desk, scope=scope, reason="go", by="ada", code=code)
    halt(desk)

    with pytest.raises(LiveLocked):
        free(desk)
    assert status().mode is HALTED
    release(desk, scope="all", reason="go", by="ada", code=code)

    assert (status().mode, status(scope).mode) == (TradingMode.ACTIVE, TradingMode.ACTIVE)


def test_release_of_all_leaves_a_live_account_halted(desk: Desk, bot: Bot) -> None:
    scope = make_live(bot)
    halt(desk)

    free(desk)

    assert (status().mode, status(scope).mode) == (TradingMode.ACTIVE, HALTED)


def test_release_of_a_narrow_scope_does_not_release_the_wide_one(desk: Desk, tell: Teller) -> None:
    halt(desk)
    halt(desk, "bot:mes-paper")
    free(desk, "bot:mes-paper")

    assert reason(tell(BLUE)) == "HALTED"


@pytest.mark.parametrize("scope", ["all", "account:paper", "bot:mes-paper"])
def test_missing_state_counts_as_halted_and_saving_its_owner_does_not_release_it(
    desk: Desk, tell: Teller, bot: Bot, broker: FakeBroker, scope: str
) -> None:
    TradingState.objects.filter(scope=scope).delete()

    bot.account.save()
    bot.save()

    assert reason(tell(BLUE)) == "HALTED"
    assert broker.submits == []
    if scope != "all":
        assert status(scope).mode is HALTED
        free(desk, scope)
        assert reason(tell(RED, 20)) == "TREND_RED"


@pytest.mark.parametrize("mode", [HALTED, REDUCING])
def test_restart_and_deploy_release_nothing(
    desk: Desk, bot: Bot, tell: Teller, clock: FakeClock, mode: TradingMode
) -> None:
    halt(desk, "all", mode)
    halt(desk, "bot:mes-paper", mode)

    call_command("migrate", verbosity=0)
    for _ in range(3):
        recover(desk)
        reconcile(desk, Account.objects.all())
        clock.advance(30)

    assert (status().mode, status("bot:mes-paper").mode) == (mode, mode)
    assert reason(tell(BLUE, 5)) == mode.value


# --- flatten ---


def test_flatten_passes_a_halt_and_stands_the_bot_down(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    tell(BLUE)
    halt(desk)

    result = flatten(desk, scope="all", reason="done", by="ada")

    assert result.flat is True
    assert [(o.purpose, o.side, o.quantity, o.status) for o in result.orders] == [
        ("flatten", "SELL", 1, "filled")
    ]
    assert (broker.held(), stored(bot.id).quantity, target_of(bot)) == (0, 0, Direction.NONE)
    free(desk)
    assert reason(tell(UP, 20)) == "NOT_WAITING"
    assert reason(tell(BLUE, 30)) == "SAME_COLOR"
    assert reason(tell(RED, 40)) == "TREND_RED"


def test_flatten_closes_what_the_broker_holds_and_not_what_is_booked(
    desk: Desk, broker: FakeBroker, bot: Bot
) -> None:
    set_held(bot, 1)
    broker.hold("MESZ6", -3)
    broker.hold("MNQZ6", 2)

    result = flatten(desk, scope="all", reason="done", by="ada")

    assert result.flat is True
    assert {(o.contract, o.side, o.quantity) for o in result.orders} == {
        ("MESZ6", "BUY", 3),
        ("MNQZ6", "SELL", 2),
    }
    assert (broker.held("MESZ6"), broker.held("MNQZ6"), stored(bot.id).quantity) == (0, 0, 0)


def test_flatten_of_a_bot_leaves_other_instruments_alone(desk: Desk, broker: FakeBroker, bot: Bot) -> None:
    broker.hold("MESZ6", 1)
    broker.hold("MNQZ6", 2)

    assert flatten(desk, scope="bot:mes-paper", reason="done", by="ada").flat is True
    assert (broker.held("MESZ6"), broker.held("MNQZ6")) == (0, 2)


def test_flatten_cancels_what_works(desk: Desk, broker: FakeBroker, bot: Bot) -> None:
    order_id = broker.place_foreign_order()

    assert flatten(desk, scope="all", reason="done", by="ada").flat is True
    assert broker.orders[order_id].status == "cancelled"


def test_flatten_that_cannot_read_the_broker_never_says_flat(
    desk: Desk, links: FakeLinks, bot: Bot, clock: FakeClock
) -> None:
    links.down["paper"] = BrokerNotReached("no route")

    result = flatten(desk, scope="all", reason="done", by="ada")

    assert (result.flat, result.orders) == (False, [])
    assert result.positions == [{"account": "paper", "error": "no route"}]
    assert clock.now() - START == timedelta(seconds=10)


def test_flatten_with_an_unknown_outcome_does_not_send_another(
    desk: Desk, broker: FakeBroker, bot: Bot
) -> None:
    broker.hold("MESZ6", 2)
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))

    result = flatten(desk, scope="all", reason="done", by="ada")

    assert result.flat is False
    assert len(broker.submits) == 1
    assert (Order.objects.get().status, Order.objects.get().purpose) == ("unconfirmed", OrderPurpose.FLATTEN)


def test_flatten_settles_an_entry_whose_answer_got_lost(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    result = flatten(desk, scope="all", reason="done", by="ada")

    assert result.flat is True
    assert set(Order.objects.values_list("status", flat=True)) == {"filled"}
    assert (broker.held(), stored(bot.id).quantity) == (0, 0)


# --- incidents that a person ends ---


def mismatch(desk: Desk, clock: FakeClock) -> Incident:
    """Let reconciliation see the difference twice, and return its incident."""
    reconcile(desk, Account.objects.all())
    clock.advance(5)
    reconcile(desk, Account.objects.all())
    return Incident.objects.get(kind=IncidentKind.POSITION_MISMATCH, closed_at=None)


def test_adopted_position_is_booked_and_lifts_the_reduction(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    incident = mismatch(desk, clock)
    assert status("account:paper").mode is REDUCING
    assert reason(tell(BLUE, 1)) == "POSITION_MISMATCH"

    closed = resolve(desk, incident, adopt=True, reason="mine", by="ada")

    assert (closed.closed_by, closed.closing_reason) == ("ada", "mine")
    after = stored(bot.id)
    assert (after.quantity, after.contract, after.state.position) == (2, "MESZ6", Direction.NONE)
    assert status("account:paper").mode is ACTIVE
    assert reconcile(desk, Account.objects.all()).clean
    answer = tell(RED, 20)
    assert answer.decision["action"] == "REVERSE_TO_SHORT"
    assert (broker.submits[-1].side.value, broker.submits[-1].quantity, broker.held()) == ("SELL", 3, -1)


def test_resolved_without_adopting_leaves_the_booked_position(
    desk: Desk, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    incident = mismatch(desk, clock)

    resolve(desk, incident, adopt=False, reason="closed there", by="ada")

    assert (stored(bot.id).quantity, status("account:paper").mode) == (0, ACTIVE)
    assert not reconcile(desk, Account.objects.all()).clean


def test_reduction_stays_while_another_incident_blocks(
    desk: Desk, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    broker.hold("MNQZ6", 1)
    incident = mismatch(desk, clock)

    resolve(desk, incident, adopt=True, reason="mine", by="ada")

    assert status("account:paper").mode is REDUCING


def test_person_who_halted_is_not_overruled_by_a_resolved_incident(
    desk: Desk, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 2)
    incident = mismatch(desk, clock)
    halt(desk, "account:paper")

    resolve(desk, incident, adopt=True, reason="mine", by="ada")

    assert status("account:paper").mode is HALTED


@pytest.mark.parametrize("kind", ["ORDER_UNCONFIRMED", "AMBIGUOUS_EVENTS", "UNHELD_TARGET", "FOREIGN_ORDER"])
def test_only_a_position_can_be_adopted(desk: Desk, bot: Bot, kind: IncidentKind) -> None:
    incident = make_incident(bot, kind)

    with pytest.raises(CannotAdopt):
        resolve(desk, incident, adopt=True, reason="?", by="ada")

    assert Incident.objects.get().closed_at is None


def test_order_declared_lost_stands_the_bot_down(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    resolve(desk, Incident.objects.get(), adopt=False, reason="not there", by="ada")

    order = Order.objects.get()
    assert (order.status, order.note) == ("lost", "Declared lost by ada: not there")
    assert target_of(bot) is Direction.NONE
    assert reason(tell(UP, 0.5)) == "NOT_WAITING"
    assert len(broker.submits) == 1
    assert reason(tell(RED, 20)) == "TREND_RED"


def test_closing_declared_lost_may_be_sent_again_by_the_next_event(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot
) -> None:
    tell(BLUE)
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(DOWN, 15)
    resolve(desk, Incident.objects.get(kind="ORDER_UNCONFIRMED"), adopt=False, reason="no", by="ada")

    assert tell(DOWN, 30).decision["action"] == "EXIT"
    assert (broker.held(), stored(bot.id).state.waiting) == (0, True)
