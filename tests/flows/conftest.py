import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from itertools import count
from typing import Any

import pytest
import redis

from tests import embedded
from tests.flows.brokers import PaperBroker
from tests.flows.databases import Database, Postgres, Sqlite, postgres
from tests.flows.desks import Desk
from tests.flows.processes import ROOT, Web

type OpenDesk = Callable[..., AbstractContextManager[Desk]]


@pytest.fixture(scope="session")
def template() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the name of a database with bots of every kind in it, to be copied, and their secrets."""
    name = f"flows_{secrets.token_hex(4)}"
    with postgres(name) as database:
        yield name, make_rows(database.url)


@pytest.fixture(scope="session")
def open_desk(template: tuple[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> OpenDesk:
    """Return what opens a desk with its own database and broker, and closes it again."""
    name, known = template
    # The copies have the same bots, so each desk needs a Redis database of its own.
    numbers = count(1)
    file = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    on_file = cache(lambda: make_rows(Sqlite(file).url))

    @contextmanager
    def open_one(
        *,
        latency_s: float = 0.0,
        servers: int = 1,
        workers: int = 1,
        threads: int = 8,
        web_command: Sequence[str] = (),
        on_sqlite: bool = False,
        redis_url: str = "",
        own_database: Postgres | None = None,
        broker_url: Callable[[PaperBroker], str] = lambda broker: broker.url,
        **environ: str,
    ) -> Iterator[Desk]:
        var = tmp_path_factory.mktemp("desk")
        with ExitStack() as stack:
            database: Database
            if on_sqlite:
                database, bots = Sqlite(var / "desk.sqlite3"), on_file()
                shutil.copy(file, var / "desk.sqlite3")
            elif own_database:
                database, bots = own_database, make_rows(own_database.url)
            else:
                copy = f"flows_{secrets.token_hex(4)}"
                database, bots = stack.enter_context(postgres(copy, template=name)), known
            broker = PaperBroker(var / "paper.journal", latency_s=latency_s)
            stack.callback(broker.stop)
            desk = Desk(
                database,
                {
                    "DATABASE_URL": database.url,
                    "REDIS_URL": redis_url or empty_redis(next(numbers)),
                    "PAPER_BROKER_URL": broker_url(broker),
                    "PAPER_BROKER_PASSWORD": broker.password,
                    "WEBHOOK_RATE_PER_MINUTE": "0",
                    "WEBHOOK_ALLOWED_ADDRESSES": "",
                    "DESK_VAR": str(var),
                    "LOG_LEVEL": "INFO",
                    **environ,
                },
                broker,
                bots,
            )
            for number in range(servers):
                said = var / f"web-{number}.log"
                web = Web(
                    embedded.free_port(),
                    desk.environ,
                    said,
                    workers=workers,
                    threads=threads,
                    command=web_command,
                )
                desk.webs.append(web)
            stack.callback(desk.stop)
            if desk.webs:
                desk.wait_until_trading()
            yield desk

    return open_one


@pytest.fixture(scope="module")
def flow(open_desk: OpenDesk) -> Iterator[Desk]:
    """Return the desk of a module: one web process, PostgreSQL, Redis, a broker that answers at once."""
    with open_desk() as desk:
        yield desk


def empty_redis(number: int) -> str:
    """Return the address of an empty database of the suite's Redis, of which there are fifteen to use."""
    url = os.environ["REDIS_URL"].rpartition("/")[0] + f"/{(number - 1) % 15 + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def make_rows(database_url: str) -> dict[str, Any]:
    """Make the tables and the bots in an empty database, and return their secrets."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.flows.rows"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    secrets_made: dict[str, Any] = json.loads(made.stdout)
    return secrets_made
