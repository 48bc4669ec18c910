"""What every route shares: the keys of the application, bodies and queries read, JSON written."""

import json
from typing import Any, NoReturn

from aiohttp import web

from broker.paper.accounts import User
from broker.paper.exchange import Clock, Exchange
from broker.paper.rows import Account
from broker.paper.sessions import Session, Sessions
from broker.paper.tables import Table
from broker.paper.wire import Json, dump

EXCHANGE = web.AppKey("exchange", Exchange)
ACCOUNTS: web.AppKey[Table[Account]] = web.AppKey("accounts", Table)
SESSIONS = web.AppKey("sessions", Sessions)
USER = web.AppKey("user", User)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")
SESSION = web.RequestKey("session", Session)


def session_of(request: web.Request) -> Session:
    """Return the session that the bearer check found."""
    return request[SESSION]


async def read_body(request: web.Request) -> Json:
    """Return the JSON object in a request's body. Raises HTTPBadRequest."""
    try:
        body = json.loads(await request.read(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="Malformed JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="A JSON object is expected")
    return body


def query_text(request: web.Request, name: str) -> str:
    """Return a query parameter. Raises HTTPBadRequest when it is missing."""
    if name not in request.query:
        raise web.HTTPBadRequest(text=f"Query parameter {name} is required")
    return request.query[name]


def query_ids(request: web.Request, name: str) -> list[int]:
    """Return the comma-separated ids in a query parameter. Raises HTTPBadRequest."""
    words = query_text(request, name).split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) < 20 for word in words):
        raise web.HTTPBadRequest(text=f"Query parameter {name} is malformed")
    return [int(word) for word in words]


def query_id(request: web.Request, name: str) -> int:
    """Return the one id in a query parameter. Raises HTTPBadRequest."""
    return query_ids(request, name)[0]


def reply(value: Any) -> web.Response:
    """Answer 200 with JSON."""
    return reply_text(dump(value))


def reply_text(text: str) -> web.Response:
    """Answer 200 with text that is JSON already."""
    return web.Response(body=text.encode(), content_type="application/json")


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
