"""Penalties: a 200 that says wait, and the ticket that lets the same request through afterwards."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.engine.exchange import Clock
from broker.paper.records.wire import Json
from broker.paper.rest.web import body_bytes, path_of, reply

TICKET = "p-ticket"
FIRST_WAIT_S = 15
MOST_TICKETS = 1000


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What was penalised. No program can solve a captcha, so such a ticket never opens."""

    asked: tuple[str, Any]
    wait_s: int
    captcha: bool
    opens_at: datetime


class Penalties:
    """The tickets handed out and not yet used."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._tickets: dict[str, _Ticket] = {}

    async def impose(self, request: web.Request, wait_s: int, *, captcha: bool = False) -> web.Response:
        """Answer with a penalty; the same request with its ticket passes once the wait is over."""
        asked, _ = await _read(request)
        return self._answer(asked, wait_s, captcha)

    async def check(self, request: web.Request) -> web.Response | None:
        """Return None for a request without a ticket or with a good one, else another penalty."""
        asked, word = await _read(request)
        if word is None:
            return None
        ticket = self._tickets.pop(word, None)
        if ticket is None:
            return self._answer(asked, FIRST_WAIT_S, captcha=False)
        if ticket.captcha or ticket.asked != asked or self._now() < ticket.opens_at:
            return self._answer(asked, ticket.wait_s, ticket.captcha)
        request[ADMITTED] = True
        return None

    def _answer(self, asked: tuple[str, Any], wait_s: int, captcha: bool) -> web.Response:
        word = secrets.token_hex(16)
        opens_at = self._now() + timedelta(seconds=wait_s)
        self._tickets[word] = _Ticket(asked, wait_s, captcha, opens_at)
        if len(self._tickets) > MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        return reply({TICKET: word, "p-time": wait_s, "p-captcha": captcha})


PENALTIES = web.AppKey("penalties", Penalties)
# Set on a request that has waited out its penalty.
ADMITTED = web.RequestKey("admitted", bool)


@web.middleware
async def check_tickets(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Penalise a request again whose ticket is unknown, early or for another request."""
    penalty = await request.app[PENALTIES].check(request)
    return penalty if penalty is not None else await handler(request)


async def _read(request: web.Request) -> tuple[tuple[str, Any], str | None]:
    """Return what a request asks, and the ticket it carries in its body or query."""
    body = await _json(request)
    carried = body.pop(TICKET, None) or request.query.get(TICKET)
    query = sorted((name, value) for name, value in request.query.items() if name != TICKET)
    return (path_of(request), (query, body)), carried if isinstance(carried, str) else None


async def _json(request: web.Request) -> Json:
    try:
        body = json.loads(await body_bytes(request) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
