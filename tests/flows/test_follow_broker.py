"""User sync on a server books what happens at the broker at once; polling does so where nobody follows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Bot, Desk
from tests.flows.processes import ROOT, stop
from tests.waiting import until

PLACE = "/order/placeorder"
BOOKED_WITHIN_S = 5.0
# Two looks, six seconds apart.
NOTICED_WITHIN_S = 15.0


@contextmanager
def follower(desk: Desk) -> Iterator[None]:
    """Run `manage.py follow_broker` beside the desk, from when it has caught up."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "follow_broker"],
        cwd=ROOT,
        env={**os.environ, **desk.environ},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("Following ")
        yield
        stop(process)


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def fate(desk: Desk, **what: Any) -> None:
    desk.broker.scenario("faults", {"kind": "fate", "on": PLACE, **what})


def leave_working(desk: Desk, bot: Bot) -> int:
    """Let an alert leave an order working, and return the broker's id of it."""
    fate(desk, hold=True)
    assert desk.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "working")
    (order,) = desk.orders(bot)
    return int(order["broker_order_id"])


def is_booked(desk: Desk, bot: Bot) -> bool:
    (order,) = desk.orders(bot)
    return (order["status"], desk.booked(bot), len(desk.fills(bot))) == ("filled", 1, 1)


def test_late_fill_lands_within_a_second_and_once(desk: Desk) -> None:
    bot = desk.next_bot()
    with follower(desk):
        order_id = leave_working(desk, bot)
        desk.broker.scenario("faults", {"kind": "duplicate", "on": "socket", "times": 20})
        desk.broker.scenario("faults", {"kind": "reorder", "on": "socket", "times": 5})

        desk.broker.scenario("release", {"orderId": order_id})
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the late fill")

    (took,) = desk.database.rows(
        "SELECT extract(epoch FROM f.created_at - f.filled_at) AS seconds FROM tradedesk_fill f"
        " JOIN tradedesk_bot b ON b.id = f.bot_id WHERE b.slug = %s",
        bot.slug,
    )
    assert took["seconds"] < 1
    assert desk.held(bot) == 1


def test_order_whose_answer_was_lost_is_booked_as_soon_as_it_is_told(desk: Desk) -> None:
    bot = desk.next_bot()
    with follower(desk):
        fate(desk, hold=True)
        desk.broker.scenario("faults", {"kind": "drop", "on": PLACE, "when": "after"})
        assert desk.send(bot, "blue", "10:10").summary[2] == "unconfirmed"
        order_id = max(row["id"] for row in desk.broker.rows("order"))

        desk.broker.scenario("release", {"orderId": order_id})
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the order without an answer")

    assert desk.open_incidents(bot) == []


def test_fill_while_nobody_followed_is_caught_up_at_the_next_start(desk: Desk) -> None:
    bot = desk.next_bot()
    desk.broker.scenario("release", {"orderId": leave_working(desk, bot)})

    with follower(desk):
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill that nobody told")

    assert desk.held(bot) == 1


def test_trade_of_a_person_becomes_an_incident(desk: Desk) -> None:
    bot = desk.next_bot()
    with follower(desk):
        desk.broker.place(bot.account, f"{bot.root}{front(desk, bot)}", "Buy")

        until(lambda: bool(desk.open_incidents(bot)), NOTICED_WITHIN_S, "the trade of a person")

    assert desk.open_incidents(bot) == ["POSITION_MISMATCH"]


def test_polling_alone_books_the_same(desk: Desk) -> None:
    bot = desk.next_bot()
    desk.broker.scenario("release", {"orderId": leave_working(desk, bot)})

    desk.let_seconds_pass(10)
    desk.recover()

    assert is_booked(desk, bot)


def front(desk: Desk, bot: Bot) -> str:
    """Return month and year of the contract that the broker calls the front month of a bot's root."""
    rows = desk.broker.client.get(
        "/contract/suggest", params={"t": bot.root, "l": 20}, headers=desk.broker._authorization
    ).json()
    for row in rows:
        maturity = desk.broker._ask(f"/contractMaturity/item?id={row['contractMaturityId']}")
        if maturity["isFront"] and row["name"].startswith(bot.root):
            return str(row["name"].removeprefix(bot.root))
    raise AssertionError(rows)
