"""A flatten is kept as a row and gone on with, across tries and crashes, until two reads show zero."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from broker.base import (
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerPosition,
    BrokerRefused,
    OrderRequest,
    Side,
)
from strategy.types import Direction
from tests.builders import make_account, make_bot, make_incident, make_order, make_strategy, set_held
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, UP, said, sent
from tradedesk import tasks
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    Cause,
    Fill,
    FlattenWish,
    Notice,
    Order,
    OrderPurpose,
    OrderStatus,
    TradingMode,
    TradingState,
)
from tradedesk.services.desk import Desk
from tradedesk.services.halting import wishes
from tradedesk.services.halting.flatten import Flattened, flatten, go_on
from tradedesk.services.halting.kill_switch import engage, release, status
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.stores import positions, redis
from tradedesk.stores.positions import stored

HALTED, REDUCING, ACTIVE = TradingMode.HALTED, TradingMode.REDUCING, TradingMode.ACTIVE
AWAY = BrokerNotReached("no route")


def ask(desk: Desk, scope: str = "all") -> Flattened:
    return flatten(desk, scope=scope, reason="done", by="ada")


def halt(desk: Desk, scope: str = "all") -> None:
    engage(desk, scope=scope, mode=HALTED, reason="stop", by="eve")


def cancel(desk: Desk, scope: str = "all") -> bool:
    return wishes.cancel(scope, reason="enough", by="eve", source_address="", now=desk.now())


def wish() -> FlattenWish:
    return FlattenWish.objects.get()


@pytest.fixture
def begun(desk: Desk, bot: Bot, broker: FakeBroker, links: FakeLinks) -> Desk:
    """Return a desk that holds two contracts which it could not flatten: its broker came back afterwards."""
    set_held(bot, 2)
    broker.hold("MESZ6", 2)
    links.down["paper"] = AWAY
    assert ask(desk).flat is False
    links.down.clear()
    return desk


# --- the wish is kept ---


def test_flatten_is_stored_before_the_broker_is_asked(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    broker.hold("MESZ6", 1)
    seen: list[tuple[str, str, str]] = []

    def look(_: OrderRequest) -> None:
        state = TradingState.objects.get(scope="all")
        seen.append((wish().by, state.mode, state.cause))

    broker.before_submit = look

    assert ask(desk).flat is True

    assert seen == [("ada", REDUCING, Cause.FLATTEN)]
    assert (wish().ended_at, wish().ending) == (
        desk.now(),
        "The broker showed nothing held or working, twice.",
    )
    assert status().mode is ACTIVE


def test_reads_of_zero_count_only_in_a_row(
    desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock
) -> None:
    def fill_late() -> None:
        clock.during_sleep = None
        broker.hold("MESZ6", 1)

    clock.during_sleep = fill_late

    assert ask(desk).flat

    # Zero, one that is closed, zero, zero.
    assert (broker.calls["working_orders"], broker.held()) == (4, 0)


def test_flatten_that_is_not_flat_goes_on_in_the_background(
    begun: Desk, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    assert (wish().seen, wish().tries) == ([{"account": "paper", "error": "no route"}], 1)
    clock.advance(2)

    tasks.go_on_flattening()

    assert (broker.held(), stored(bot.id).quantity) == (0, 0)
    assert (wish().tries, wish().seen, wish().ended_at) == (2, [], clock.now())
    assert list(Notice.objects.order_by("id").values_list("subject", flat=True)) == [
        "NOT FLAT: all",
        "Flat: all",
    ]


def test_nothing_opens_until_the_flatten_is_over(begun: Desk, tell: Teller, clock: FakeClock) -> None:
    assert said(tell(RED, 1)) == ("EXIT", "REDUCING")

    assert go_on(begun) == 0

    assert said(tell(UP, 2)) == ("NONE", "ALREADY_OUT")
    assert said(tell(BLUE, 20)) == ("ENTER_LONG", "TREND_BLUE")


def test_colour_that_comes_before_the_flatten_is_over_is_given_up_with_it(
    begun: Desk, bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE, 1)

    clock.advance(2)
    go_on(begun)

    assert broker.held() == 0
    assert stored(bot.id).state.position is Direction.NONE


def test_tries_come_less_and_less_often(
    desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks, broker: FakeBroker
) -> None:
    links.down["paper"] = AWAY
    ask(desk)
    tried_at = []
    for _ in range(200):
        clock.advance(1)
        before = wish().tries
        asked_at = clock.now()
        go_on(desk)
        if wish().tries > before:
            tried_at.append((asked_at - START).total_seconds())

    pauses = [later - earlier - 4 for earlier, later in pairwise(tried_at)]
    assert pauses[:4] == [4, 8, 16, 30]
    assert set(pauses[4:]) == {30}
    assert Notice.objects.filter(subject="NOT FLAT: all").count() == 1


def test_one_process_takes_a_flatten_that_is_due(begun: Desk, clock: FakeClock) -> None:
    clock.advance(2)

    (mine,), (theirs,) = wishes.due(clock.now()), wishes.due(clock.now())

    assert (wishes.take(mine, clock.now()), wishes.take(theirs, clock.now())) == (True, False)
    assert wishes.due(clock.now()) == []
    clock.advance(15)
    assert wishes.due(clock.now()) == [mine]


def test_flatten_asked_for_twice_is_one(begun: Desk, clock: FakeClock) -> None:
    assert ask(begun).flat is True

    assert (wish().tries, wish().since) == (2, START + timedelta(seconds=10))
    assert AuditEntry.objects.filter(action="flatten").count() == 2


def test_two_who_ask_at_once_both_hear_that_it_is_flat_and_sell_once(
    desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock
) -> None:
    make_position(bot, broker, 1)
    heard: list[bool] = []

    def ask_meanwhile() -> None:
        clock.during_sleep = None
        heard.append(ask(desk).flat)

    clock.during_sleep = ask_meanwhile

    heard.append(ask(desk).flat)

    assert (heard, sent(broker)) == ([True, True], [("SELL", 1, "MESZ6")])
    assert wish().ended_at is not None


def test_account_that_cannot_be_read_comes_last(
    desk: Desk, bot: Bot, broker: FakeBroker, links: FakeLinks, clock: FakeClock
) -> None:
    links(bot.account, timeout_s=1)
    away = [make_account(f"away-{number}") for number in range(3)]
    asked: list[str] = []

    def link(account: Account, *, timeout_s: float) -> object:
        asked.append(account.name)
        if account in away:
            clock.advance(timeout_s)
            raise AWAY
        return links(account, timeout_s=timeout_s)

    slow = replace(desk, link=link)  # type: ignore[arg-type]
    broker.hold("MESZ6", 1)

    assert ask(slow).flat is False

    assert broker.held() == 0
    assert asked[:5] == ["away-0", "away-1", "away-2", "paper", "paper"]


def test_account_that_is_off_and_empty_does_not_keep_all_from_being_flat(
    desk: Desk, bot: Bot, links: FakeLinks
) -> None:
    make_account("off", enabled=False)
    links.down["off"] = AWAY

    assert ask(desk).flat is True


def test_account_that_is_off_and_holds_something_is_closed(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    set_held(bot, 1)
    broker.hold("MESZ6", 1)
    Account.objects.update(enabled=False)

    assert (ask(desk).flat, broker.held()) == (True, 0)


def test_flat_account_with_an_unknown_order_is_watched_on(
    desk: Desk, tell: Teller, broker: FakeBroker, bot: Bot, clock: FakeClock
) -> None:
    broker.fail("submit", BrokerOutcomeUnknown("read timed out"))
    tell(BLUE)

    assert ask(desk).flat is True

    assert (wish().ended_at, status().mode) == (None, REDUCING)
    clock.advance(11)
    assert go_on(desk) == 0
    assert Order.objects.get().status == "lost"
    assert (wish().ended_at is None, status().mode) == (False, ACTIVE)


def test_order_that_is_on_its_way_counts_as_held(desk: Desk, bot: Bot, clock: FakeClock) -> None:
    order = make_order(bot, status="sent", sent_at=START, settled_at=None)

    def answer_comes() -> None:
        if clock.now() > START + timedelta(seconds=1):
            Order.objects.filter(pk=order.pk).update(status="rejected", settled_at=clock.now())

    clock.during_sleep = answer_comes

    assert ask(desk).flat is True
    assert clock.now() > START + timedelta(seconds=1)


# --- what is cancelled, and when ---


def test_what_protects_a_position_stays_until_it_is_closed(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    broker.hold("MESZ6", 1)
    entry, stop = broker.place_foreign_order(), broker.place_foreign_order()
    broker.orders[stop].message = replace(broker.orders[stop].message, side=Side.SELL)
    at_closing: list[str] = []
    broker.before_submit = lambda _: at_closing.extend(
        broker.orders[number].status.value for number in (entry, stop)
    )

    assert ask(desk).flat is True

    assert at_closing == ["cancelled", "working"]
    assert broker.orders[stop].status == "cancelled"


def test_order_of_the_desk_on_the_closing_side_does_not_stand_in_the_way(
    desk: Desk, tell: Teller, bot: Bot, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.fills_at_once = False
    tell(RED, 20)
    reversal = Order.objects.get(purpose=OrderPurpose.REVERSE)
    broker.fills_at_once = True

    assert ask(desk).flat is True

    reversal.refresh_from_db()
    assert (reversal.status, broker.held()) == ("cancelled", 0)
    assert sent(broker)[-1] == ("SELL", 1, "MESZ6")


def test_own_closing_that_works_is_not_doubled_and_goes_once_nothing_is_held(
    desk: Desk, bot: Bot, broker: FakeBroker
) -> None:
    broker.hold("MESZ6", 1)
    broker.fills_at_once = False

    assert ask(desk).flat is False
    assert sent(broker) == [("SELL", 1, "MESZ6")]
    broker.hold("MESZ6", 0)
    broker.fills_at_once = True

    assert ask(desk).flat is True
    assert (Order.objects.get().status, broker.held()) == ("cancelled", 0)


# --- who ends it ---


def test_cancelled_flatten_sends_no_more_and_entries_stay_blocked(
    begun: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    assert cancel(begun) is True
    clock.advance(60)

    assert go_on(begun) == 0

    assert (broker.held(), broker.submits) == (2, [])
    assert (status().mode, status().by) == (REDUCING, "eve")
    assert (wish().ending, cancel(begun)) == ("Cancelled by eve: enough", False)
    release(begun, scope="all", reason="looked", by="ada")
    assert status().mode is ACTIVE


def test_release_ends_the_flatten_of_its_scope(begun: Desk, broker: FakeBroker, clock: FakeClock) -> None:
    release(begun, scope="all", reason="keep it", by="ada")
    clock.advance(60)

    assert go_on(begun) == 0
    assert (broker.submits, status().mode, wish().ending) == ([], ACTIVE, "Released by ada")


def test_release_of_a_bot_leaves_the_flatten_of_all(
    begun: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    release(begun, scope="bot:mes-paper", reason="?", by="ada")
    clock.advance(60)

    assert go_on(begun) == 0
    assert (broker.held(), status().mode) == (0, ACTIVE)


@pytest.mark.parametrize("scope", ["all", "account:paper", "bot:mes-paper"])
def test_halt_that_comes_later_stops_the_flatten_until_it_is_asked_for_again(
    begun: Desk, broker: FakeBroker, clock: FakeClock, scope: str
) -> None:
    halt(begun, scope)
    clock.advance(60)

    assert go_on(begun) == 1
    assert (broker.held(), broker.submits) == (2, [])
    clock.advance(1)
    assert ask(begun).flat is True
    assert (broker.held(), status(scope).mode) == (0, HALTED)


def test_halt_between_the_read_and_the_claim_stops_a_closing(
    desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.hold("MESZ6", 1)
    read = broker.positions

    def read_and_halt(account_id: int, *, timeout_s: float) -> object:
        if broker.calls["positions"] == 1:
            clock.advance(0.1)
            halt(desk)
        return read(account_id, timeout_s=timeout_s)

    monkeypatch.setattr(broker, "positions", read_and_halt)

    assert ask(desk).flat is False
    assert broker.submits == []


def test_incident_that_came_meanwhile_keeps_the_account_reducing(
    desk: Desk, bot: Bot, links: FakeLinks
) -> None:
    links.down["paper"] = AWAY
    ask(desk, "account:paper")
    incident = make_incident(bot)
    links.down.clear()

    assert ask(desk, "account:paper").flat is True

    state = TradingState.objects.get(scope="account:paper")
    assert (state.mode, state.cause) == (REDUCING, Cause.INCIDENT)
    incident.closed_at = START
    incident.save()
    reconcile(desk, Account.objects.all())
    assert status("account:paper").mode is ACTIVE


def test_rule_of_the_desk_gives_up_when_its_time_is_over(
    desk: Desk, bot: Bot, broker: FakeBroker, links: FakeLinks, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 1)
    links.down["paper"] = AWAY
    until = START + timedelta(seconds=30)
    flatten(
        desk, scope="account:paper", reason="Flat by", by="desk", passes_halt=False, until=until, within_s=1
    )
    links.down.clear()
    clock.advance(29)

    assert go_on(desk) == 0

    assert (broker.held(), wish().ending) == (1, "Its time was over before it was flat.")
    assert status("account:paper").mode is ACTIVE


def test_persons_flatten_takes_the_place_of_a_rules_and_is_not_replaced_by_one(
    desk: Desk, bot: Bot, broker: FakeBroker, links: FakeLinks, clock: FakeClock
) -> None:
    links.down["paper"] = AWAY
    until = START + timedelta(hours=1)
    for by, passes_halt, end in (("desk", False, until), ("ada", True, None), ("desk", False, until)):
        flatten(
            desk,
            scope="account:paper",
            reason="",
            by=by,
            passes_halt=passes_halt,
            until=end,
            within_s=1,
        )

    assert (wish().by, wish().passes_halt, wish().until, wish().tries) == ("ada", True, None, 3)


def test_persons_flatten_is_not_given_up_by_a_try_that_knew_the_rules(
    desk: Desk, bot: Bot, links: FakeLinks, clock: FakeClock
) -> None:
    make_account("other")
    links.down |= {"other": AWAY, "paper": AWAY}
    until = START + timedelta(seconds=60)
    ask(desk, "account:other")
    flatten(desk, scope="account:paper", reason="", by="desk", passes_halt=False, until=until, within_s=1)
    clock.advance((until - clock.now()).total_seconds() - 1)

    def ask_meanwhile() -> None:
        clock.during_sleep = None
        ask(desk, "account:paper")

    clock.during_sleep = ask_meanwhile
    go_on(desk)

    persons = FlattenWish.objects.get(scope="account:paper")
    assert (persons.by, persons.ended_at, clock.now() > until) == ("ada", None, True)


def test_flatten_is_not_over_before_a_busy_bot_stood_down(
    desk: Desk, bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(BLUE)
    tell(DOWN, 20)
    monkeypatch.setattr(positions, "time", SimpleNamespace(monotonic=clock.monotonic))
    lock = positions._keys(bot.id)[0]
    redis.call(lambda client: client.set(lock, "another process"))
    assert flatten(desk, scope="all", reason="", by="ada", within_s=1.0).flat is True
    assert wish().ended_at is None
    redis.call(lambda client: client.delete(lock))
    broker.submits.clear()
    clock.advance(2)

    assert go_on(desk) == 0

    assert (said(tell(UP, 30)), sent(broker)) == (("NONE", "NOT_WAITING"), [])


def test_flatten_of_a_bot_that_is_gone_is_given_up(begun: Desk, bot: Bot, clock: FakeClock) -> None:
    FlattenWish.objects.update(scope="bot:gone")
    clock.advance(2)

    assert go_on(begun) == 0
    assert wish().ending == "There is no such scope any more."


def test_flatten_follows_an_account_that_is_renamed(
    desk: Desk, bot: Bot, links: FakeLinks, broker: FakeBroker
) -> None:
    links.down["paper"] = AWAY
    ask(desk, "account:paper")
    bot.account.name = "first"
    bot.account.save()

    wishes.make_due(desk.now())

    assert (go_on(desk), wish().scope) == (0, "account:first")


# --- whatever fails meanwhile ---

FAULTS = {
    "away": ("positions", AWAY),
    "unread orders": ("working_orders", BrokerOutcomeUnknown("time-out")),
    "cancel refused": ("cancel", BrokerRefused("TooLate")),
    "not sent": ("submit", AWAY),
    "refused": ("submit", BrokerRefused("MarketClosed")),
}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    held=some.integers(-3, 3),
    faults=some.lists(some.sampled_from([*FAULTS, "lost reply", "killed", "slow fill"]), max_size=6),
)
def test_flatten_ends_flat_whatever_fails_on_the_way(
    held: int, faults: list[str], desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks
) -> None:
    broker = links.broker = FakeBroker(clock.now)
    Fill.objects.all().delete()
    Order.objects.all().delete()
    FlattenWish.objects.all().delete()
    make_position(bot, broker, held)

    ask_despite(desk, broker, faults)
    for _ in range(10):
        if not FlattenWish.objects.filter(ended_at=None).exists():
            break
        broker.fills_at_once = True
        for order in list(broker.orders.values()):
            if order.status == "working":
                broker.fill(order.id)
        clock.advance(31)
        go_on(desk)

    assert (broker.held(), stored(bot.id).quantity) == (0, 0)
    assert not FlattenWish.objects.filter(ended_at=None).exists()
    assert len({order.client_order_id for order in broker.submits}) == len(broker.submits)
    # Each closing stayed on the side of zero that the position was on.
    assert {order.side for order in broker.submits} <= {Side.SELL if held > 0 else Side.BUY}


def make_position(bot: Bot, broker: FakeBroker, held: int) -> None:
    set_held(bot, held)
    broker.hold("MESZ6", held)


class Killed(BaseException):
    """The process dies at this moment."""


def ask_despite(desk: Desk, broker: FakeBroker, faults: list[str]) -> None:
    """Ask for a flatten while things fail one after another, the process itself among them."""
    for fault in faults:
        if fault in FAULTS:
            broker.fail(*FAULTS[fault])
        elif fault == "lost reply":
            broker.lose_reply(BrokerOutcomeUnknown("read timed out"))
        elif fault == "slow fill":
            broker.fills_at_once = False
        else:
            broker.before_submit = die
        with suppress(Killed):
            ask(desk)
        broker.before_submit = None
    if not faults:
        ask(desk)


def die(_: OrderRequest) -> None:
    raise Killed


def test_order_that_was_claimed_by_a_process_that_died_is_looked_up_and_not_doubled(
    desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock
) -> None:
    make_position(bot, broker, 1)
    broker.before_submit = die
    with pytest.raises(Killed):
        ask(desk)
    broker.before_submit = None
    assert Order.objects.get().status == "sent"

    clock.advance(31)
    for _ in range(4):
        go_on(desk)
        clock.advance(31)

    assert list(Order.objects.order_by("id").values_list("status", flat=True)) == ["lost", "filled"]
    assert (broker.held(), len(broker.submits)) == (0, 1)


def test_closing_whose_position_could_not_be_read_back_is_booked_all_the_same(
    desk: Desk, bot: Bot, broker: FakeBroker, clock: FakeClock
) -> None:
    make_position(bot, broker, 1)
    broker.before_submit = lambda _: broker.fail("positions", AWAY, times=1)

    assert ask(desk).flat is True

    assert (stored(bot.id).quantity, Order.objects.get().status) == (0, "filled")
    assert Fill.objects.count() == 1


def test_state_of_an_order_elsewhere_does_not_matter(desk: Desk, bot: Bot) -> None:
    other = make_bot("second", account=make_account("second"))
    make_order(other, status="unconfirmed")

    assert (ask(desk, "account:paper").flat, wish().ended_at) == (True, desk.now())


def test_orders_that_the_broker_says_nothing_of_leave_time_to_close(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_args: object, timeout_s: float) -> None:
        clock.advance(timeout_s)
        raise BrokerNotReached("timed out")

    def read_in_time(account_id: int, *, timeout_s: float) -> Sequence[BrokerPosition]:
        if timeout_s <= 0:
            raise BrokerNotReached("no time left")
        return read(account_id, timeout_s=timeout_s)

    read = broker.positions
    tell(BLUE)
    other = make_bot("mnq-paper", strategy=make_strategy("mnq", root="MNQ"))
    for number in range(6):
        make_order(
            other,
            contract="MNQZ6",
            status=OrderStatus.UNCONFIRMED,
            broker_order_id=None,
            client_order_id=f"td-{number}",
        )
    clock.advance(10)
    monkeypatch.setattr(broker, "find_order", hang)
    monkeypatch.setattr(broker, "positions", read_in_time)

    flatten(desk, scope="account:paper", reason="go home", by="ada")

    assert broker.held() == 0
