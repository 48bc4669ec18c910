"""What a fault does to the request that meets it."""

import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.records.wire import dump
from broker.paper.rest.penalties import FIRST_WAIT_S, PENALTIES
from broker.paper.rest.web import API, path_of, reply, reply_status
from broker.paper.scenarios.faults import BENDING, FAULTS, OF_REQUESTS, Fault, Kind, When

GARBAGE = "<html><body>upstream error"


@web.middleware
async def meet_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request under /v1 meet the oldest fault that waits for it, if any does."""
    faults = request.app[FAULTS]
    fault = faults.first(path_of(request), OF_REQUESTS) if request.path.startswith(f"{API}/") else None
    if fault is None:
        return await handler(request)
    if fault.kind in BENDING:
        response = await handler(request)
        if _bend_response(response, fault):
            faults.hit(fault)
        return response
    faults.hit(fault)
    return await _MISHAPS[fault.kind](request, handler, fault)


def bend(data: Any, fault: Fault) -> bool:
    """Put an unknown word or field into decoded JSON; false where there is no place for it."""
    if fault.kind is Kind.UNKNOWN_WORD:
        return _replace(data, fault.field, fault.word)
    rows = [row for row in (data if isinstance(data, list) else [data]) if isinstance(row, dict)]
    for row in rows:
        row[fault.field] = fault.word
    return bool(rows)


def _replace(data: Any, field: str, word: str) -> bool:
    """Give every field of that name another value, however deep it lies."""
    if isinstance(data, list):
        return sum(_replace(part, field, word) for part in data) > 0
    if not isinstance(data, dict):
        return False
    found = sum(_replace(part, field, word) for part in data.values()) > 0
    if field in data:
        data[field] = word
    return found or field in data


def _bend_response(response: web.StreamResponse, fault: Fault) -> bool:
    if not isinstance(response, web.Response) or response.status != 200:
        return False
    data = json.loads(response.text or "null")
    if not bend(data, fault):
        return False
    response.body = dump(data).encode()
    return True


async def _penalise(request: web.Request, _handler: Handler, fault: Fault) -> web.StreamResponse:
    wait_s = FIRST_WAIT_S if fault.seconds is None else fault.seconds
    return await request.app[PENALTIES].impose(request, wait_s, captcha=fault.captcha)


async def _refuse_with_status(_request: web.Request, _handler: Handler, fault: Fault) -> web.StreamResponse:
    return reply_status(fault.status, fault.text)


async def _fail_afterwards(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    await _carry_out(request, handler)
    return reply_status(fault.status, fault.text)


async def _hang(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    if fault.when is When.AFTER:
        response = await handler(request)
        await request.app[FAULTS].hang(fault.seconds)
        return response
    await request.app[FAULTS].hang(fault.seconds)
    return await handler(request)


async def _drop(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    if fault.when is When.AFTER:
        await _carry_out(request, handler)
    hang_up(request, reset=fault.reset)
    return web.Response()


async def _answer_garbage(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    await _carry_out(request, handler)
    return web.Response(text=fault.text or GARBAGE, content_type="application/json")


async def _answer_violations(_request: web.Request, _handler: Handler, fault: Fault) -> web.StreamResponse:
    description = fault.text or f"{fault.field} is refused"
    return reply({"violations": [{"constraint": "NotNull", "value": None, "description": description}]})


async def _refuse(_request: web.Request, _handler: Handler, fault: Fault) -> web.StreamResponse:
    text = fault.text or "Refused."
    return reply(
        {"failureReason": fault.reason, "failureText": text} if fault.reason else {"errorText": text}
    )


async def _carry_out(request: web.Request, handler: Handler) -> None:
    """Do what was asked, whatever the answer would have been."""
    try:
        await handler(request)
    except web.HTTPException:
        return


def hang_up(request: web.Request, *, reset: bool) -> None:
    """Close the connection of a request at once, without an answer."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


type _Mishap = Callable[[web.Request, Handler, Fault], Awaitable[web.StreamResponse]]
_MISHAPS: dict[Kind, _Mishap] = {
    Kind.PENALTY: _penalise,
    Kind.STATUS: _refuse_with_status,
    Kind.STATUS_AFTER: _fail_afterwards,
    Kind.HANG: _hang,
    Kind.DROP: _drop,
    Kind.GARBAGE: _answer_garbage,
    Kind.VIOLATIONS: _answer_violations,
    Kind.REFUSE: _refuse,
}
