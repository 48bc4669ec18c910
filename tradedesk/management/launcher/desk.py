import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradedesk import desk_file, wiring
from tradedesk.management import alerts
from tradedesk.management.launcher import programs
from tradedesk.management.launcher.plan import HOST, Plan, make_plan
from tradedesk.management.launcher.programs import redis_answers, status_of
from tradedesk.management.launcher.supervisor import Stopped, Supervisor, Trouble, say

REDIS_WITHIN_S = 10
PAPER_WITHIN_S = 15
DATABASE_WITHIN_S = 120
WEB_WITHIN_S = 30
READY_WITHIN_S = 20
GIVEN_WITHIN_S = 3
# An address that this version of the desk does not have yet is no reason to wait.
READY = {200, 404}


def run(root: Path, var: Path, inherited: Mapping[str, str], parent: int | None = None) -> int:
    """Start the desk of this checkout, watch it until it is stopped, and return the exit code.

    With `parent`, the id of the make that started this, an interrupt sent to make alone stops the desk too.
    """
    os.umask(0o077)
    (var / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    var.chmod(0o700)
    try:
        with _alone(var):
            plan = make_plan(var, inherited)
            supervisor = Supervisor(
                environment=plan.environment(inherited), folder=root, logs=var / "logs", parent=parent
            )
            return _run(plan, supervisor, with_sample=inherited.get("SAMPLE") != "0")
    except Trouble as trouble:
        say(str(trouble))
    except KeyboardInterrupt:
        say("Interrupted before anything was started.")
    return 1


def _run(plan: Plan, supervisor: Supervisor, *, with_sample: bool) -> int:
    try:
        _Start(plan, supervisor, with_sample=with_sample).go()
        supervisor.watch()
    except Stopped:
        say("\nStopping …")
        return 0
    except Trouble as trouble:
        say(f"\n{trouble}\nThe desk stops. Logs are in {plan.var / 'logs'}.")
        return 1
    finally:
        supervisor.stop_all()
        desk_file.write(plan.file, plan.desk)
        say("The desk is stopped.")


class _Start:
    """One start of the desk, step by step, each told in a line."""

    def __init__(self, plan: Plan, supervisor: Supervisor, *, with_sample: bool) -> None:
        self._plan = plan
        self._supervisor = supervisor
        self._with_sample = with_sample

    def go(self) -> None:
        """Start everything and tell how to use it. Raises Trouble or Stopped."""
        say(f"TradeDesk starts. Its state is kept in {self._plan.var}.")
        self._keep_secrets()
        self._start_redis()
        self._start_paper_broker()
        facts = self._prepare_database()
        self._start_web_and_worker()
        is_ready = self._wait_until_ready()
        color = facts["color"]
        if self._with_sample and is_ready and not facts["has_alerts"]:
            color = self._play_sample()
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
            self._supervisor.wait_until(
                lambda: redis_answers(url), GIVEN_WITHIN_S, "The Redis of REDIS_URL did not answer"
            )
            _step("redis", "the one of REDIS_URL")
            return
        process = self._supervisor.start("redis", programs.valkey(self._plan))
        self._supervisor.wait_until(
            lambda: redis_answers(url), REDIS_WITHIN_S, "redis did not answer", process
        )
        _step("redis", f"{HOST}:{port}")

    def _start_paper_broker(self) -> None:
        url, port = self._plan.desk["paper_broker_url"], self._plan.paper_port
        if port is None:
            answers = self._supervisor.holds(lambda: status_of(url) is not None, GIVEN_WITHIN_S)
            _step("paper broker", f"{url}{'' if answers else ', which does not answer'}")
            return
        process = self._supervisor.start("paper_broker", programs.paper_broker(self._plan))
        self._supervisor.wait_until(
            lambda: status_of(url) is not None, PAPER_WITHIN_S, "paper_broker did not answer", process
        )
        _step("paper broker", url)

    def _prepare_database(self) -> dict[str, Any]:
        printed = self._supervisor.run("prepare", programs.PREPARE, DATABASE_WITHIN_S)
        where = self._plan.var / "desk.sqlite3" if self._plan.on_sqlite else "the one of DATABASE_URL"
        _step("database", f"{where}, migrated")
        facts: dict[str, Any] = json.loads(printed)
        return facts

    def _start_web_and_worker(self) -> None:
        """Start what imports the whole project at the same time: on two cores that takes half as long."""
        web = self._supervisor.start("web", programs.web(self._plan))
        self._supervisor.start("worker", programs.WORKER)
        self._supervisor.start("beat", programs.BEAT)
        base_url = self._plan.desk["base_url"]
        self._supervisor.wait_until(
            lambda: status_of(f"{base_url}/healthz") in READY, WEB_WITHIN_S, "web did not answer", web
        )
        _step("web, worker", base_url)

    def _wait_until_ready(self) -> bool:
        address = f"{self._plan.desk['base_url']}/readyz"
        is_ready = self._supervisor.holds(lambda: status_of(address) in READY, READY_WITHIN_S)
        _step("ready", "reconciled with the broker" if is_ready else f"not yet, see {address}")
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
                break
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


def _step(name: str, text: object) -> None:
    say(f"  {name:13} {text}")
