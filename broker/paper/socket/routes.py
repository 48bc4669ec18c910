"""The route of the socket: authorise, start user sync, and carry any other request out as REST would."""

import json
import logging
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from broker.paper.records.wire import dump
from broker.paper.rest.sessions import AccessError
from broker.paper.rest.web import (
    API,
    BODY,
    SESSION,
    SESSIONS,
    USER,
    MissingParameter,
    body_bytes,
    read_body,
    reply_status,
    reply_text,
)
from broker.paper.socket.connection import Monotonic, Socket
from broker.paper.socket.feed import FEED, props_frame
from broker.paper.socket.frames import SocketRequest, answer_frame
from broker.paper.socket.snapshot import as_message, first_reply, read_sync_request

AUTHORIZE = "authorize"
SYNC = "user/syncrequest"
MONOTONIC: web.AppKey[Monotonic] = web.AppKey("monotonic")
SOCKET = web.RequestKey("socket", Socket)
# Kinds whose arrays follow the first reply as events, where a client wants split replies.
LATER = web.ResponseKey("later", dict)

routes = web.RouteTableDef()
log = logging.getLogger(__name__)


@routes.get(f"{API}/websocket")
async def open_socket(request: web.Request) -> web.StreamResponse:
    """Serve one connection of the socket to its end."""
    feed = request.app[FEED]
    socket = Socket(request, answer, request.app[MONOTONIC])
    feed.join(socket)
    try:
        return await socket.run()
    finally:
        feed.leave(socket)


async def answer(socket: Socket, asked: SocketRequest) -> None:
    """Carry one request out and send its reply."""
    try:
        response = await _carry_out(socket, asked)
    except MissingParameter:
        response = web.Response(status=404, text="")
    except web.HTTPException as refused:
        response = refused
    except Exception:
        log.exception("a request of the socket failed: %s", asked.endpoint)
        response = reply_status(500)
    socket.send(answer_frame(response.status, asked.id, _data_of(response)))
    for kind, text in response.get(LATER, {}).items():
        socket.send(props_frame(kind, json.loads(text)))
    if asked.endpoint == AUTHORIZE and response.status != 200:
        socket.close(1000, "Bye")
    elif asked.endpoint == SYNC:
        socket.request.app[FEED].afflict()


async def _carry_out(socket: Socket, asked: SocketRequest) -> web.Response:
    """Run a request through everything that a request over HTTP runs through."""
    request = _as_request(socket, asked)
    router = request.app.router
    handler = _OWN.get(asked.endpoint) or (await router.resolve(request)).handler
    for middleware in reversed(request.app.middlewares):
        handler = partial(middleware, handler=handler)
    try:
        response = await handler(request)
    except web.HTTPNotFound:
        # Tradovate denies the spelling placeOSO instead of not finding it.
        paths = [resource.canonical for resource in router.resources()]
        if request.path not in paths and request.path.lower() in map(str.lower, paths):
            return reply_status(401)
        raise
    assert isinstance(response, web.Response)
    return response


def _as_request(socket: Socket, asked: SocketRequest) -> web.Request:
    """Return the HTTP request that would ask the same. Raises HTTPNotFound."""
    try:
        url = URL.build(path=f"{API}/{asked.endpoint}", query_string=asked.query)
        request = socket.request.clone(method="POST", rel_url=url, headers={})
        body = asked.body.encode()
    except ValueError:
        raise web.HTTPNotFound from None
    request[BODY] = body
    request[SOCKET] = socket
    if socket.session is not None:
        request[SESSION] = socket.session
    return request


async def _authorize(request: web.Request) -> web.Response:
    """Open the connection for the session of a token, which may be a JSON string or bare."""
    text = (await body_bytes(request)).decode().strip()
    token = text.strip('"')
    try:
        request[SOCKET].session = request.app[SESSIONS].open(token)
    except AccessError as error:
        return reply_status(error.status, error.text)
    return reply_text("")


async def _synchronise(request: web.Request) -> web.Response:
    """Answer with the rows of today and follow them from here on; once in a connection."""
    socket = request[SOCKET]
    if socket.subscription is not None:
        raise web.HTTPBadRequest(text="This connection is synchronised already")
    wanted = read_sync_request(await read_body(request), request.app[USER])
    arrays = first_reply(request.app, wanted)
    socket.subscription = wanted
    if not wanted.split:
        return reply_text(as_message(arrays))
    response = reply_text(as_message({kind: arrays.pop(kind) for kind in ("user", "contractGroup")}))
    response[LATER] = arrays
    return response


def _data_of(response: web.Response) -> str | None:
    """Return a response's body as the JSON text of `d`, None where there is none."""
    text = response.text or ""
    if response.status == 200:
        return text or None
    return None if response.status == 429 else dump(text)


_OWN: dict[str, Handler] = {AUTHORIZE: _authorize, SYNC: _synchronise}
