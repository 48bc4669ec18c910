"""What halts or reduces by itself, stays until a person releases it, and what does not trip it."""

import threading
from datetime import timedelta

import pytest

from broker.base import BrokerNotReached, OrderRequest, Side
from tests.builders import LONG_AGO, make_account, set_held
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    LEFT_BEHIND_S,
    RED,
    open_incidents,
    refused_at_once,
    said,
    sent,
    taken_and_rejected,
)
from tests.waiting import until
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    Cause,
    Fill,
    Incident,
    Order,
    RunningProcess,
    TradingMode,
    TradingState,
)
from tradedesk.models.ids import new_id
from tradedesk.services.desk import Desk
from tradedesk.services.halting import versions
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.kill_switch import NotClean, release
from tradedesk.services.halting.versions import Signature
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import resolve

ACTIVE, REDUCING, HALTED = TradingMode.ACTIVE, TradingMode.REDUCING, TradingMode.HALTED


def mode(scope: str) -> tuple[str, str]:
    state = TradingState.objects.get(scope=scope)
    return state.mode, state.cause


def look(desk: Desk) -> None:
    reconcile(desk, Account.objects.filter(enabled=True))


def resolve_all(desk: Desk) -> None:
    for incident in Incident.objects.filter(closed_at=None):
        resolve(desk, incident, adopt=False, reason="looked", by="ada")


# --- rejected again and again ---


def tell_rejected(tell: Teller, broker: FakeBroker, times: int, first: int = 0) -> None:
    """Let so many colour changes in turn end in a rejected opening."""
    for number in range(first, first + times):
        taken_and_rejected(broker)
        tell((BLUE, RED)[number % 2], 10.0 * number)


@pytest.fixture
def touchy(bot: Bot) -> Bot:
    """Return a bot that halts when three of its orders in a row are rejected."""
    Bot.objects.update(rejections_in_a_row=3)
    bot.refresh_from_db()
    return bot


def test_third_rejection_in_a_row_halts_the_bot_alone(
    touchy: Bot, tell: Teller, broker: FakeBroker, desk: Desk
) -> None:
    tell_rejected(tell, broker, 2)
    assert mode("bot:mes-paper") == (ACTIVE, Cause.PERSON)

    tell_rejected(tell, broker, 1, first=2)

    assert (mode("bot:mes-paper"), mode("account:paper")[0]) == ((HALTED, Cause.LIMIT), ACTIVE)
    assert said(tell(RED, 40)) == ("NONE", "HALTED")
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.reason) == ("desk", "The broker rejected the order. 3 in a row.")
    assert entry.detail == {"code": "BROKER_REJECTED", "mode": "HALTED", "figures": "3 in a row."}


def test_order_that_fills_ends_the_row(touchy: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell_rejected(tell, broker, 2)
    tell(BLUE, 20)
    tell(DOWN, 30)
    tell_rejected(tell, broker, 2, first=5)

    assert mode("bot:mes-paper")[0] == ACTIVE


def test_rejected_closings_stop_no_closing(touchy: Bot, tell: Teller, broker: FakeBroker, desk: Desk) -> None:
    tell(BLUE)
    for _ in range(3):
        broker.reject("closed for a moment")

    flattened = flatten(desk, scope="account:paper", reason="Flat by 15:08", by="desk", passes_halt=False)

    assert (flattened.flat, broker.held(), mode("bot:mes-paper")[0]) == (True, 0, ACTIVE)


def test_order_that_was_not_sent_is_no_rejection(touchy: Bot, tell: Teller, broker: FakeBroker) -> None:
    for number in range(4):
        broker.fail("submit", BrokerNotReached("no route"))
        tell((BLUE, RED)[number % 2], 10.0 * number)

    assert mode("bot:mes-paper")[0] == ACTIVE


def test_rejections_without_a_limit_halt_nothing(tell: Teller, broker: FakeBroker) -> None:
    tell_rejected(tell, broker, 6)

    assert mode("bot:mes-paper")[0] == ACTIVE


def test_rejections_begin_anew_after_a_release(
    touchy: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell_rejected(tell, broker, 3)
    clock.advance(1)
    release(desk, scope="bot:mes-paper", reason="margin added", by="ada")

    tell_rejected(tell, broker, 2, first=3)
    assert mode("bot:mes-paper")[0] == ACTIVE
    tell_rejected(tell, broker, 1, first=5)
    assert mode("bot:mes-paper")[0] == HALTED


def test_closing_half_of_a_rejected_reversal_still_goes(
    touchy: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell_rejected(tell, broker, 2)
    tell(BLUE, 20)
    Bot.objects.update(rejections_in_a_row=1)

    refused_at_once(broker)
    tell(RED, 30)

    assert (broker.held(), mode("bot:mes-paper")[0]) == (0, ACTIVE)


def test_rejection_that_recovery_finds_counts(
    touchy: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    Bot.objects.update(rejections_in_a_row=1)
    broker.fills_at_once = False
    tell(BLUE)
    (order,) = broker.orders.values()
    order.status, order.reject_reason = type(order.status).REJECTED, "MaxPosLimitReached"
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert mode("bot:mes-paper") == (HALTED, Cause.LIMIT)


# --- filled beyond what was ordered ---


def test_order_filled_beyond_its_size_halts_the_account(
    tell: Teller, broker: FakeBroker, bot: Bot, desk: Desk
) -> None:
    broker.fills_at_once = False
    tell(BLUE)
    (order,) = broker.orders.values()
    broker.fill(order.id, 3)

    recover_later(desk)

    assert mode("account:paper") == (HALTED, Cause.LIMIT)
    stored = Order.objects.get()
    assert (stored.status, stored.note) == ("unconfirmed", "The broker reports 3 filled of 1.")
    assert not Fill.objects.exists()
    kinds = {kind for kind, _ in open_incidents()}
    assert kinds == {"OVERFILLED", "ORDER_UNCONFIRMED"}
    assert said(tell(RED, 20)) == ("NONE", "HALTED")


def recover_later(desk: Desk) -> None:
    desk.sleep(LEFT_BEHIND_S)
    recover(desk)


def test_overfill_seen_by_the_request_itself_halts_too(
    tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = broker.fill
    monkeypatch.setattr(broker, "fill", lambda order_id: fill(order_id, 2))

    answer = tell(BLUE)

    assert answer.decision["order"]["status"] == "unconfirmed"
    assert mode("account:paper") == (HALTED, Cause.LIMIT)


def test_overfill_is_over_once_a_person_looked_and_adopted(
    tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = broker.fill
    monkeypatch.setattr(broker, "fill", lambda order_id: fill(order_id, 2))
    tell(BLUE)
    with pytest.raises(NotClean):
        release(desk, scope="account:paper", reason="go", by="ada")

    resolve(desk, Incident.objects.get(kind="OVERFILLED"), adopt=False, reason="true", by="ada")
    for _ in range(2):
        look(desk)
        clock.advance(5)
    mismatch = Incident.objects.get(kind="POSITION_MISMATCH", closed_at=None)
    resolve(desk, mismatch, adopt=True, reason="true", by="ada")
    release(desk, scope="account:paper", reason="looked", by="ada")

    assert (Order.objects.get().status, open_incidents()) == ("lost", [("UNHELD_TARGET", "mes-paper")])
    assert mode("account:paper")[0] == ACTIVE


def test_flatten_filled_beyond_its_size_halts_and_is_over_once_resolved(
    desk: Desk, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_account()
    broker.hold("MNQZ6", 1)
    fill = broker.fill
    monkeypatch.setattr(broker, "fill", lambda order_id: fill(order_id, 2))

    assert flatten(desk, scope="all", reason="", by="ada", within_s=1).flat is False
    assert mode("account:paper")[0] == HALTED
    resolve_all(desk)

    assert Order.objects.get().status == "lost"


def test_exact_fill_in_parts_trips_nothing(tell: Teller, broker: FakeBroker, bot: Bot, desk: Desk) -> None:
    Bot.objects.update(size=3, max_position=3)
    broker.fills_at_once = False
    tell(BLUE)
    (order,) = broker.orders.values()
    for quantity in (1, 2):
        broker.fill(order.id, quantity)
        recover_later(desk)

    assert (mode("account:paper")[0], Order.objects.get().status) == (ACTIVE, "filled")


# --- an order with an id of our form that we never wrote ---


def place(broker: FakeBroker, name: str) -> int:
    return broker.submit(OrderRequest(1, "", "MESZ6", Side.BUY, 1, name), timeout_s=1)


@pytest.fixture
def old_account(bot: Bot, clock: FakeClock) -> Account:
    """Return the bot's account, made long ago."""
    bot.account.refresh_from_db()
    assert bot.account.created_at == LONG_AGO
    return bot.account


def test_order_with_our_id_that_was_never_written_halts_the_account_at_the_first_look(
    old_account: Account, desk: Desk, broker: FakeBroker
) -> None:
    number = place(broker, "td-0123")

    look(desk)

    assert mode("account:paper") == (HALTED, Cause.LIMIT)
    incident = Incident.objects.get(kind="RUNAWAY_ORDER")
    assert (incident.subject, incident.seen) == ("td-0123", {"broker order": number})
    with pytest.raises(NotClean):
        release(desk, scope="account:paper", reason="go", by="ada")


def test_runaway_order_is_told_once(
    old_account: Account, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    place(broker, "td-0123")
    look(desk)
    broker.hold("MESZ6", 0)
    resolve_all(desk)
    release(desk, scope="account:paper", reason="the old server", by="ada")

    clock.advance(30)
    look(desk)

    assert (mode("account:paper")[0], Incident.objects.count()) == (ACTIVE, 1)


def test_orders_of_the_desk_itself_trip_nothing(tell: Teller, desk: Desk, broker: FakeBroker) -> None:
    tell(BLUE)
    tell(RED, 20)
    flatten(desk, scope="all", reason="", by="ada")

    look(desk)

    assert (mode("account:paper")[0], len(sent(broker))) == (ACTIVE, 3)


def test_order_that_another_program_named_trips_nothing(
    old_account: Account, desk: Desk, broker: FakeBroker
) -> None:
    broker.fills_at_once = False
    place(broker, "robot-0123")

    look(desk)

    assert (mode("account:paper")[0], open_incidents()) == (ACTIVE, [])


@pytest.mark.parametrize("name", ["", "mine", "TD-0123"])
def test_order_of_a_person_only_reduces(
    old_account: Account, desk: Desk, broker: FakeBroker, clock: FakeClock, name: str
) -> None:
    broker.fills_at_once = False
    place(broker, name)

    for _ in range(2):
        look(desk)
        clock.advance(5)

    assert mode("account:paper") == (REDUCING, Cause.INCIDENT)


def test_orders_from_before_the_account_or_of_another_day_are_left_alone(
    old_account: Account, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    broker.orders[place(broker, "td-0123")].placed_at = START - timedelta(hours=25)
    Account.objects.update(created_at=START)
    broker.orders[place(broker, "td-4567")].placed_at = START - timedelta(seconds=1)
    set_held(Bot.objects.get(), 2)

    look(desk)

    assert (mode("account:paper")[0], Incident.objects.filter(kind="RUNAWAY_ORDER").count()) == (ACTIVE, 0)


# --- processes that differ ---

OLD, NEW = Signature("0.1.0", "aaaa", "cccc"), Signature("0.1.0", "bbbb", "cccc")
OTHER_SETTINGS = Signature("0.1.0", "aaaa", "dddd")


class Process:
    """A process of the desk that signs: one id, one start."""

    def __init__(self, role: str, own: Signature, clock: FakeClock) -> None:
        self.role, self.own, self.clock, self.started_at = role, own, clock, clock.now()
        self.identity = new_id()

    def sign(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(versions, "_identity", lambda _: self.identity)
        versions.sign(self.role, self.own, self.started_at, self.clock.now())


def run_side_by_side(
    processes: list[Process], clock: FakeClock, monkeypatch: pytest.MonkeyPatch, seconds: int = 30
) -> None:
    for _ in range(seconds // 10):
        for process in processes:
            process.sign(monkeypatch)
        clock.advance(10)


@pytest.mark.parametrize("other", [NEW, OTHER_SETTINGS])
def test_processes_that_differ_stop_openings_until_they_agree_and_a_person_releases(
    tell: Teller, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, other: Signature
) -> None:
    tell(BLUE)
    web, worker = Process("web", OLD, clock), Process("worker", other, clock)
    run_side_by_side([web, worker], clock, monkeypatch)

    assert mode("all") == (REDUCING, Cause.LIMIT)
    assert open_incidents() == [("VERSION_MISMATCH", "paper")]
    assert said(tell(RED, 20)) == ("EXIT", "VERSION_MISMATCH")
    with pytest.raises(NotClean):
        release(desk, scope="all", reason="go", by="ada")

    renewed = Process("web", other, clock)
    run_side_by_side([worker, renewed], clock, monkeypatch, seconds=50)
    assert (open_incidents(), mode("all")[0]) == ([], REDUCING)
    release(desk, scope="all", reason="all restarted", by="ada")
    assert said(tell(BLUE, 40)) == ("ENTER_LONG", "TREND_BLUE")


def test_deploy_whose_old_process_ended_trips_nothing(
    bot: Bot, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Process("web", OLD, clock)
    run_side_by_side([old], clock, monkeypatch, seconds=60)
    new = Process("web", NEW, clock)
    run_side_by_side([new, old], clock, monkeypatch, seconds=20)
    run_side_by_side([new], clock, monkeypatch, seconds=60)

    assert (mode("all")[0], Incident.objects.count()) == (ACTIVE, 0)


def test_processes_that_agree_trip_nothing_and_old_signs_are_forgotten(
    bot: Bot, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_side_by_side([Process(role, OLD, clock) for role in ("web", "web", "worker")], clock, monkeypatch)
    assert (mode("all")[0], RunningProcess.objects.count()) == (ACTIVE, 3)

    clock.advance(3700)
    Process("web", NEW, clock).sign(monkeypatch)

    assert RunningProcess.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_process_signs_until_it_is_stopped(desk: Desk) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=versions.keep_signing, args=[desk, "web", stop])
    thread.start()
    until(RunningProcess.objects.exists, 10, "a sign of life")
    stop.set()
    thread.join(timeout=10)

    process = RunningProcess.objects.get()
    assert (process.role, process.started_at, process.seen_at) == ("web", START, START)
    assert (process.version, process.code, process.settings) == versions.signature()
    assert not thread.is_alive()
