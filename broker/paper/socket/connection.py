"""One connection of the socket: frames in and out, heartbeats both ways, at most one writer."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from broker.paper.rest.sessions import Session
from broker.paper.socket import frames
from broker.paper.socket.frames import FrameError, SocketRequest

HEARTBEAT_S = 2.5
CLIENT_SILENCE_S = 10.0
LOOK_S = 0.25
CLOSE_WAIT_S = 1.0
MOST_FRAMES = 2000
LARGEST_FRAME = 2**20

type Monotonic = Callable[[], float]
type Hear = Callable[["Socket", SocketRequest], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client wants of user sync. `kinds` is None for all; `split` sends rows as arrays."""

    kinds: frozenset[str] | None
    split: bool


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class Socket:
    """A client's connection. Frames wait in a queue, so that a slow reader holds nobody up.

    A client that lets the queue fill is cut off. One that is silent for ten seconds is told so and closed.
    """

    def __init__(self, request: web.Request, hear: Hear, monotonic: Monotonic) -> None:
        self.request = request
        self.session: Session | None = None
        self.subscription: Subscription | None = None
        self.silent = False
        self._hear = hear
        self._monotonic = monotonic
        self._socket = web.WebSocketResponse(timeout=CLOSE_WAIT_S, compress=False, max_msg_size=LARGEST_FRAME)
        self._outgoing: asyncio.Queue[str | _Close] = asyncio.Queue(MOST_FRAMES)
        self._requests: set[asyncio.Task[None]] = set()
        self._closing = self._saying_goodbye = False
        self._heard_at = self._said_at = monotonic()

    async def run(self) -> web.WebSocketResponse:
        """Serve the connection to its end. Raises HTTPBadRequest where it is no WebSocket."""
        await self._socket.prepare(self.request)
        self.send(frames.OPEN)
        writer, watcher = asyncio.create_task(self._write()), asyncio.create_task(self._watch())
        try:
            async for message in self._socket:
                self._heard_at = self._monotonic()
                if message.type is WSMsgType.TEXT:
                    self._take(message.data)
        finally:
            self._closing = True
            watcher.cancel()
            if not self._saying_goodbye:
                writer.cancel()
            # A request outlives its connection: what hangs may still be carried out.
            await asyncio.gather(writer, watcher, *self._requests, return_exceptions=True)
        return self._socket

    def send(self, frame: str) -> None:
        """Queue a frame. Nothing is sent on a silent or closing connection."""
        if not self.silent:
            self._queue(frame)

    def close(self, code: int, reason: str) -> None:
        """Say why and close, after the frames that wait."""
        self._queue(_Close(code, reason))
        self._closing = True

    def _queue(self, item: str | _Close) -> None:
        if self._closing:
            return
        try:
            self._outgoing.put_nowait(item)
        except asyncio.QueueFull:
            self._cut_off()
        self._said_at = self._monotonic()

    def _take(self, text: str) -> None:
        """Begin to answer a request; requests are begun in the order in which they came."""
        if text == frames.CLIENT_HEARTBEAT:
            return
        try:
            asked = frames.parse_request(text)
        except FrameError:
            self.send(frames.answer_frame(400, 0, '"Malformed request"'))
            return
        task = asyncio.create_task(self._hear(self, asked))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while isinstance(item := await self._outgoing.get(), str):
                await self._socket.send_str(item)
            await self._say_goodbye(item)

    async def _say_goodbye(self, end: _Close) -> None:
        self._saying_goodbye = True
        if not self.silent:
            await self._socket.send_str(frames.close_frame(end.code, end.reason))
        await self._socket.close(code=end.code, message=end.reason.encode())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._monotonic()
            silence_s = now - self._heard_at
            if silence_s >= CLIENT_SILENCE_S + CLOSE_WAIT_S:
                self._cut_off()
            elif silence_s >= CLIENT_SILENCE_S:
                self.close(1008, "Heartbeat missing")
            elif now - self._said_at >= HEARTBEAT_S:
                self.send(frames.HEARTBEAT)

    def _cut_off(self) -> None:
        self._closing = True
        if self.request.transport:
            self.request.transport.abort()
