"""The routes under /paper: a price feed and, with `--scenarios`, whatever a test wants to go wrong."""

from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.clock import MovableClock
from broker.paper.fates import Fate
from broker.paper.faults import FAULTS, FaultError, read_fault
from broker.paper.prices import parse_price
from broker.paper.snapshot import NEVER_ON_THE_WIRE
from broker.paper.web import API, CLOCK, EXCHANGE, PREFIX, SESSIONS, path_of, read_body, reply
from broker.paper.wire import Json, encode

LONGEST_STEP_S = 86_400 * 400
FATE = "fate"

feed_routes = web.RouteTableDef()
routes = web.RouteTableDef()
REQUESTS: web.AppKey[dict[str, int]] = web.AppKey("requests", dict)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what arrives under /v1, by path."""
    if request.path.startswith(f"{API}/"):
        counts, path = request.app[REQUESTS], path_of(request)
        counts[path] = counts.get(path, 0) + 1
    return await handler(request)


@feed_routes.post(f"{PREFIX}/prices")
async def move_price(request: web.Request) -> web.Response:
    """Move the market of a root; what rests there sees it."""
    body = await read_body(request)
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
    body = await read_body(request)
    if body.get("kind") == FATE:
        fates = [_read_fate(body)] * _count(body.get("times", 1))
        request.app[EXCHANGE].fates.extend(fates)
        return reply({"ok": True})
    try:
        return reply(asdict(request.app[FAULTS].add(read_fault(body))))
    except FaultError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


@routes.get(f"{PREFIX}/faults")
async def list_faults(request: web.Request) -> web.Response:
    """Tell which faults nothing has met yet, how many orders have a fate, and how many requests hang."""
    faults = request.app[FAULTS]
    waiting = [asdict(fault) for fault in faults.waiting()]
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
    body = await read_body(request)
    order_id, quantity = body.get("orderId"), body.get("quantity")
    if type(order_id) is not int or not (quantity is None or _count(quantity)):
        raise web.HTTPBadRequest(text="orderId is required, quantity is a whole number")
    try:
        request.app[EXCHANGE].release(order_id, quantity)
    except KeyError:
        raise web.HTTPNotFound(text="No such order") from None
    return reply({"ok": True})


@routes.post(f"{PREFIX}/tokens")
async def end_tokens(request: web.Request) -> web.Response:
    """Let every token expire, or end every session."""
    body, sessions = await read_body(request), request.app[SESSIONS]
    if body.get("expire") is True:
        sessions.expire_all()
    if body.get("revoke") is True:
        sessions.revoke_all()
    return reply({"ok": True})


@routes.post(f"{PREFIX}/sessions")
async def set_session_rules(request: web.Request) -> web.Response:
    """Choose what a pushed-out session is answered, whether its socket closes, and how strict a login is."""
    body, sessions = await read_body(request), request.app[SESSIONS]
    status = body.get("pushedOutStatus", sessions.rules.pushed_out_status)
    if type(status) is not int or status not in range(400, 600):
        raise web.HTTPBadRequest(text="pushedOutStatus is an HTTP status from 400")
    sessions.rules = replace(
        sessions.rules,
        pushed_out_status=status,
        closes_socket=body.get("closesSocket", sessions.rules.closes_socket) is True,
        strict_cid=body.get("strictCid", sessions.rules.strict_cid) is True,
    )
    return reply({"ok": True})


@routes.post(f"{PREFIX}/clock")
async def advance_clock(request: web.Request) -> web.Response:
    """Move the broker's clock forward."""
    step = (await read_body(request)).get("advance_s")
    if not isinstance(step, int | float) or isinstance(step, bool) or not 0 <= step <= LONGEST_STEP_S:
        raise web.HTTPBadRequest(text=f"advance_s is a number from 0 to {LONGEST_STEP_S}")
    clock = request.app[CLOCK]
    assert isinstance(clock, MovableClock)
    clock.advance(timedelta(seconds=step))
    return reply({"ok": True})


@routes.get(f"{PREFIX}/book")
async def show_book(request: web.Request) -> web.Response:
    """Answer every row there is, by kind, those that never go over the wire too."""
    kinds = request.app[EXCHANGE].book.tables.kinds
    hidden = NEVER_ON_THE_WIRE - {"price"}
    shown = {kind: table for kind, table in kinds.items() if kind not in hidden}
    return reply({kind: [encode(row) for row in table] for kind, table in shown.items()})


@routes.get(f"{PREFIX}/requests")
async def show_requests(request: web.Request) -> web.Response:
    """Answer how many requests of each path have arrived."""
    return reply(request.app[REQUESTS])


def _read_fate(body: Json) -> Fate:
    reject, parts, hold = body.get("reject"), body.get("parts", []), body.get("hold", False)
    is_reject = reject is None or (
        isinstance(reject, list) and len(reject) == 2 and all(isinstance(word, str) for word in reject)
    )
    if not is_reject or not isinstance(parts, list) or not all(_count(part) for part in parts):
        raise web.HTTPBadRequest(text="reject is [reason, text], parts a list of quantities")
    return Fate(tuple(reject) if reject else None, tuple(parts), hold is True)


def _count(value: Any) -> int:
    """Return a whole number from 1, or 0 for anything else."""
    return value if type(value) is int and 0 < value < 10_000 else 0


def _price(value: Any) -> Decimal | None:
    is_number = isinstance(value, int | float | str) and not isinstance(value, bool)
    return parse_price(str(value)) if is_number else None
