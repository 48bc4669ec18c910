"""The start of user sync: what a client may ask for, and the arrays of the first reply."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from broker.paper.market import dates
from broker.paper.records.accounts import User
from broker.paper.records.wire import Json, dump, encode, iso
from broker.paper.rest.reads import OPERATIONS
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, USER
from broker.paper.socket.connection import Subscription
from broker.paper.socket.today import Today

# The official document's first reply has no arrays of these.
ONLY_IF_ASKED_FOR = frozenset(
    {
        "fillFee",
        "productSession",
        "tradingPermission",
        "userAccountPositionLimit",
        "userAccountRiskParameter",
    }
)
# Kinds that are rows of the protocol; the book keeps others for itself.
ON_THE_WIRE = frozenset(OPERATIONS)
_PLURALS = {
    "accountRiskStatus": "accountRiskStatuses",
    "contractMaturity": "contractMaturities",
    "currency": "currencies",
}
_REQUIRED = ("user", "contractGroup")


def read_sync_request(body: Json, user: User) -> Subscription:
    """Return what a body in one of Tradovate's three forms asks for.

    They are `users`, `splitResponses` alone, and `splitResponses` with `entityTypes`.
    Raises HTTPBadRequest, HTTPForbidden.
    """
    users, kinds, split = body.get("users"), body.get("entityTypes"), body.get("splitResponses")
    if not (split is None or isinstance(split, bool)):
        raise web.HTTPBadRequest(text="splitResponses must be true or false")
    if users is None and split is None:
        raise web.HTTPBadRequest(text="users or splitResponses is required")
    if users is not None:
        _check_users(users, user)
    if kinds is None:
        return Subscription(None, bool(split))
    if users is not None or not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise web.HTTPBadRequest(text="entityTypes is a list of names that excludes users")
    return Subscription(frozenset(kinds), bool(split))


def first_reply(app: web.Application, wanted: Subscription) -> dict[str, str]:
    """Return the rows of today by kind, each kind as the text of a JSON array."""
    arrays = {kind: f"[{','.join(texts)}]" for kind, texts in _texts_by_kind(app)}
    kinds = arrays.keys() - ONLY_IF_ASKED_FOR if wanted.kinds is None else {*wanted.kinds, *_REQUIRED}
    return {kind: text for kind, text in arrays.items() if kind in kinds}


def as_message(arrays: dict[str, str]) -> str:
    """Return arrays under their plural names, as the text of a JSON object."""
    return "{" + ",".join(f'"{plural(kind)}":{text}' for kind, text in arrays.items()) + "}"


def plural(kind: str) -> str:
    """Return the name of an array of this kind."""
    return _PLURALS.get(kind, f"{kind}s")


def _check_users(users: Any, user: User) -> None:
    if not isinstance(users, list) or not all(type(one) is int for one in users):
        raise web.HTTPBadRequest(text="users must be a list of ids")
    if any(one != user.id for one in users):
        raise web.HTTPForbidden(text="Access is denied")


def _texts_by_kind(app: web.Application) -> Iterator[tuple[str, list[str]]]:
    book, accounts, now = app[EXCHANGE].book, app[ACCOUNTS], app[CLOCK]()
    yield "user", [dump(_user_row(app))]
    yield "account", [accounts.text(row) for row in accounts]
    yield "cashBalance", [dump(encode(book.money.cash(row.id, now))) for row in accounts]
    today = Today(book.tables, book.catalog, dates.trade_date(now))
    for kind, table in (book.tables.kinds | book.catalog.kinds).items():
        if kind in ON_THE_WIRE - {"cashBalance"}:
            yield kind, [table.text(row) for row in table if today.has(kind, row)]


def _user_row(app: web.Application) -> Json:
    user = app[USER]
    return {
        "id": user.id,
        "name": user.name,
        "timestamp": iso(min(account.timestamp for account in app[ACCOUNTS])),
        "email": f"{user.name}@localhost",
        "status": "Active",
        "professional": False,
    }
