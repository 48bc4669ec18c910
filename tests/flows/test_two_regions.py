"""Two regions with web servers of their own on one database: alerts reach both, one of them trades."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import embedded
from tests.flows.conftest import OpenDesk, empty_redis
from tests.flows.desks import Desk
from tests.flows.processes import Web, manage
from tests.waiting import until

EAST, WEST = 1, 2
NOT_REACHED = ("NONE", "NOT_REACHED", None)


@pytest.fixture
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def region(desk: Desk, number: int) -> dict[str, str]:
    """Return the environment of a region: its name, and a Redis of its own."""
    return {**desk.environ, "DESK_REGION": f"region-{number}", "REDIS_URL": empty_redis(12 + number)}


def test_alerts_reach_both_regions_and_the_holder_of_the_lease_trades(desk: Desk) -> None:
    regions = [desk.environ, region(desk, EAST), region(desk, WEST)]
    assert manage(regions[EAST], "lease", "take", "--reason", "test").returncode == 0
    for number in (EAST, WEST):
        said = Path(desk.environ["DESK_VAR"]) / f"region-{number}.log"
        desk.webs.append(Web(embedded.free_port(), regions[number], said))
        desk.webs[number].wait_until_loaded()
    bot = desk.next_bot()
    until(lambda: desk.ask("/readyz", web=EAST).status == 200, 30, "the first region is ready")

    # What the one that waits leaves behind changes nothing, whenever the other comes to it.
    assert desk.send(bot, "up", "10:00", web=WEST).summary == NOT_REACHED
    assert desk.send(bot, "red", "10:20", web=EAST).summary == ("ENTER_SHORT", "TREND_RED", "filled")
    assert desk.ask("/readyz", web=WEST).body["checks"]["lease"]["ok"] is False

    assert manage(regions[WEST], "lease", "release", "--reason", "test").returncode == 0
    assert manage(regions[WEST], "lease", "take", "--reason", "test").returncode == 0

    assert desk.send(bot, "red", "10:40", web=EAST).summary == NOT_REACHED
    until(lambda: desk.ask("/readyz", web=WEST).status == 200, 60, "the second region is ready")
    assert desk.send(bot, "blue", "11:00", web=WEST).summary == ("REVERSE_TO_LONG", "TREND_BLUE", "filled")
    assert (desk.booked(bot), desk.held(bot)) == (1, 1)
