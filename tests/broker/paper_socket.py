"""A plain client of the paper broker's socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

WAIT_S = 5.0


class SocketClient:
    """Sends requests and takes replies and events apart; heartbeats are sent by the test alone."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self._replies: dict[int, dict[str, Any]] = {}
        self._last_id = 0

    def frame(self) -> str:
        """Return the next frame as it came."""
        return str(self.connection.recv(WAIT_S))

    def send(self, endpoint: str, body: str = "", query: str = "") -> int:
        """Send a request and return its id."""
        self._last_id += 1
        self.connection.send(f"{endpoint}\n{self._last_id}\n{query}\n{body}")
        return self._last_id

    def reply(self, request_id: int) -> dict[str, Any]:
        """Return the reply to a request, keeping the events that come before it."""
        while request_id not in self._replies:
            self._read()
        return self._replies.pop(request_id)

    def ask(self, endpoint: str, body: Any = None, query: str = "") -> dict[str, Any]:
        """Send a request and return its reply."""
        return self.reply(self.send(endpoint, "" if body is None else json.dumps(body), query))

    def authorize(self, token: str) -> dict[str, Any]:
        return self.reply(self.send("authorize", token))

    def follow(self, token: str, body: Any = None) -> dict[str, Any]:
        """Authorise, begin user sync and return its first reply."""
        assert self.authorize(token)["s"] == 200
        return self.ask("user/syncrequest", body or {"splitResponses": False})

    def rows(self, count: int) -> list[tuple[str, str, Any]]:
        """Return the next events of rows: kind, Created or Updated, the row."""
        while len(self.events) < count:
            self._read()
        taken, self.events = self.events[:count], self.events[count:]
        return [(one["d"]["entityType"], one["d"]["eventType"], one["d"]["entity"]) for one in taken]

    def closing(self) -> tuple[str, int, str]:
        """Return the last frame, and the code and reason the connection was closed with."""
        last = ""
        with suppress(ConnectionClosed):
            while True:
                last = self.frame()
        assert self.connection.close_code is not None
        return last, self.connection.close_code, self.connection.close_reason or ""

    def _read(self) -> None:
        frame = self.frame()
        if not frame.startswith("a"):
            return
        for message in json.loads(frame[1:]):
            if "e" in message:
                self.events.append(message)
            else:
                self._replies[message["i"]] = message


@contextmanager
def open_socket(url: str) -> Iterator[SocketClient]:
    """Connect, read the first frame, and hang up at the end."""
    with connect(url, proxy=None, compression=None, ping_interval=None, close_timeout=1) as connection:
        client = SocketClient(connection)
        assert client.frame() == "o"
        yield client


@contextmanager
def open_deaf(url: str) -> Iterator[socket.socket]:
    """Connect with a small buffer and read nothing more after the handshake."""
    address = parse_uri(url)
    protocol = ClientProtocol(address)
    protocol.send_request(protocol.connect())
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect((address.host, address.port))
        deaf.sendall(b"".join(protocol.data_to_send()))
        while protocol.state is not State.OPEN:
            protocol.receive_data(deaf.recv(1024))
            protocol.events_received()
        yield deaf


def as_frame(text: str) -> bytes:
    """Return the bytes of one text frame of a client."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)
