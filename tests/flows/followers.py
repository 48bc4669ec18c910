"""A follower of the broker's stream beside a desk, and orders that leave it something to hear of."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.flows.desks import Bot, Desk
from tests.flows.processes import ROOT, stop
from tests.waiting import until

PLACE = "/order/placeorder"
# An incident lets a whole account only reduce.
QUIET, TRADED_BY_HAND = "PAPER-1", "PAPER-2"
STARTED_WITHIN_S = 30.0
BOOKED_WITHIN_S = 5.0


@contextmanager
def follower(desk: Desk) -> Iterator["subprocess.Popen[str]"]:
    """Run `manage.py follow_broker` beside the desk, from when it has caught up."""
    said_in(desk).touch()
    before = ups(desk)
    with said_in(desk).open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "follow_broker"],
            cwd=ROOT,
            env={**os.environ, **desk.environ},
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
        )
    try:
        until(lambda: ups(desk) > before, STARTED_WITHIN_S, "a stream that stands")
        # Earlier comparisons may be those of a web server that has just started.
        until(lambda: compared_at(desk) > up_at(desk), STARTED_WITHIN_S, "a follower that has caught up")
        yield process
    finally:
        stop(process)


def said_in(desk: Desk) -> Path:
    """Return the file with all that the followers of a desk have said."""
    return Path(desk.environ["DESK_VAR"]) / "follower.log"


def ups(desk: Desk) -> int:
    """Return how often a stream came up."""
    return said_in(desk).read_text().count("stream.up")


def up_at(desk: Desk) -> datetime:
    """Return when the latest stream came up."""
    *_, last = (line for line in said_in(desk).read_text().splitlines() if "stream.up" in line)
    return datetime.fromisoformat(last.split()[0])


def compared_at(desk: Desk) -> datetime:
    """Return when all accounts had been compared with the broker."""
    (row,) = desk.database.rows("SELECT min(reconciled_at) AS oldest FROM tradedesk_account")
    oldest: datetime = row["oldest"]
    return oldest


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
