import tempfile
from collections.abc import Awaitable
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from broker.paper.journal import Journal
from broker.paper.records.accounts import User
from broker.paper.rest.web import BODY
from broker.paper.server import Settings, make_app
from tests.fakes import START

USER = User("paper", "paper")


@cache
def server() -> web.Application:
    """Return the paper broker's application; every story puts a fresh book into it."""
    with tempfile.TemporaryDirectory() as folder:
        # It opens its journal, and writes nothing there: each story's book has none.
        return make_app(Settings(Path(folder) / "journal", USER, sync=False), lambda: START)


@cache
def handlers() -> dict[str, Handler]:
    """Return what answers each path, middlewares included."""
    app, found = server(), {}
    for route in app.router.routes():
        handler: Handler = route.handler
        for middleware in reversed(app.middlewares):
            handler = partial(middleware, handler=handler)
        if route.resource is not None:
            found[route.resource.canonical] = handler
    return found


class BareRequest(dict[Any, Any]):
    """What the paper broker's handlers ask of a request."""

    match_info = SimpleNamespace(http_exception=None)

    def __init__(self, raw: httpx.Request) -> None:
        super().__init__({BODY: raw.content})
        self.app = server()
        self.headers = raw.headers
        self.rel_url = URL(raw.url.raw_path.decode(), encoded=True)
        self.path, self.query = self.rel_url.path, self.rel_url.query


class NoJournal(Journal):
    """Remembers nothing: a story has no broker that restarts."""

    def __init__(self) -> None: ...

    def append(self, *_: object) -> None: ...


def run_at_once[T](work: Awaitable[T]) -> T:
    """Return what a coroutine makes that waits for nothing: without latency, none of the broker's does."""
    try:
        next(work.__await__())
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the paper broker waits for something")
