import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.paper.scenarios.faults import Kind

ROOT = Path(__file__).parents[2]
OWN = ("-m", "broker.paper")


class Broker:
    """A paper broker in a process of its own, with a client that is logged in."""

    def __init__(self, *arguments: str, program: Sequence[str] = OWN, folder: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *program, "--port", "0", "--user", "paper", "--password", "paper", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.ready_line = self.process.stdout.readline()
        self.client = httpx.Client(base_url=self.ready_line.split()[-1] if self.ready_line else "")
        self.symbol = ""

    def log_in(self) -> None:
        login = self.client.post(
            "/auth/accesstokenrequest", json={"name": "paper", "password": "paper"}
        ).json()
        self.client.headers["Authorization"] = f"Bearer {login['accessToken']}"
        maturities = self.get("/contractMaturity/deps", masterid=self.get("/product/find", name="MES")["id"])
        front = next(row["id"] for row in maturities if row["isFront"])
        self.symbol = self.get("/contract/deps", masterid=front)[0]["name"]

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query).raise_for_status().json()

    def place(self, client_order_id: str, action: str = "Buy") -> int:
        body = {
            "accountId": 1_100_001,
            "symbol": self.symbol,
            "action": action,
            "orderQty": 1,
            "orderType": "Market",
            "clOrdId": client_order_id,
        }
        reply = self.client.post("/order/placeorder", json=body, headers={"X-Paper-Price": "6842.25"})
        return int(reply.json()["orderId"])

    def prices(self) -> list[float]:
        return [fill["price"] for fill in self.get("/fill/list")]

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal and return the exit code and what was said on standard error."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        if self.process.stdout is None or self.process.stdout.closed:
            return self.process.returncode, ""
        _, said = self.process.communicate(timeout=10)
        return self.process.returncode, said


type Start = Callable[..., Broker]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "paper.journal"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start brokers that end with the test at the latest."""
    started: list[Broker] = []

    def start_broker(*arguments: str, program: Sequence[str] = OWN, folder: Path = ROOT) -> Broker:
        started.append(Broker(*arguments, program=program, folder=folder))
        started[-1].log_in()
        return started[-1]

    yield start_broker
    for broker in started:
        broker.end(signal.SIGKILL)


@pytest.fixture
def broker(start: Start, journal: Path) -> Broker:
    return start("--data", str(journal))


def test_start_prints_one_line_with_the_address(broker: Broker) -> None:
    assert broker.ready_line == f"paper broker ready on {str(broker.client.base_url).rstrip('/')}\n"
    assert broker.client.base_url.host == "127.0.0.1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_stop_ends_the_process_cleanly(broker: Broker, number: signal.Signals) -> None:
    assert broker.end(number) == (0, "")


def test_killed_broker_knows_every_acknowledged_order_and_denies_old_tokens(
    broker: Broker, start: Start, journal: Path
) -> None:
    orders = {broker.place(f"desk-{number}"): f"desk-{number}" for number in range(5)}
    orders[broker.place("desk-exit", "Sell")] = "desk-exit"
    rows = {kind: broker.get(f"/{kind}/list") for kind in ("order", "fill", "fillPair", "position")}
    old_token = broker.client.headers["Authorization"]
    broker.end(signal.SIGKILL)

    again = start("--data", str(journal))

    assert {row["orderId"]: row["clOrdId"] for row in again.get("/command/list")} == orders
    assert {kind: again.get(f"/{kind}/list") for kind in rows} == rows
    assert again.client.get("/order/list", headers={"Authorization": old_token}).status_code == 401


def test_journal_torn_by_a_crash_is_cut_back_to_the_last_whole_order(
    broker: Broker, start: Start, journal: Path
) -> None:
    kept = broker.place("desk-1")
    broker.end(signal.SIGKILL)
    with journal.open("ab") as file:
        file.write(b'[["order",{"id":663')

    again = start("--data", str(journal))

    assert [row["id"] for row in again.get("/order/list")] == [kept]
    assert again.place("desk-2") > kept
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_order_that_the_disk_refuses_is_not_acknowledged_and_stops_the_broker(
    start: Start, journal: Path
) -> None:
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (4_500, 4_500));"
        " runpy.run_module('broker.paper', run_name='__main__')"
    )
    broker = start("--data", str(journal), program=("-c", limited))
    kept = broker.place("desk-1")

    with pytest.raises(httpx.RemoteProtocolError):
        broker.place("desk-2")

    assert broker.process.wait(timeout=10) == 1
    assert "cannot write the journal" in broker.end(signal.SIGTERM)[1]
    again = start("--data", str(journal))
    assert [row["id"] for row in again.get("/order/list")] == [kept]


def test_same_seed_and_requests_give_the_same_prices(start: Start, tmp_path: Path) -> None:
    seen = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        broker = start("--data", str(tmp_path / name), "--seed", seed)
        for number in range(12):
            broker.place(f"desk-{number}")
        seen.append(broker.prices())

    assert seen[0] == seen[1] != seen[2]
    assert all(abs(price - 6842.25) <= 0.5 for prices in seen for price in prices)


def test_second_broker_on_one_journal_is_refused(broker: Broker, journal: Path) -> None:
    second = run("--port", "0", "--data", str(journal))

    assert second.returncode == 1
    assert "in use by another paper broker" in second.stderr


def test_damaged_journal_is_named_and_left_alone(journal: Path) -> None:
    journal.write_text("nonsense\n")

    ended = run("--port", "0", "--data", str(journal))

    assert ended.returncode == 1
    assert "line 1" in ended.stderr
    assert journal.read_text() == "nonsense\n"


def test_port_that_is_taken_is_named(broker: Broker, tmp_path: Path) -> None:
    port = str(broker.client.base_url.port)

    ended = run("--port", port, "--data", str(tmp_path / "other"))

    assert ended.returncode == 1
    assert port in ended.stderr


def test_help_shows_how_to_trade() -> None:
    shown = run("--help").stdout

    for word in ("--port", "--data", "--latency", "--seed", "placeorder", "X-Paper-Price"):
        assert word in shown


def test_help_names_every_kind_of_fault() -> None:
    shown = run("--help").stdout

    assert [kind for kind in Kind if not re.search(rf"\b{kind}\b", shown)] == []


def test_desk_command_has_the_flags_of_the_broker() -> None:
    own, command = (
        set(re.findall(r"--[a-z-]+", run("--help", program=program).stdout))
        for program in (OWN, ("manage.py", "paper_broker"))
    )

    assert own - command == set()


def test_desk_command_takes_paths_from_its_callers_folder_and_hands_the_login_on_unseen(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bars.csv").write_text("time,open,high,low,close\n1,7000,7000,7000,7000\n")
    for name in ("PAPER_BROKER_USER", "PAPER_BROKER_PASSWORD"):
        monkeypatch.setenv(name, "other")
    files = ("--data", "here.journal", "--bars", "MES=bars.csv", "--no-sync")

    broker = start(*files, program=(str(ROOT / "manage.py"), "paper_broker"), folder=tmp_path)
    broker.place("desk-1")

    command = subprocess.check_output(
        ["ps", "-ww", "-o", "command=", "-p", str(broker.process.pid)], text=True
    )
    assert "desk-1" in (tmp_path / "here.journal").read_text()
    assert command.rstrip().endswith(f"--bars MES={tmp_path}/bars.csv --no-sync")
    assert "password" not in command


def test_scenarios_are_opened_by_their_flag(start: Start, journal: Path, tmp_path: Path) -> None:
    closed, opened = (
        start("--data", str(journal)),
        start("--data", str(tmp_path / "other"), "--scenarios"),
    )

    statuses = [
        httpx.get(str(broker.client.base_url.copy_with(path="/paper/faults"))).status_code
        for broker in (closed, opened)
    ]

    assert statuses == [404, 200]


def test_limits_are_kept_by_their_flag(start: Start, journal: Path) -> None:
    broker = start("--data", str(journal), "--limits")
    wrong = {"name": "paper", "password": "wrong"}

    replies = [broker.client.post("/auth/accesstokenrequest", json=wrong) for _ in range(6)]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 200, 423, 200]
    assert replies[-1].json()["p-captcha"] is True


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--latency", "-1"), ("--latency", "nan")])
def test_argument_out_of_range_is_refused(arguments: tuple[str, str]) -> None:
    assert run(*arguments).returncode == 2


def test_paper_broker_imports_neither_framework_nor_client() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, broker.paper.__main__; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {name.split(".")[0] for name in listed.stdout.split()}
    assert not loaded & {"django", "redis", "celery", "httpx"}


def run(*arguments: str, program: Sequence[str] = OWN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
