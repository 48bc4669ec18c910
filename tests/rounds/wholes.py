"""A desk with every process that it has on a server, each of which a test can kill and start again."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError

from tests import embedded
from tests.flows.brokers import PaperBroker
from tests.flows.conftest import make_rows
from tests.flows.desks import Desk
from tests.flows.processes import Program, Web
from tests.flows.relays import Relay
from tests.flows.servers import PostgresServer, RedisServer
from tradedesk.management.launcher.programs import BEAT, WORKER

FOLLOWER = [sys.executable, "manage.py", "follow_broker"]


@dataclass(frozen=True)
class Whole:
    """Two web servers, worker, beat and follower on a PostgreSQL, a Redis and a broker of their own."""

    desk: Desk
    postgres: PostgresServer
    redis: RedisServer
    redis_relay: Relay
    worker: Program
    beat: Program
    follower: Program
    _queue: Celery

    def tick(self, task: str) -> None:
        """Give the worker a task as beat does, only sooner. Where Redis is away the next tick counts."""
        try:
            self._queue.send_task(f"tradedesk.tasks.{task}", retry=False, expires=10, ignore_result=True)
        except OperationalError:
            return

    def ended(self) -> list[int]:
        """Return how those of the desk's processes ended that do not run, which none of these may do."""
        programs: list[Web | Program] = [*self.desk.webs, self.worker, self.beat]
        return [code for program in programs if (code := program.process.poll()) is not None]

    def supervise(self) -> None:
        """Start the follower again if it ended, as it may where a part is away at its start."""
        if self.follower.process.poll() is not None:
            self.follower.start_again()

    def tasks_done(self) -> int:
        """Return how many tasks the worker has ended well so far."""
        return self.worker.said.read_text().count("] succeeded")


@contextmanager
def open_whole(var: Path) -> Iterator[Whole]:
    """Open a desk with all its processes, and close it again."""
    with ExitStack() as stack:
        postgres, redis = PostgresServer(), RedisServer()
        stack.callback(postgres.stop)
        stack.callback(redis.kill)
        redis_relay = Relay(redis.port)
        stack.callback(redis_relay.close)
        broker = PaperBroker(var / "paper.journal", latency_s=0.05)
        stack.callback(broker.stop)
        environ = {
            "DATABASE_URL": postgres.database.url,
            "REDIS_URL": f"redis://127.0.0.1:{redis_relay.port}/0",
            "PAPER_BROKER_URL": broker.url,
            "PAPER_BROKER_PASSWORD": broker.password,
            "WEBHOOK_RATE_PER_MINUTE": "0",
            "WEBHOOK_ALLOWED_ADDRESSES": "",
            "DESK_VAR": str(var),
            "LOG_LEVEL": "INFO",
        }
        desk = Desk(postgres.database, environ, broker, make_rows(postgres.database.url))
        desk.webs += [Web(embedded.free_port(), environ, var / f"web-{number}.log") for number in range(2)]
        stack.callback(desk.stop)
        worker, beat, follower = (
            Program(command, environ, var / f"{name}.log")
            for name, command in (("worker", WORKER), ("beat", BEAT), ("follower", FOLLOWER))
        )
        for program in (worker, beat, follower):
            stack.callback(program.stop)
        desk.wait_until_trading()
        queue = stack.enter_context(Celery(broker=redis.url, set_as_current=False))
        yield Whole(desk, postgres, redis, redis_relay, worker, beat, follower, queue)
