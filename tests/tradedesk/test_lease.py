"""Two regions of one desk on one database: the one that holds the lease sends, the other decides nothing."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from broker.base import BrokerThrottled
from tests.builders import make_bot
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, LEFT_BEHIND_S, RED, said
from tests.threads import Other, someone_waits_for_a_lock
from tests.waiting import until
from tradedesk import checks, tasks
from tradedesk.management.commands import doctor
from tradedesk.models import AuditEntry, Bot, Decision, Lease, Order, RunningProcess, TaskRun, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.halting import leasing, versions
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.leasing import HeldElsewhere, NoRegion, Standing
from tradedesk.services.halting.trading_state import mode_for_claim
from tradedesk.services.reconciling import readiness, starting
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores import lease

EAST, WEST = "us-east-1", "us-west-2"
NOT_REACHED = ("NONE", "NOT_REACHED")


@pytest.fixture
def enter(settings: Settings) -> Callable[[str], None]:
    """Return what moves this process to a region, with `east` as the first."""
    settings.DESK_REGION = EAST
    return lambda region: setattr(settings, "DESK_REGION", region)


@pytest.fixture
def take(desk: Desk, enter: Callable[[str], None]) -> Callable[[str], Standing]:
    """Return what takes the lease for a region and stays there."""

    def take_in(region: str) -> Standing:
        enter(region)
        return leasing.take(desk, reason="test", by="ada")

    return take_in


def run_out(seconds: float = 0.0) -> None:
    """Let the lease have so many seconds left by the database's clock, none unless told."""
    Lease.objects.update(expires_at=Now() + timedelta(seconds=seconds))


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code of `lease` and what it printed."""
    out = io.StringIO()
    try:
        call_command("lease", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


class Once(threading.Event):
    """Tells to stop after the first wait."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


# --- who may send ---


def test_desk_of_one_region_asks_for_no_lease(tell: Teller, broker: FakeBroker) -> None:
    assert lease.proof() == []
    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")
    assert len(broker.submits) == 1


def test_region_that_holds_the_lease_trades(
    tell: Teller, broker: FakeBroker, take: Callable[[str], Standing]
) -> None:
    take(EAST)

    assert [said(tell(BLUE)), said(tell(DOWN, 20))] == [("ENTER_LONG", "TREND_BLUE"), ("EXIT", "DI_DOWN")]
    assert [order.side.value for order in broker.submits] == ["BUY", "SELL"]


@pytest.mark.usefixtures("enter")
def test_without_a_lease_no_region_sends(tell: Teller, broker: FakeBroker) -> None:
    assert said(tell(BLUE)) == NOT_REACHED
    assert (broker.submits, Order.objects.count(), Decision.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize("event", [RED, DOWN])
def test_region_that_waits_stores_alerts_and_the_other_decides_them(
    desk: Desk,
    tell: Teller,
    broker: FakeBroker,
    clock: FakeClock,
    take: Callable[[str], Standing],
    enter: Callable[[str], None],
    event: str,
) -> None:
    take(EAST)
    tell(BLUE)
    broker.submits.clear()

    enter(WEST)
    answer = tell(event, 20)

    assert (answer.http, said(answer), broker.submits) == (200, NOT_REACHED, [])
    clock.advance(LEFT_BEHIND_S)
    assert [row.still_open for row in recover(desk).rows] == [True]
    assert broker.submits == []

    enter(EAST)
    recover(desk)

    assert [order.side.value for order in broker.submits] == ["SELL"]
    assert Decision.objects.count() == 2


def test_region_that_waits_does_not_even_decide_to_do_nothing(
    tell: Teller, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    """A refusal would stand the bot down, though the other region could trade."""
    take(EAST)
    tell(BLUE)
    enter(WEST)

    assert said(tell(BLUE, 20)) == NOT_REACHED
    assert Decision.objects.count() == 1


def test_claim_for_an_order_that_waited_asks_for_the_lease(
    desk: Desk, bot: Bot, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    take(EAST)
    assert mode_for_claim(bot.account, bot) is TradingMode.ACTIVE

    enter(WEST)

    with pytest.raises(lease.NotHeld):
        mode_for_claim(bot.account, bot)


@pytest.mark.parametrize(("left_s", "reason"), [(0, "NOT_REACHED"), (6.5, "NOT_REACHED"), (60, "TREND_BLUE")])
def test_lease_must_outlast_a_send(
    tell: Teller, take: Callable[[str], Standing], left_s: float, reason: str
) -> None:
    take(EAST)
    run_out(left_s)

    assert said(tell(BLUE))[1] == reason


@pytest.mark.parametrize("off_by_s", [-86_400, 86_400])
def test_only_the_clock_of_the_database_counts(
    tell: Teller, clock: FakeClock, desk: Desk, take: Callable[[str], Standing], off_by_s: float
) -> None:
    """Whatever the clocks of the regions say: neither ends a lease early, nor makes it last."""
    take(EAST)
    clock.advance(off_by_s)
    with pytest.raises(HeldElsewhere, match="us-east-1 holds the lease for another 180 s"):
        take(WEST)
    run_out()

    assert take(WEST).is_ours


@pytest.mark.parametrize("act", ["recover", "flatten", "reconcile"])
def test_nothing_that_could_reach_the_broker_leaves_a_region_that_waits(
    desk: Desk,
    tell: Teller,
    broker: FakeBroker,
    clock: FakeClock,
    bot: Bot,
    take: Callable[[str], Standing],
    enter: Callable[[str], None],
    act: str,
) -> None:
    take(EAST)
    tell(BLUE)
    broker.fail("submit", BrokerThrottled(1.0))
    assert tell(DOWN, 20).decision["order"]["status"] == "pending"
    broker.submits.clear()
    entry = broker.place_foreign_order()
    clock.advance(LEFT_BEHIND_S)
    enter(WEST)

    if act == "flatten":
        result = flatten(desk, scope="all", reason="", by="ada")
        assert (result.flat, result.positions[0]["error"]) == (False, str(lease.NotHeld()))
    elif act == "reconcile":
        with pytest.raises(lease.NotHeld):
            reconcile(desk, [bot.account])
    else:
        recover(desk)

    assert (broker.submits, broker.calls["cancel"], broker.held()) == ([], 0, 1)

    enter(EAST)
    broker.cancel(entry, timeout_s=1)
    recover(desk)

    assert broker.held() == 0


# --- a claim and a change of the holder are ordered ---


@pytest.mark.django_db(transaction=True)
def test_change_waits_for_a_claim_that_came_first(desk: Desk, take: Callable[[str], Standing]) -> None:
    take(EAST)

    with transaction.atomic():
        lease.require()
        other = Other(lambda: leasing.release(desk, reason="test", by="ada"))
        until(someone_waits_for_a_lock, 10, "the release waits for the claim")
        assert other.is_running

    assert other.join().holder == ""


@pytest.mark.django_db(transaction=True)
def test_claim_waits_for_a_change_that_came_first_and_then_sends_nothing(
    desk: Desk,
    tell: Teller,
    broker: FakeBroker,
    take: Callable[[str], Standing],
    enter: Callable[[str], None],
) -> None:
    take(EAST)

    with transaction.atomic():
        run_out()
        take(WEST)
        enter(EAST)
        claim = Other(lambda: tell(BLUE))
        until(someone_waits_for_a_lock, 10, "the claim waits for the change")
        assert (claim.is_running, broker.submits) == (True, [])

    assert said(claim.join()) == NOT_REACHED
    assert (broker.submits, Order.objects.count()) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_takeover_returns_only_when_the_send_in_flight_is_over(
    desk: Desk,
    tell: Teller,
    broker: FakeBroker,
    take: Callable[[str], Standing],
    enter: Callable[[str], None],
) -> None:
    take(EAST)
    is_waiting, is_sent = threading.Event(), threading.Event()
    clock = FakeClock()

    def wait_for_the_sender() -> None:
        is_waiting.set()
        assert is_sent.wait(10)

    clock.during_sleep = wait_for_the_sender
    west = replace(desk, now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
    others: list[Other] = []

    def take_meanwhile(_: object) -> None:
        broker.before_submit = None
        run_out()
        enter(WEST)
        others.append(Other(lambda: leasing.take(west, reason="east is down", by="ada")))
        assert is_waiting.wait(10)
        assert Lease.objects.get().holder == WEST
        assert others[0].is_running

    broker.before_submit = take_meanwhile

    first = tell(BLUE)
    is_sent.set()
    standing = others[0].join()
    enter(EAST)

    assert (first.decision["order"]["status"], standing.in_flight, standing.is_ours) == ("filled", 0, True)
    assert said(tell(RED, 20)) == NOT_REACHED
    assert len(broker.submits) == 1


def test_send_without_an_end_is_reported_to_who_takes_over(
    desk: Desk, tell: Teller, broker: FakeBroker, take: Callable[[str], Standing]
) -> None:
    take(EAST)
    standings = []

    def crash(_: object) -> None:
        run_out()
        standings.append(take(WEST))

    broker.before_submit = crash
    tell(BLUE)

    assert standings[0].in_flight == 1


# --- it is kept by whoever works in the region ---


def test_scheduled_task_renews_the_lease(desk: Desk, take: Callable[[str], Standing]) -> None:
    take(EAST)
    run_out(60)

    tasks.watch_calendar()

    assert leasing.status().left_s == pytest.approx(180, abs=5)


def test_renewal_leaves_a_fresh_lease_alone(desk: Desk, take: Callable[[str], Standing]) -> None:
    take(EAST)
    before = Lease.objects.get().expires_at

    assert lease.renew()
    assert Lease.objects.get().expires_at == before


def test_lease_that_ran_out_and_that_nobody_took_goes_on(desk: Desk, take: Callable[[str], Standing]) -> None:
    take(EAST)
    run_out()

    assert lease.renew()
    assert leasing.status().is_ours


def test_region_that_waits_runs_no_task_and_only_reads(
    desk: Desk, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    take(EAST)
    enter(WEST)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        assert not lease.renew()
    tasks.watch_calendar()

    assert TaskRun.objects.count() == 0


def test_web_process_renews_and_gives_signs_only_where_the_lease_is(
    desk: Desk, take: Callable[[str], Standing], enter: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "close_old_connections", lambda: None)
    monkeypatch.setattr(connection, "close", lambda: None)
    take(EAST)
    run_out(60)

    _sign_once(desk)

    assert leasing.status().left_s == pytest.approx(180, abs=5)
    assert RunningProcess.objects.count() == 1
    RunningProcess.objects.all().delete()
    enter(WEST)

    _sign_once(desk)

    assert RunningProcess.objects.count() == 0


def test_region_that_waits_settles_nothing_at_its_start(
    desk: Desk, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    make_bot()
    take(EAST)
    enter(WEST)
    assert not starting._settle_once(desk)

    enter(EAST)

    assert starting._settle_once(desk)


def _sign_once(desk: Desk) -> None:
    versions.keep_signing(desk, "web", Once())


# --- what people see and do ---


def test_ready_page_says_which_region_waits(
    desk: Desk, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    take(EAST)
    assert readiness.Check("lease", True) in readiness.checks(desk)

    enter(WEST)

    waits = "It waits: this region does not hold the lease; see manage.py lease status."
    assert readiness.Check("lease", False, waits) in readiness.checks(desk)


def test_process_without_a_region_beside_one_that_holds_the_lease_is_told(
    desk: Desk, take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    take(EAST)
    enter("")

    assert readiness.Check("lease", False, lease.NAMELESS) in readiness.checks(desk)
    assert doctor.Finding("region", False, lease.NAMELESS) in list(doctor.findings())


def test_lease_is_released_in_one_region_and_taken_in_the_other(
    take: Callable[[str], Standing], enter: Callable[[str], None]
) -> None:
    take(EAST)
    enter(WEST)

    assert run("take", "--reason", "drill") == (
        1,
        "us-east-1 holds the lease for another 180 s and renews it. "
        "Release it first, or wait until it has run out.",
    )
    assert run("release", "--reason", "drill")[1].startswith("Region of this desk: us-west-2\nLease: nobody")
    assert run("status")[0] == 1
    assert run("take", "--reason", "drill")[0] == 0
    assert run("status")[0] == 0
    entries = AuditEntry.objects.order_by("id").values_list("action", "subject", "reason")
    assert list(entries) == [
        ("lease taken", EAST, "test"),
        ("lease released", EAST, "drill"),
        ("lease taken", WEST, "drill"),
    ]


@pytest.mark.parametrize("act", ["take", "release"])
def test_change_without_a_reason_is_wrong_use(desk: Desk, enter: Callable[[str], None], act: str) -> None:
    assert run(act, "--reason", " ") == (2, 'Say why: --reason "…"')
    assert Lease.objects.count() == 0


def test_desk_of_one_region_takes_no_lease(desk: Desk) -> None:
    with pytest.raises(NoRegion):
        leasing.take(desk, reason="test", by="ada")
    assert run("take", "--reason", "x") == (2, "This desk runs in one region: DESK_REGION is not set.")
    assert run("status")[0] == 2


def test_region_on_a_file_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DESK_REGION = EAST
    assert checks.two_regions_share_a_server() == []

    monkeypatch.setattr(connection, "vendor", "sqlite")

    assert [message.id for message in checks.two_regions_share_a_server()] == ["tradedesk.E003"]
