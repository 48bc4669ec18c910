"""Redis, the database and the broker go away under a follower and come back; it books what happened, once."""

import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Bot, Desk
from tests.flows.followers import (
    BOOKED_WITHIN_S,
    QUIET,
    follower,
    is_booked,
    leave_working,
    said_in,
    ups,
)
from tests.flows.servers import PostgresServer, RedisServer, stopped
from tests.waiting import until

# It rests for one second after the first failure, for two after the next, and so on.
BACK_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def database_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk, redis_server: RedisServer, database_server: PostgresServer) -> Iterator[Desk]:
    with open_desk(redis_url=redis_server.url, own_database=database_server.database) as opened:
        yield opened


@pytest.fixture(scope="module")
def process(desk: Desk) -> Iterator["subprocess.Popen[str]"]:
    """Return the one follower of all tests here."""
    with follower(desk) as process:
        yield process


@pytest.fixture(autouse=True)
def _lives_on(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Keep the follower under every test, and prove that none ended it."""
    yield
    assert process.poll() is None


def release(desk: Desk, order_id: int) -> None:
    desk.broker.scenario("release", {"orderId": order_id})


def fill_late(desk: Desk, bot: Bot) -> None:
    """Let an alert leave an order working, fill it, and wait for the follower."""
    release(desk, leave_working(desk, bot))
    until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "a late fill")


def assert_exits(desk: Desk, bot: Bot) -> None:
    """Close a bot's position by an alert; entry and exit are then all that was ever booked."""
    assert desk.send(bot, "down", "10:30").summary == ("EXIT", "DI_DOWN", "filled")
    assert [(fill["side"], fill["quantity"]) for fill in desk.fills(bot)] == [("BUY", 1), ("SELL", 1)]
    assert desk.booked(bot) == desk.held(bot) == 0
    assert desk.open_incidents(bot) == []


def test_fill_without_redis_is_booked_and_redis_knows_it_once_it_is_back(
    desk: Desk, redis_server: RedisServer
) -> None:
    bot, later = desk.next_bot(QUIET), desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)

    with stopped(redis_server):
        release(desk, order_id)
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill without Redis")

    fill_late(desk, later)
    assert_exits(desk, bot)
    assert desk.in_redis(bot)["current_position"] == "NONE"


def test_fill_without_a_database_is_booked_once_it_is_back(
    desk: Desk, database_server: PostgresServer
) -> None:
    bot, later = desk.next_bot(QUIET), desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)
    connections, rested = ups(desk), rests(desk)

    with stopped(database_server):
        release(desk, order_id)
        until(lambda: rests(desk) > rested, BOOKED_WITHIN_S, "a follower that misses its database")

    database_server.wait_until_ready()
    until(lambda: is_booked(desk, bot), BACK_WITHIN_S, "the fill without a database")
    fill_late(desk, later)
    assert_exits(desk, bot)
    assert ups(desk) == connections


def rests(desk: Desk) -> int:
    """Return how often the follower gave the database or the broker a rest."""
    return said_in(desk).read_text().count("follow.put_off")


def test_killed_broker_is_followed_again_and_what_it_did_not_tell_is_caught_up_with(desk: Desk) -> None:
    untold, at_start, later = (desk.next_bot(QUIET) for _ in range(3))
    orders = [leave_working(desk, bot) for bot in (untold, at_start)]
    connections = ups(desk)
    desk.broker.scenario("faults", {"kind": "miss", "on": "socket", "times": 100})
    release(desk, orders[0])

    desk.broker.kill()
    desk.broker.start_again()
    release(desk, orders[1])

    until(lambda: is_booked(desk, untold), BACK_WITHIN_S, "the fill that no frame told of")
    until(lambda: is_booked(desk, at_start), BOOKED_WITHIN_S, "the fill while the broker started")
    fill_late(desk, later)
    for bot in (untold, at_start, later):
        assert_exits(desk, bot)
    assert ups(desk) == connections + 1


@pytest.mark.parametrize(
    ("terms", "moves_to", "price"),
    [
        ({"orderType": "Limit", "price": 6800}, "6799", Decimal("6800")),
        ({"orderType": "Stop", "stopPrice": 6900}, "6901", Decimal("6901")),
    ],
    ids=["limit", "stop"],
)
def test_resting_order_is_booked_once_when_the_price_reaches_it(
    desk: Desk, terms: dict[str, Any], moves_to: str, price: Decimal
) -> None:
    bot = desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)
    # The desk sends market orders; a person may turn one that works into another.
    desk.broker.modify(order_id, **terms)
    release(desk, order_id)
    assert desk.held(bot) == 0

    desk.broker.scenario("prices", {"root": bot.root, "price": moves_to})

    until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill of the resting order")
    assert [fill["price"] for fill in desk.fills(bot)] == [price]
    assert_exits(desk, bot)
