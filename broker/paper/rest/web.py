"""What every route shares: the keys of the application, bodies and queries read, JSON written."""

import json
from http import HTTPStatus
from typing import Any, NoReturn

from aiohttp import web

from broker.paper.clock import MovableClock
from broker.paper.engine.exchange import Exchange
from broker.paper.records.accounts import User
from broker.paper.records.rows import Account
from broker.paper.records.tables import Table
from broker.paper.records.wire import Json, dump
from broker.paper.rest.sessions import DENIED, Session, Sessions

EXCHANGE = web.AppKey("exchange", Exchange)
ACCOUNTS: web.AppKey[Table[Account]] = web.AppKey("accounts", Table)
SESSIONS = web.AppKey("sessions", Sessions)
USER = web.AppKey("user", User)
CLOCK = web.AppKey("clock", MovableClock)
SESSION = web.RequestKey("session", Session)
# The body of a request that came over the socket.
BODY = web.RequestKey("body", bytes)
API = "/v1"
# What is not Tradovate's: the price feed and, where they are on, scenarios.
PREFIX = "/paper"
SCENARIOS = web.AppKey("scenarios", bool)


class MissingParameter(web.HTTPBadRequest):
    """A query parameter that must be there is not. The socket answers 404 to it."""


def session_of(request: web.Request) -> Session:
    """Return the session that the bearer check found."""
    return request[SESSION]


async def body_bytes(request: web.Request) -> bytes:
    """Return a request's body as it was sent. Raises HTTPBadRequest."""
    if BODY in request:
        return request[BODY]
    try:
        return await request.read()
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="Malformed body") from None


async def read_body(request: web.Request) -> Json:
    """Return the JSON object in a request's body. Raises HTTPBadRequest."""
    try:
        body = json.loads(await body_bytes(request), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="Malformed JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="A JSON object is expected")
    return body


def query_text(request: web.Request, name: str) -> str:
    """Return a query parameter. Raises MissingParameter."""
    if name not in request.query:
        raise MissingParameter(text=f"Query parameter {name} is required")
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


def reply_status(status: int, text: str | None = None) -> web.Response:
    """Answer with an error and plain text. A 429 has no body, as Tradovate's has none."""
    usual = {401: DENIED, 429: ""}
    words = usual.get(status, HTTPStatus(status).phrase) if text is None else text
    return web.Response(status=status, text=words)


def path_of(request: web.Request) -> str:
    """Return the path of an operation as the official document writes it, without the version."""
    return request.rel_url.path.removeprefix(API)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
