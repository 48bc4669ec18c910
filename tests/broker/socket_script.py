"""A Tradovate socket that does as it is told: each connection runs the next of a list of scripts."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.broker.wire import Clock

WAIT_S = 10.0


@dataclass
class Peer:
    """The server's end of one connection."""

    socket: ServerConnection
    asked: list[tuple[str, str]]
    beats: threading.Event

    def hear(self) -> tuple[str, int, str]:
        """Return endpoint, number and body of the next request; heartbeats are noted and passed over."""
        while True:
            frame = str(self.socket.recv(timeout=WAIT_S))
            if frame == "[]":
                self.beats.set()
                continue
            endpoint, number, _, body = frame.split("\n", 3)
            self.asked.append((endpoint, body))
            return endpoint, int(number), body

    def answer(self, status: int = 200, data: Any = None) -> None:
        """Answer the next request, with data unless that is None."""
        _, number, _ = self.hear()
        reply = {"s": status, "i": number} | ({} if data is None else {"d": data})
        self.tell(reply)

    def let_in(self) -> None:
        """Authorise the connection and begin user sync."""
        self.socket.send("o")
        self.answer()
        self.answer(data={"users": [{"id": 7}], "contractGroups": []})

    def tell(self, *messages: Any) -> None:
        """Send messages in one frame."""
        self.socket.send("a" + json.dumps(messages))

    def stay(self) -> None:
        """Listen until the client leaves."""
        try:
            while True:
                self.hear()
        except ConnectionClosed:
            return


@dataclass
class SocketServer:
    """What the scripted server has seen: requests, heartbeats, and how each connection ended."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    beats: threading.Event = field(default_factory=threading.Event)
    close_codes: list[int | None] = field(default_factory=list)

    def tokens(self) -> list[str]:
        return [body for endpoint, body in self.asked if endpoint == "authorize"]

    def syncs(self) -> list[dict[str, Any]]:
        return [json.loads(body) for endpoint, body in self.asked if endpoint == "user/syncrequest"]


@contextmanager
def socket_server(*scripts: Callable[[Peer], None]) -> Iterator[SocketServer]:
    """Serve on a free port; the last script is for every connection that follows."""
    left, seen = list(scripts), SocketServer()

    def handle(socket: ServerConnection) -> None:
        seen.connections += 1
        script = left.pop(0) if len(left) > 1 else left[0]
        try:
            script(Peer(socket, seen.asked, seen.beats))
        except ConnectionClosed:
            pass
        finally:
            socket.close()
            seen.close_codes.append(socket.close_code)

    with serve(handle, "127.0.0.1", 0, close_timeout=1) as server:
        seen.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1/websocket"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join(WAIT_S)


class SteppingStop(threading.Event):
    """A stop that nobody has to wait for: waiting moves the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timedelta(seconds=timeout or 0))
        return self.is_set()


def let_in_and_stay(peer: Peer) -> None:
    peer.let_in()
    peer.stay()


def props(kind: str, entity: Any, event: str = "Created") -> dict[str, Any]:
    """Return the message of an event."""
    return {"e": "props", "d": {"entityType": kind, "eventType": event, "entity": entity}}
