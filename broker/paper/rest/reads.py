"""The reading operations, the same for every kind of row: list, item, items, deps, ldeps, find, suggest."""

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from broker.paper.records import wire
from broker.paper.records.tables import Table
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, query_id, query_ids, query_text, reply_text

type Source = Callable[[web.Application], Table[Any]]

DEFAULT_SUGGESTIONS = 10
ALWAYS = "item items deps ldeps"
# What the official document lists for each kind, without the look-ups that never match a nameless row.
OPERATIONS = {
    "currency": "list find suggest item items",
    "exchange": "list find suggest item items",
    "contractGroup": "list find suggest item items",
    "productSession": ALWAYS,
    "account": f"list find suggest {ALWAYS}",
    "product": f"list find suggest {ALWAYS}",
    "contract": f"find {ALWAYS}",
    "contractMaturity": ALWAYS,
    "order": f"list {ALWAYS}",
    "orderVersion": f"list {ALWAYS}",
    "command": f"list {ALWAYS}",
    "commandReport": f"list {ALWAYS}",
    "executionReport": f"list find {ALWAYS}",
    "fill": f"list {ALWAYS}",
    "fillPair": f"list {ALWAYS}",
    "fillFee": f"list {ALWAYS}",
    "position": f"list {ALWAYS}",
    "cashBalance": f"list {ALWAYS}",
    "marginSnapshot": f"list {ALWAYS}",
    "accountRiskStatus": f"list {ALWAYS}",
    "userAccountAutoLiq": f"list {ALWAYS}",
    "userAccountPositionLimit": ALWAYS,
    "userAccountRiskParameter": ALWAYS,
    "tradingPermission": f"list {ALWAYS}",
}


def add_read_routes(app: web.Application) -> None:
    """Give every kind its operations; GET and POST alike, since Tradovate does not enforce the method."""
    for kind, operations in OPERATIONS.items():
        reader = Reader(_source(kind))
        for operation in operations.split():
            app.router.add_route("*", f"/v1/{kind}/{operation}", getattr(reader, f"get_{operation}"))
    app.router.add_route("*", "/v1/contract/suggest", suggest_contracts)


class Reader:
    """The operations on one table. An unknown id or name is a 404 for one row and left out of many."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def get_list(self, request: web.Request) -> web.Response:
        """Answer all rows."""
        table = self._source(request.app)
        return reply_text(table.texts(table))

    async def get_item(self, request: web.Request) -> web.Response:
        """Answer the row of `id`."""
        return self._one(request, self._source(request.app).get(query_id(request, "id")))

    async def get_items(self, request: web.Request) -> web.Response:
        """Answer the rows of `ids`."""
        table = self._source(request.app)
        found = [table.get(row_id) for row_id in query_ids(request, "ids")]
        return reply_text(table.texts(row for row in found if row))

    async def get_deps(self, request: web.Request) -> web.Response:
        """Answer the dependants of `masterid`."""
        table = self._source(request.app)
        return reply_text(table.texts(table.of(query_id(request, "masterid"))))

    async def get_ldeps(self, request: web.Request) -> web.Response:
        """Answer the dependants of several `masterids`."""
        table = self._source(request.app)
        masters = query_ids(request, "masterids")
        return reply_text(table.texts(row for master in masters for row in table.of(master)))

    async def get_find(self, request: web.Request) -> web.Response:
        """Answer the row of exactly `name`."""
        return self._one(request, self._source(request.app).named(query_text(request, "name")))

    async def get_suggest(self, request: web.Request) -> web.Response:
        """Answer at most `l` rows whose name starts with `t`."""
        table = self._source(request.app)
        start = query_text(request, "t")
        found = [row for row in table if row.name.startswith(start)]
        return reply_text(table.texts(found[: _limit(request)]))

    def _one(self, request: web.Request, row: wire.Row | None) -> web.Response:
        if row is None:
            raise web.HTTPNotFound(text="Entity not found")
        return reply_text(self._source(request.app).text(row))


async def suggest_contracts(request: web.Request) -> web.Response:
    """List living contracts by the start of their name, the nearest expiry first."""
    catalog = request.app[EXCHANGE].book.catalog
    found = catalog.suggest(query_text(request, "t"), _limit(request), request.app[CLOCK]())
    return reply_text(catalog.contracts.texts(found))


def _limit(request: web.Request) -> int:
    return query_id(request, "l") if "l" in request.query else DEFAULT_SUGGESTIONS


def _source(kind: str) -> Source:
    if kind == "account":
        return lambda app: app[ACCOUNTS]
    return lambda app: _tables(app)[kind]


def _tables(app: web.Application) -> Mapping[str, Table[Any]]:
    book = app[EXCHANGE].book
    return ChainMap(book.tables.kinds, book.catalog.kinds)
