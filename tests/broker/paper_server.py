"""A paper broker on a real socket within the test's own process, with clocks that the test moves."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from broker.paper.records.accounts import User
from broker.paper.server import Settings, make_app

ACCOUNT = 1_100_001
USER_ID = 1_500_001


class Clock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


class Seconds:
    """A monotonic clock that moves when the test says so."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


class Server:
    """A paper broker in a thread, user paper, password secret."""

    def __init__(self, data: Path, clock: Clock | None = None, **settings: Any) -> None:
        self.clock = clock or Clock()
        self.seconds = Seconds()
        self.settings = Settings(data, User("paper", "secret"), sync=False, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner, self.url = self._call(self._start())

    @property
    def socket_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/websocket"

    def stop(self) -> None:
        self._call(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _start(self) -> tuple[web.AppRunner, str]:
        app = make_app(self.settings, self.clock, self.seconds)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


@contextmanager
def running(data: Path, **settings: Any) -> Iterator[Server]:
    """Run a paper broker for as long as the block lasts."""
    server = Server(data, **settings)
    try:
        yield server
    finally:
        server.stop()


def log_in(client: httpx.Client) -> dict[str, Any]:
    reply = client.post("/auth/accesstokenrequest", json={"name": "paper", "password": "secret", "cid": 1})
    assert reply.status_code == 200
    return dict(reply.json())
