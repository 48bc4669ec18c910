"""A front between desk and paper broker that goes wrong on demand, one request at a time."""

import contextlib
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit


class Trouble(Enum):
    """What becomes of one request."""

    HANG = auto()
    """Neither forwarded nor answered, ever."""
    STALL = auto()
    """Forwarded only when the test says so, long after the desk gave up."""
    LOSE_REPLY = auto()
    """Forwarded; instead of the reply the connection is reset."""
    ANSWER = auto()
    """Not forwarded; answered by the front."""


@dataclass
class _Rule:
    path: str
    trouble: Trouble
    answer: bytes = b""


class Front:
    """Forwards HTTP to a broker, except for the requests that a rule waits for. Each rule counts once."""

    def __init__(self, upstream: str) -> None:
        self._upstream = ("127.0.0.1", int(urlsplit(upstream).port or 0))
        self._rules: deque[_Rule] = deque()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._over = threading.Event()
        self._landing = threading.Event()
        self._landed = threading.Semaphore(0)
        self.seen: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        self._listen(self._listener)

    def meet(self, path: str, trouble: Trouble, *, times: int = 1) -> None:
        """Let trouble happen to the next requests whose path has `path` in it."""
        self._rules.extend(_Rule(path, trouble) for _ in range(times))

    def answer(self, path: str, status: str, body: bytes, *, times: int = 1) -> None:
        """Answer the next requests whose path has `path` in it, such as with "500 Oops", unforwarded."""
        reply = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        whole = reply % (status.encode(), len(body), body)
        self._rules.extend(_Rule(path, Trouble.ANSWER, whole) for _ in range(times))

    def calm(self) -> None:
        """Forget the rules that nothing met."""
        self._rules.clear()

    def let_land(self) -> None:
        """Forward the request that stalled, and return once the broker has answered it."""
        self._landing.set()
        assert self._landed.acquire(timeout=10), "nothing had stalled"
        self._landing.clear()

    def count(self, path: str) -> int:
        """Return how many requests for a path came in so far."""
        return sum(path in seen for seen in self.seen)

    def refuse(self) -> None:
        """Close the door: connections are refused, and those that stand are cut."""
        self._shut(self._listener)
        for connection in list(self._open):
            self._shut(connection)

    def reopen(self) -> None:
        """Take connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._listen(self._listener)

    def close(self) -> None:
        self._over.set()
        self._landing.set()
        self.refuse()

    def _listen(self, listener: socket.socket) -> None:
        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=self._serve, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Take request after request from one connection, each forwarded over one of its own."""
        self._open.add(connection)
        with contextlib.suppress(OSError), connection:
            while request := _read_message(connection):
                path = request.split(b" ", 2)[1].decode()
                rule = self._rule_for(path)
                if not self._meet(rule, connection, request):
                    break
        self._open.discard(connection)

    def _meet(self, rule: _Rule | None, connection: socket.socket, request: bytes) -> bool:
        """Deal with one request; return whether the connection goes on."""
        if rule is None:
            connection.sendall(self._forward(request))
            return True
        if rule.trouble is Trouble.ANSWER:
            connection.sendall(rule.answer)
            return True
        if rule.trouble is Trouble.HANG:
            self._over.wait(60)
        elif rule.trouble is Trouble.STALL:
            self._landing.wait(60)
            self._forward(request)
            self._landed.release()
        else:
            self._forward(request)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _rule_for(self, path: str) -> _Rule | None:
        with self._lock:
            self.seen.append(path)
            rule = next((rule for rule in self._rules if rule.path in path), None)
            if rule is not None:
                self._rules.remove(rule)
            return rule

    def _forward(self, request: bytes) -> bytes:
        with socket.create_connection(self._upstream) as upstream:
            upstream.sendall(request)
            return _read_message(upstream)

    @staticmethod
    def _shut(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def _read_message(connection: socket.socket) -> bytes:
    """Return one HTTP message with its body, b"" when the other end hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        data += chunk
    head = data.partition(b"\r\n\r\n")[0]
    length = 0
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    while len(data) < len(head) + 4 + length:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        data += chunk
    return data
