"""The HTTP server: puts book, journal, sessions and routes together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from broker.paper.clock import MovableClock
from broker.paper.engine.book import Book
from broker.paper.engine.exchange import Clock, Exchange
from broker.paper.journal import Journal
from broker.paper.market.prices import Prices
from broker.paper.market.products import Catalog
from broker.paper.records.accounts import User, open_accounts
from broker.paper.records.tables import Tables
from broker.paper.rest import accounts as account_routes
from broker.paper.rest import auth as auth_routes
from broker.paper.rest import cash as cash_routes
from broker.paper.rest import contracts as contract_routes
from broker.paper.rest import orders as order_routes
from broker.paper.rest import risk as risk_routes
from broker.paper.rest.limits import LIMITS, Limits, keep_limits
from broker.paper.rest.penalties import PENALTIES, Penalties, check_tickets
from broker.paper.rest.reads import add_read_routes
from broker.paper.rest.sessions import Sessions
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, SCENARIOS, SESSIONS, USER
from broker.paper.scenarios import price_feed
from broker.paper.scenarios import routes as scenario_routes
from broker.paper.scenarios.faults import FAULTS, Faults
from broker.paper.scenarios.mishaps import meet_faults
from broker.paper.socket import routes as socket_routes
from broker.paper.socket.connection import Monotonic
from broker.paper.socket.feed import FEED, Feed
from broker.paper.socket.routes import MONOTONIC


@dataclass(frozen=True)
class Settings:
    """How one paper broker is run.

    `latency_s` delays every order's answer, and its fill by as much again. With `sessions` the exchange keeps
    its hours, with `limits` Tradovate's limits on requests hold, with `scenarios` tests may make things go
    wrong. `bars` are played a bar each `bar_s`, by root; `walk_s` moves prices in time.
    """

    data: Path
    user: User
    seed: int = 7
    latency_s: float = 0.0
    sync: bool = True
    sessions: bool = False
    limits: bool = False
    scenarios: bool = False
    bars: Mapping[str, Path] = field(default_factory=dict)
    bar_s: float = 1.0
    walk_s: float = 0.0


def make_app(settings: Settings, now: Clock, monotonic: Monotonic = time.monotonic) -> web.Application:
    """Return the application with its journal replayed.

    Raises JournalInUseError, JournalDamagedError, BarsError, OSError.
    """
    clock = MovableClock(now)
    tables, catalog = Tables(), Catalog(clock())
    prices = Prices(settings.seed, catalog, tables.prices)
    book = Book(tables, catalog, prices, sessions=settings.sessions)
    bars = {root: price_feed.read_bars(path) for root, path in settings.bars.items()}
    if unknown := [root for root in bars if catalog.products.named(root) is None]:
        raise price_feed.BarsError(f"no product {', '.join(unknown)}")
    journal = Journal(settings.data, sync=settings.sync)
    exchange = Exchange(book, journal, clock, latency_s=settings.latency_s)
    exchange.start()
    app = web.Application(middlewares=list(_middlewares(settings)))
    faults = Faults()
    feed, sessions = Feed(faults), Sessions(settings.user, clock)
    exchange.listeners.append(feed.publish)
    sessions.listeners.append(feed.end_session)
    app[EXCHANGE], app[ACCOUNTS], app[SESSIONS] = exchange, open_accounts(), sessions
    app[USER] = settings.user
    app[CLOCK] = clock
    app[MONOTONIC] = monotonic
    app[FAULTS], app[FEED], app[SCENARIOS] = faults, feed, settings.scenarios
    app[PENALTIES], app[LIMITS] = Penalties(clock), Limits(clock)
    _add_routes(app, settings)
    app.on_shutdown.append(_end_sockets)
    app.cleanup_ctx.append(_run_exchange)
    moving = [
        partial(price_feed.play, exchange, root, prices_of, settings.bar_s, asyncio.sleep)
        for root, prices_of in bars.items()
    ]
    if settings.walk_s:
        moving.append(partial(price_feed.walk, exchange, settings.walk_s, asyncio.sleep))
    app.cleanup_ctx.append(partial(_move_prices, moving))
    return app


def _middlewares(settings: Settings) -> Iterator[Middleware]:
    """Return what every request passes, the outermost first; an order pays for nothing that is off."""
    if settings.scenarios:
        yield scenario_routes.count_requests
    if settings.scenarios or settings.limits:
        yield check_tickets
    if settings.limits:
        yield keep_limits
    yield auth_routes.require_token
    if settings.scenarios:
        yield meet_faults
    yield keep_time
    yield order_routes.answer_refusals


def _add_routes(app: web.Application, settings: Settings) -> None:
    add_read_routes(app)
    for module in (
        account_routes,
        auth_routes,
        cash_routes,
        contract_routes,
        order_routes,
        risk_routes,
        socket_routes,
    ):
        app.add_routes(module.routes)
    app.add_routes(scenario_routes.feed_routes)
    if settings.scenarios:
        scenario_routes.add_scenario_routes(app)


@web.middleware
async def keep_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the exchange see the time before a request is answered: orders expire, front months roll."""
    request.app[EXCHANGE].pass_time()
    return await handler(request)


async def _end_sockets(app: web.Application) -> None:
    app[FAULTS].stop()
    app[FEED].stop()


async def _run_exchange(app: web.Application) -> AsyncIterator[None]:
    clock = asyncio.create_task(app[EXCHANGE].keep_time())
    yield
    clock.cancel()
    await app[EXCHANGE].stop()


async def _move_prices(
    moving: Sequence[Callable[[], Coroutine[None, None, None]]], _app: web.Application
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(move()) for move in moving]
    yield
    for task in tasks:
        task.cancel()
