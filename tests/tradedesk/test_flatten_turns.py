"""A flatten gives each account its turn, however long the broker of another one takes."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from broker.base import BrokerNotReached, BrokerOutcomeUnknown
from tests.builders import make_account, make_bot, make_order, set_held
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk.models import Account, Bot, FlattenWish, OrderStatus
from tradedesk.services.desk import Desk, Link
from tradedesk.services.halting.flatten import LONGEST_TRY_S, NOT_REACHED, flatten, go_on
from tradedesk.stores import positions, redis

HANGS = 60.0
QUICK, SLOW = 0.05, 0.5
TRIES = 5


class SlowBroker:
    """A broker that takes so many seconds for each request, or all the time that it is given."""

    def __init__(self, broker: FakeBroker, clock: FakeClock, takes_s: float) -> None:
        self._broker, self._clock, self._takes_s = broker, clock, takes_s
        self.clock_offset_s = broker.clock_offset_s

    def for_orders(self) -> "SlowBroker":
        return self

    def __getattr__(self, call: str) -> Callable[..., Any]:
        def answer(*args: Any, timeout_s: float) -> Any:
            self._clock.advance(min(self._takes_s, timeout_s))
            if self._takes_s > timeout_s:
                raise BrokerOutcomeUnknown("timed out") if call == "submit" else BrokerNotReached("no route")
            return getattr(self._broker, call)(*args, timeout_s=timeout_s)

        return answer


def desk_of(desk: Desk, clock: FakeClock, links: FakeLinks, takes_s: dict[str, float]) -> Desk:
    """Return the desk with brokers that take so long for each request, by account."""

    def link(account: Account, *, timeout_s: float) -> Link:
        found = links(account, timeout_s=timeout_s)
        return Link(SlowBroker(links.broker, clock, takes_s[account.name]), found.account)

    return replace(desk, link=link)


def make_bots(bot: Bot, links: FakeLinks, count: int) -> list[Bot]:
    """Return so many bots, each on an account of its own that holds a contract and has an order in doubt."""
    others = [
        make_bot(f"other-{number}", account=make_account(f"other-{number}")) for number in range(1, count)
    ]
    for owner in (bot, *others):
        number = links(owner.account, timeout_s=1).account.id
        links.broker.hold("MESZ6", 1, account_id=number)
        set_held(owner, 1)
        make_order(owner, contract="MESU6", status=OrderStatus.UNCONFIRMED, broker_order_id=None)
    return [bot, *others]


def held_by(bots: list[Bot], links: FakeLinks) -> list[int]:
    return [links.broker.held(account_id=links(bot.account, timeout_s=1).account.id) for bot in bots]


@pytest.mark.parametrize(
    "takes_s",
    [
        (HANGS, QUICK),
        (HANGS, HANGS, HANGS, QUICK),
        (HANGS, SLOW, HANGS, SLOW, QUICK, HANGS, SLOW),
        (SLOW,) * 8,
    ],
)
def test_every_account_whose_broker_answers_is_closed_however_the_others_hang(
    takes_s: tuple[float, ...], desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks
) -> None:
    bots = make_bots(bot, links, len(takes_s))
    names = [bot.account.name for bot in bots]
    slow = desk_of(desk, clock, links, dict(zip(names, takes_s, strict=True)))

    flatten(slow, scope="all", reason="", by="ada", within_s=1.0)
    for _ in range(TRIES):
        clock.advance(31)
        go_on(slow)

    assert held_by(bots, links) == [1 if takes == HANGS else 0 for takes in takes_s]


def test_try_in_the_background_is_bounded_in_all(
    desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks
) -> None:
    bots = make_bots(bot, links, 8)
    slow = desk_of(desk, clock, links, dict.fromkeys([bot.account.name for bot in bots], HANGS))
    flatten(slow, scope="all", reason="", by="ada", within_s=1.0)
    clock.advance(31)
    began = clock.monotonic()

    go_on(slow)

    # One request may have begun just before the end.
    assert clock.monotonic() - began <= LONGEST_TRY_S + 2.0


def test_account_whose_turn_did_not_come_is_told_and_comes_first(
    desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks
) -> None:
    bots = make_bots(bot, links, 3)
    takes_s = {"other-1": HANGS, "other-2": HANGS, "paper": QUICK}
    slow = desk_of(desk, clock, links, takes_s)
    flatten(slow, scope="all", reason="", by="ada", within_s=6.0)
    seen = FlattenWish.objects.get().seen

    flatten(slow, scope="all", reason="", by="ada", within_s=1.0)

    assert seen == [
        {"account": "other-1", "error": "no route"},
        {"account": "other-2", "error": "no route"},
        {"account": "paper", "error": NOT_REACHED},
    ]
    assert held_by(bots, links) == [0, 1, 1]


def test_busy_bots_leave_time_to_close(
    desk: Desk, bot: Bot, clock: FakeClock, links: FakeLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots = make_bots(bot, links, 3)
    monkeypatch.setattr(positions, "time", SimpleNamespace(monotonic=clock.monotonic))
    locks = {positions._keys(busy.id)[0]: "a dead process" for busy in bots[1:]}
    redis.call(lambda client: client.mset(locks))

    flatten(desk, scope="all", reason="", by="ada", within_s=4.0)

    assert held_by(bots, links) == [0, 1, 1]
