"""The HTTP server: puts book, journal, sessions and routes together."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper import auth_routes, cash_routes, order_routes
from broker.paper.accounts import User, open_accounts
from broker.paper.book import Book
from broker.paper.exchange import Clock, Exchange
from broker.paper.journal import Journal
from broker.paper.prices import Prices
from broker.paper.products import Catalog
from broker.paper.read_routes import add_read_routes
from broker.paper.sessions import Sessions
from broker.paper.tables import Tables
from broker.paper.web import ACCOUNTS, CLOCK, EXCHANGE, SESSIONS, USER


@dataclass(frozen=True)
class Settings:
    """How one paper broker is run. `latency_s` delays every order's answer, and its fill by as much again."""

    data: Path
    user: User
    seed: int = 7
    latency_s: float = 0.0
    sync: bool = True


def make_app(settings: Settings, now: Clock) -> web.Application:
    """Return the application with its journal replayed.

    Raises JournalInUseError, JournalDamagedError, OSError.
    """
    tables, catalog = Tables(), Catalog(now())
    book = Book(tables, catalog, Prices(settings.seed, catalog, tables.prices))
    journal = Journal(settings.data, sync=settings.sync)
    exchange = Exchange(book, journal, now, latency_s=settings.latency_s)
    exchange.start()
    app = web.Application(
        middlewares=[auth_routes.require_token, refresh_catalog, order_routes.answer_refusals]
    )
    app[EXCHANGE] = exchange
    app[ACCOUNTS] = open_accounts()
    app[SESSIONS] = Sessions(settings.user, now)
    app[USER] = settings.user
    app[CLOCK] = now
    add_read_routes(app)
    for module in (auth_routes, cash_routes, order_routes):
        app.add_routes(module.routes)
    app.cleanup_ctx.append(_run_exchange)
    return app


@web.middleware
async def refresh_catalog(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Roll the front months before the first request of a new trade date is answered."""
    request.app[EXCHANGE].book.catalog.refresh(request.app[CLOCK]())
    return await handler(request)


async def _run_exchange(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[EXCHANGE].stop()
