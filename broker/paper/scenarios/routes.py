"""The routes under /paper: a price feed and, with `--scenarios`, whatever a test wants to go wrong."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.engine.fates import Fate
from broker.paper.market.prices import parse_price
from broker.paper.records.wire import Json, dump
from broker.paper.rest.web import (
    ACCOUNTS,
    API,
    CLOCK,
    EXCHANGE,
    PREFIX,
    SESSIONS,
    path_of,
    read_body,
    reply,
    reply_text,
)
from broker.paper.scenarios.faults import FAULTS, OPTIONS, Fault, FaultError, read_fault
from broker.paper.socket.feed import FEED

LONGEST_STEP_S = 366 * 86_400
LARGEST_QUANTITY = 10_000
MOST_FATES = 10_000
FATE = "fate"
PUSHED_OUT = (401, 408, 429, 500, 502, 503, 504)
THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
# What the book keeps for itself. Checks may see prices.
_HIDDEN = frozenset({"progress", "draft"})
_RULES = {
    "pushedOutStatus": "pushed_out_status",
    "closesSocket": "closes_socket",
    "strictCid": "strict_cid",
}

feed_routes = web.RouteTableDef()
routes = web.RouteTableDef()
REQUESTS = web.AppKey("requests", Counter[str])


def add_scenario_routes(app: web.Application) -> None:
    """Open the scenarios of a broker."""
    app[REQUESTS] = Counter[str]()
    app.add_routes(routes)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what arrives under /v1, and let nobody but this machine see the rest."""
    if request.path.startswith(f"{API}/"):
        request.app[REQUESTS][path_of(request)] += 1
    elif request.remote not in THIS_MACHINE:
        raise web.HTTPNotFound
    return await handler(request)


@feed_routes.post(f"{PREFIX}/prices")
async def move_price(request: web.Request) -> web.Response:
    """Move the market of a root; what rests there sees it."""
    body = await _read(request)
    root, price = body.get("root"), _price(body.get("price"))
    if not isinstance(root, str) or price is None:
        raise web.HTTPBadRequest(text="root and price are required")
    try:
        request.app[EXCHANGE].move_price(root, price)
    except KeyError:
        raise web.HTTPNotFound(text=f"No product {root}") from None
    return reply({"ok": True})


@routes.post(f"{PREFIX}/faults")
async def set_fault(request: web.Request) -> web.Response:
    """Set a fault for the requests or frames to come, or the fate of the orders to come."""
    body = await _read(request)
    if body.get("kind") == FATE:
        request.app[EXCHANGE].fates.extend(_read_fates(body))
        return reply({"fates": len(request.app[EXCHANGE].fates)})
    try:
        fault = request.app[FAULTS].add(read_fault(body))
    except FaultError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    request.app[FEED].afflict()
    return reply(_shown(fault))


@routes.get(f"{PREFIX}/faults")
async def list_faults(request: web.Request) -> web.Response:
    """Tell which faults nothing has met yet, how many orders have a fate, and how many requests hang."""
    faults = request.app[FAULTS]
    waiting = [_shown(fault) for fault in faults.waiting()]
    fates = len(request.app[EXCHANGE].fates)
    return reply({"faults": waiting, "fates": fates, "hanging": faults.hanging})


@routes.delete(f"{PREFIX}/faults")
async def clear_faults(request: web.Request) -> web.Response:
    """Forget all faults and fates and let what hangs go on."""
    request.app[FAULTS].clear()
    request.app[EXCHANGE].fates.clear()
    return reply({"ok": True})


@routes.post(f"{PREFIX}/release")
async def release_order(request: web.Request) -> web.Response:
    """Let a held or partly filled order go on, by a quantity or as far as it goes."""
    body = await _read(request)
    order_id, quantity = body.get("orderId"), body.get("quantity")
    if type(order_id) is not int or not (quantity is None or _is_count(quantity, LARGEST_QUANTITY)):
        raise web.HTTPBadRequest(text="orderId and quantity must be whole numbers")
    try:
        request.app[EXCHANGE].release(order_id, quantity)
    except KeyError:
        raise web.HTTPNotFound(text="No such order") from None
    return reply({"ok": True})


@routes.post(f"{PREFIX}/tokens")
async def end_tokens(request: web.Request) -> web.Response:
    """Let every token expire, or end every session."""
    body, sessions = await _read(request), request.app[SESSIONS]
    end: dict[str, Callable[[], None]] = {"expire": sessions.expire_all, "revoke": sessions.revoke_all}
    names = [name for name, value in body.items() if name in end and value is True]
    if len(names) != 1 or len(body) != 1:
        raise web.HTTPBadRequest(text='{"expire": true} or {"revoke": true} is expected')
    end[names[0]]()
    return reply({"ok": True})


@routes.post(f"{PREFIX}/sessions")
async def set_session_rules(request: web.Request) -> web.Response:
    """Choose what a pushed-out session is answered, whether its socket closes, and how strict a login is."""
    body, sessions = await _read(request), request.app[SESSIONS]
    for name, value in body.items():
        possible = PUSHED_OUT if name == "pushedOutStatus" else (True, False)
        if name not in _RULES or type(value) is not type(possible[0]) or value not in possible:
            raise web.HTTPBadRequest(text=f"{name} is unknown or cannot be that")
    sessions.rules = replace(sessions.rules, **{_RULES[name]: value for name, value in body.items()})
    return reply({name: getattr(sessions.rules, attribute) for name, attribute in _RULES.items()})


@routes.post(f"{PREFIX}/clock")
async def advance_clock(request: web.Request) -> web.Response:
    """Move the broker's clock forward by `advance_s` seconds: tokens and orders expire at once."""
    step = (await _read(request)).get("advance_s")
    if not isinstance(step, int | float) or isinstance(step, bool) or not 0 < step <= LONGEST_STEP_S:
        raise web.HTTPBadRequest(text=f"advance_s must be a number from 0 to {LONGEST_STEP_S}")
    try:
        request.app[CLOCK].advance(timedelta(seconds=step))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    request.app[EXCHANGE].pass_time()
    return reply({"ok": True})


@routes.get(f"{PREFIX}/book")
async def show_book(request: web.Request) -> web.Response:
    """Answer every row there is by kind, with the accounts and the last prices."""
    tables = [request.app[ACCOUNTS], *request.app[EXCHANGE].book.tables.kinds.values()]
    arrays = (f'"{table.kind}":{table.texts(table)}' for table in tables if table.kind not in _HIDDEN)
    return reply_text("{" + ",".join(arrays) + "}")


@routes.get(f"{PREFIX}/requests")
async def show_requests(request: web.Request) -> web.Response:
    """Answer how many requests of each path have arrived, over HTTP and over the socket."""
    counts = request.app[REQUESTS]
    return reply(counts)


async def _read(request: web.Request) -> Json:
    """Return the JSON object in a request's body, all of which may be sent back. Raises HTTPBadRequest."""
    body = await read_body(request)
    for name, value in body.items():
        if not _is_utf8([name, value]):
            raise web.HTTPBadRequest(text=f"{dump(name)} cannot be written in UTF-8")
    return body


def _is_utf8(value: Any) -> bool:
    """Say whether JSON can be written in UTF-8: it has no lone surrogate and is not too deep to look into."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _read_fates(body: Json) -> list[Fate]:
    """Return the fates of the orders to come. Raises HTTPBadRequest."""
    reject, parts, hold = body.get("reject"), body.get("parts", []), body.get("hold", False)
    times = body.get("times", 1)
    if unknown := body.keys() - {"kind", "on", "reject", "parts", "hold", "times"}:
        raise web.HTTPBadRequest(text=f"fate has no {min(unknown)}")
    if not (reject is None or _is_list_of_words(reject, 2)):
        raise web.HTTPBadRequest(text="reject must be [reason, text]")
    if not isinstance(parts, list) or not all(_is_count(part, LARGEST_QUANTITY) for part in parts):
        raise web.HTTPBadRequest(text="parts must be a list of quantities")
    if not isinstance(hold, bool) or not _is_count(times, MOST_FATES):
        raise web.HTTPBadRequest(text="hold must be true or false, times a whole number")
    return [Fate(tuple(reject) if reject else None, tuple(parts), hold)] * times


def _is_list_of_words(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(isinstance(word, str) for word in value)


def _is_count(value: Any, largest: int) -> bool:
    return type(value) is int and 0 < value <= largest


def _shown(fault: Fault) -> Json:
    """Return a fault with what its kind uses."""
    shown = {"id", "on", "kind", "times"} | OPTIONS[fault.kind]
    return {name: value for name, value in asdict(fault).items() if name in shown}


def _price(value: Any) -> Decimal | None:
    is_number = isinstance(value, int | float | str) and not isinstance(value, bool)
    return parse_price(str(value)) if is_number else None
