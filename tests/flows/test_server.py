"""The lines of the unit files start a desk that trades, as a server that the world can reach."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Desk
from tests.flows.processes import Program, manage
from tests.server.files import command
from tests.waiting import until

BACKGROUND = ("worker", "beat", "follower")
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    facing = {"DESK_LOCAL": "false", "TRUSTED_PROXIES": "1", "BEHIND_TLS_PROXY": "true"}
    with open_desk(web_command=command("web"), workers=2, **facing) as opened:
        yield opened


@pytest.fixture(scope="module")
def programs(desk: Desk) -> Iterator[dict[str, Program]]:
    """Return what runs beside the web server, as the units start it."""
    var = Path(desk.environ["DESK_VAR"])
    running = {name: Program(command(name), desk.environ, var / f"{name}.log") for name in BACKGROUND}
    yield running
    for program in running.values():
        program.stop()


def test_desk_of_the_unit_files_trades_and_looks_after_itself(
    desk: Desk, programs: dict[str, Program]
) -> None:
    bot = desk.next_bot()

    answers = [desk.send(bot, word, bar).summary for word, bar in (("blue", "10:10"), ("down", "10:15"))]

    assert answers == [("ENTER_LONG", "TREND_BLUE", "filled"), ("EXIT", "DI_DOWN", "filled")]
    until(lambda: _done(desk) >= {"go_on_flattening", "send_notices"}, WITHIN_S, "the worker's tasks")
    until(lambda: _roles(desk) == {"web", "worker", "follower"}, WITHIN_S, "signs of life of all processes")
    assert {name: program.process.poll() for name, program in programs.items()} == dict.fromkeys(BACKGROUND)
    assert desk.ask("/healthz").status == 200


def test_doctor_finds_nothing_against_the_servers_settings(desk: Desk, programs: dict[str, Program]) -> None:
    looked = manage(desk.environ, "doctor")

    assert (looked.returncode, "server" in looked.stdout) == (0, True), looked.stdout


def _done(desk: Desk) -> set[str]:
    rows = desk.database.rows("SELECT name FROM tradedesk_taskrun WHERE succeeded_at IS NOT NULL")
    return {row["name"] for row in rows}


def _roles(desk: Desk) -> set[str]:
    return {row["role"] for row in desk.database.rows("SELECT role FROM tradedesk_runningprocess")}
