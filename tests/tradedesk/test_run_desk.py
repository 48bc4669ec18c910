import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.embedded import free_port
from tests.waiting import is_running, until

ROOT = Path(__file__).resolve().parents[2]
UP_WITHIN_S, DOWN_WITHIN_S = 60, 20
KEYS = [
    "base_url",
    "webhook_url",
    "webhook_token",
    "admin_user",
    "admin_password",
    "api_token",
    "paper_broker_url",
    "redis_url",
    "database_url",
    "pids",
]


def environment(var: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing is given but where the desk keeps its state."""
    given = {"DESK_LOCAL", "SECRET_KEY", "LOG_LEVEL", "PORT", "SAMPLE"}
    inherited = {name: value for name, value in os.environ.items() if name not in given}
    # Empty, so that a .env in this checkout does not bring the services of its owner in.
    empty = {"REDIS_URL": "", "PAPER_BROKER_URL": "", "DATABASE_URL": f"sqlite:///{var / 'desk.sqlite3'}"}
    return {**inherited, **empty, "DESK_VAR": str(var), **more}


def run(given: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py to its end."""
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=dict(given), capture_output=True, text=True, check=False)


def manage(var: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py by hand beside the desk: nothing is given but where its state is."""
    services = {"REDIS_URL", "PAPER_BROKER_URL", "DATABASE_URL"}
    return run({name: value for name, value in environment(var).items() if name not in services}, *words)


@dataclass
class Desk:
    """A desk that was started as `make run` starts it."""

    var: Path
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def file(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.var / "desk.json").read_text())
        return content

    @property
    def pids(self) -> list[int]:
        return [pid for pids in self.file["pids"].values() for pid in pids]

    def end(self) -> int:
        return self.process.wait(DOWN_WITHIN_S)

    def bots(self) -> list[dict[str, Any]]:
        """Return the bots as the API of the running desk shows them to the token of desk.json."""
        headers = {"Authorization": f"Token {self.file['api_token']}"}
        response = httpx.get(f"{self.file['base_url']}/api/v1/bots/", headers=headers)
        rows: list[dict[str, Any]] = response.raise_for_status().json()["results"]
        return rows


def start(var: Path, **more: str) -> Desk:
    """Start a desk and return it once it tells how to stop it."""
    output = var.parent / f"output-{len(list(var.parent.iterdir()))}"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_desk"],
            cwd=ROOT,
            env=environment(var, **more),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    desk = Desk(var, process, output)
    until(lambda: "Ctrl-C stops" in desk.said or process.poll() is not None, UP_WITHIN_S, "the desk is up")
    assert process.poll() is None, desk.said
    return desk


def without_pids(file: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in file.items() if name != "pids"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return a desk at its first start, on a port that the environment gives."""
    desk = start(tmp_path_factory.mktemp("desk") / "var", PORT=str(free_port()))
    yield desk
    if desk.process.poll() is None:
        desk.process.terminate()
        desk.end()


def test_first_start_plays_the_sample_through_the_webhook(desk: Desk) -> None:
    played = [line.split() for line in desk.said.splitlines() if "mes-paper:" in line or "HEARTBEAT" in line]

    assert [(words[0], words[2] if len(words) > 2 else words[1]) for words in played] == [
        ("LONG_ENTRY", "ENTER_LONG"),
        ("DI_CROSS_DOWN", "EXIT"),
        ("DI_CROSS_UP", "REENTER_LONG"),
        ("LONG_ENTRY", "NONE"),
        ("SHORT_ENTRY", "REVERSE_TO_SHORT"),
        ("HEARTBEAT", "heartbeat"),
    ]


def test_desk_file_holds_what_others_rely_on_and_is_private(desk: Desk) -> None:
    file = desk.file

    assert list(file) == KEYS
    assert list(file["pids"]) == ["redis", "paper_broker", "web", "worker", "beat"]
    assert all(is_running(pid) for pid in desk.pids)
    assert file["webhook_url"] == f"{file['base_url']}/webhooks/tradingview/{file['webhook_token']}/"
    assert stat.S_IMODE((desk.var / "desk.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.var.stat().st_mode) == 0o700


def test_printed_command_trades_when_it_is_pasted(desk: Desk) -> None:
    command = next(line for line in desk.said.splitlines() if line.startswith("curl "))
    # A shell fills the times in; the arguments then go out without the curl that a machine may lack.
    pasted = subprocess.check_output(
        [
            "sh",
            "-c",
            f"""curl() {{ printf '%s\n' "$@"; }}
{command}""",
        ],
        text=True,
    )
    arguments = pasted.splitlines()

    answer = httpx.post(arguments[1], content=arguments[3].encode()).json()

    (decision,) = answer["decisions"]
    assert (decision["action"], decision["order"]["status"]) == ("REVERSE_TO_LONG", "filled")
    (bot,) = desk.bots()
    assert (bot["slug"], bot["current_position"], bot["quantity"]) == ("mes-paper", "LONG", 1)


def test_manage_by_hand_finds_the_running_desk(desk: Desk) -> None:
    sent = manage(desk.var, "send_alert", "--trend", "red")
    looked = manage(desk.var, "doctor")

    assert sent.returncode == 0, sent.stderr
    assert "mes-paper: REVERSE_TO_SHORT (TREND_RED), SELL 2 MESZ6 filled" in sent.stdout
    assert looked.returncode == 0, looked.stdout
    assert "logged in, trades on PAPER-1" in looked.stdout
    assert "requirepass" not in looked.stdout
    assert desk.file["redis_url"] not in looked.stdout


def test_second_start_is_refused_with_the_address_of_the_first(desk: Desk) -> None:
    second = run(environment(desk.var), "run_desk")

    assert second.returncode == 1
    assert second.stdout == f"The desk of this checkout runs already: {desk.file['base_url']}\n"
    assert desk.process.poll() is None


def test_stop_leaves_nothing_and_a_restart_finds_everything(desk: Desk) -> None:
    before, pids = without_pids(desk.file), desk.pids

    desk.process.send_signal(signal.SIGTERM)

    assert desk.end() == 0
    assert not any(is_running(pid) for pid in pids)
    assert desk.file == {**before, "pids": {}}

    again = start(desk.var)
    try:
        assert without_pids(again.file) == before
        assert "sample" not in again.said
        assert again.bots()[0]["current_position"] == "SHORT"
    finally:
        pids = again.pids
        again.process.kill()
        again.process.wait()
    if sys.platform == "linux":
        until(lambda: not any(map(is_running, pids)), DOWN_WITHIN_S, "what a killed launcher left has ended")


def test_death_of_one_process_is_named_and_stops_the_others(desk: Desk) -> None:
    assert desk.process.poll() is not None
    again = start(desk.var)
    pids = again.pids

    os.kill(again.file["pids"]["web"][-1], signal.SIGKILL)

    assert again.end() == 1
    assert "web (process " in again.said
    assert "Unexpected exit from worker-1" in again.said
    assert not any(is_running(pid) for pid in pids)


def test_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = run(environment(tmp_path / "var", PORT=str(port)), "run_desk")

    assert refused.returncode == 1
    assert f"Port {port} is taken by another program." in refused.stdout
