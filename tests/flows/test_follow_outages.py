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
from tests.flows.servers import PostgresServer, RedisServer
from tests.waiting import until

# It rests for one second after the first failure, for two after the next, and so on.
BACK_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk, redis_server: RedisServer, database_server: PostgresServer) -> Iterator[Desk]:
    with open_desk(redis_url=redis_server.url, database_url=database_server.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def process(desk: Desk) -> Iterator["subprocess.Popen[str]"]:
    """Return the one follower of all tests here."""
    with follower(desk) as process:
        yield process


@pytest.fixture(autouse=True)
def _is_the_same(process: "subprocess.Popen[str]") -> Iterator[None]:
    yield
    assert process.poll() is None


def release(desk: Desk, order_id: int) -> None:
    desk.broker.scenario("release", {"orderId": order_id})


def fill_late(desk: Desk, bot: Bot) -> None:
    """Let an alert leave an order working, fill it, and wait for the follower."""
    release(desk, leave_working(desk, bot))
    until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "a late fill")


def test_fill_without_redis_is_booked_and_redis_knows_it_once_it_is_back(
    desk: Desk, redis_server: RedisServer
) -> None:
    bot, later = desk.next_bot(QUIET), desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)

    with redis_server.away():
        release(desk, order_id)
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill without Redis")

    fill_late(desk, later)
    assert desk.send(bot, "down", "10:30").summary == ("EXIT", "DI_DOWN", "filled")
    assert desk.in_redis(bot)["quantity"] == desk.booked(bot) == desk.held(bot) == 0


def test_fill_without_a_database_is_booked_once_it_is_back(
    desk: Desk, database_server: PostgresServer
) -> None:
    bot, later = desk.next_bot(QUIET), desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)
    connections, rests = ups(desk), said_in(desk).read_text().count("follow.put_off")
    desk.database.close()

    with database_server.away():
        release(desk, order_id)
        until(
            lambda: said_in(desk).read_text().count("follow.put_off") > rests,
            BOOKED_WITHIN_S,
            "a follower that rests",
        )

    until(lambda: is_booked(desk, bot), BACK_WITHIN_S, "the fill without a database")
    fill_late(desk, later)
    assert desk.send(bot, "down", "10:30").summary == ("EXIT", "DI_DOWN", "filled")
    assert desk.booked(bot) == desk.held(bot) == 0
    assert ups(desk) == connections


def test_killed_broker_is_followed_again_and_what_it_did_not_tell_is_caught_up_with(desk: Desk) -> None:
    untold, told, later = (desk.next_bot(QUIET) for _ in range(3))
    orders = [leave_working(desk, bot) for bot in (untold, told)]
    connections = ups(desk)
    desk.broker.scenario("faults", {"kind": "miss", "on": "socket", "times": 100})
    release(desk, orders[0])

    desk.broker.kill()
    desk.broker.start_again()
    release(desk, orders[1])

    until(lambda: is_booked(desk, untold), BACK_WITHIN_S, "the fill before the kill")
    until(lambda: is_booked(desk, told), BOOKED_WITHIN_S, "the fill after the start")
    fill_late(desk, later)
    assert ups(desk) == connections + 1


@pytest.mark.parametrize(
    ("terms", "moves_to", "price"),
    [
        ({"orderType": "Limit", "price": 6800}, "6799.00", Decimal("6800")),
        ({"orderType": "Stop", "stopPrice": 6900}, "6901.00", Decimal("6901")),
    ],
    ids=["limit", "stop"],
)
def test_resting_order_is_booked_once_when_the_price_reaches_it(
    desk: Desk, terms: dict[str, Any], moves_to: str, price: Decimal
) -> None:
    bot = desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)
    desk.broker.modify(order_id, **terms)
    release(desk, order_id)
    assert not desk.held(bot)

    desk.broker.scenario("prices", {"root": bot.root, "price": moves_to})

    until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill of the resting order")
    assert [fill["price"] for fill in desk.fills(bot)] == [price]
