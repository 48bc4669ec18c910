"""The web process is killed halfway through a flatten; at its next start it goes on before anything else."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.databases import Row
from tests.flows.desks import SETTLED_WITHIN_S, Desk
from tests.flows.processes import Web
from tests.waiting import until

BOTS = 4
FLATTEN = "/api/v1/flatten/"


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk(latency_s=0.3) as opened:
        yield opened


def test_flatten_that_is_killed_goes_on_at_the_next_start(desk: Desk) -> None:
    bots = desk.bots(BOTS)
    for bot in bots:
        assert desk.send(bot, "blue", "10:10").decision["action"] == "ENTER_LONG"
    until(lambda: all(desk.held(bot) for bot in bots), 10, "every bot long")
    orders_before = len(desk.broker.rows("order"))

    asking = threading.Thread(target=ask_to_flatten, args=[desk])
    asking.start()
    until(lambda: len(desk.broker.rows("order")) > orders_before, 10, "the first closing at the broker")
    killed = desk.webs[0]
    killed.kill()
    asking.join()
    assert wish(desk)["ended_at"] is None
    assert any(desk.held(bot) for bot in bots)
    # A request's own order is asked about once nobody can be sending it any more.
    desk.let_seconds_pass(6)
    desk.webs[0] = Web(killed.port, desk.environ, killed.said)
    until(lambda: goes_on(desk) == 0, SETTLED_WITHIN_S, "the end of the flatten")

    assert not any(desk.held(bot) for bot in bots)
    assert wish(desk)["ending"] == "The broker showed nothing held or working, twice."
    assert set(Counter(desk.broker.client_order_ids()).values()) == {1}
    assert len(desk.broker.rows("order")) == orders_before + BOTS
    assert [desk.booked(bot) for bot in bots] == [0] * BOTS


def ask_to_flatten(desk: Desk) -> None:
    """Ask for it and hear nothing, for the server is killed."""
    with suppress(OSError, HTTPException, ValueError):
        desk.api("POST", FLATTEN, {"scope": "all", "reason": "test"})


def goes_on(desk: Desk) -> int:
    """Let the task run that goes on, in a process beside the web server; return how many are open then."""
    desk.command("shell", "-c", "from tradedesk import tasks; tasks.go_on_flattening()")
    return int(wish(desk)["ended_at"] is None)


def wish(desk: Desk) -> Row:
    (row,) = desk.database.rows("SELECT ended_at, ending FROM tradedesk_flattenwish")
    return row
