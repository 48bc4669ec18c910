"""The other end of the client in tests: scripted replies, raw sockets, and a token store in memory."""

import json
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import httpx

from broker.base import BrokerNotReached, OrderRequest, Side
from broker.logins import AccessToken, Pause, Share, later
from broker.tradovate.client import TradovateBroker
from broker.tradovate.credentials import Credentials

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
CREDENTIALS = Credentials(
    name="ada", password="pass-word-1", device_id="desk-1", cid=42, secret="api-secret-1"
)
LOGIN, RENEW = "/auth/accesstokenrequest", "/auth/renewaccesstoken"
PLACE, CANCEL = "/order/placeorder", "/order/cancelorder"
ACCOUNT_ID = 1_100_001

type Answer = Any


class Clock:
    """A wall clock and a monotonic clock that move only when told to."""

    def __init__(self) -> None:
        self._now = NOW
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, step: timedelta) -> None:
        self._now += step
        self._monotonic += step.total_seconds()

    def set_back(self, step: timedelta) -> None:
        """Move the wall clock alone, as someone who corrects it does."""
        self._now -= step

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))


class MemoryTokens:
    """What the processes of one desk share for a login. `requests_left` is None where nobody counts."""

    def __init__(self) -> None:
        self.tokens: dict[str, AccessToken] = {}
        self.saved: list[AccessToken] = []
        self.paused: dict[str, Pause] = {}
        self.requests_left: dict[Share, int] | None = None
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def load(self, login: str) -> AccessToken | None:
        return self.tokens.get(login)

    def save(self, login: str, token: AccessToken) -> None:
        self.tokens[login] = token
        self.saved.append(token)

    def forget(self, login: str) -> None:
        self.tokens.pop(login, None)

    @contextmanager
    def lock(self, login: str, *, within_s: float) -> Iterator[None]:
        if not self._locks[login].acquire(timeout=within_s):
            raise BrokerNotReached("no token in time")
        try:
            yield
        finally:
            self._locks[login].release()

    def pauses(self, login: str) -> dict[str, Pause]:
        return self.paused

    def pause(self, login: str, name: str, pause: Pause) -> None:
        self.paused[name] = later(pause, self.paused.get(name, pause))

    def end_pause(self, login: str, name: str) -> bool:
        return self.paused.pop(name, None) is not None

    def take_requests(self, login: str, share: Share, count: int) -> bool:
        if self.requests_left is None:
            return True
        if self.requests_left[share] < count:
            return False
        for other in self.requests_left:
            self.requests_left[other] -= count
        return True


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class Script:
    """A Tradovate that says what it was told to: replies by path, one after the other, the last for ever.

    An answer is data for a 200, an `httpx.Response`, an exception to raise, or a function of the request.
    Without other orders it logs everyone in with token-1, renewing to token-2 and so on.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.requests: list[Request] = []
        self._answers: dict[str, list[Answer]] = {}
        self._issued = 0
        self.on(LOGIN, self.issue)
        self.on(RENEW, self.issue)

    def on(self, path: str, *answers: Answer) -> "Script":
        self._answers[path] = list(answers)
        return self

    def issue(self, request: Request) -> dict[str, object]:
        """Answer with the next token, good for 80 minutes."""
        self._issued += 1
        return token_reply(f"token-{self._issued}", self.clock.now() + timedelta(minutes=80))

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def sent(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def __call__(self, raw: httpx.Request) -> httpx.Response:
        request = Request(
            raw.method,
            raw.url.path.removeprefix("/v1"),
            dict(parse_qsl(raw.url.query.decode())),
            json.loads(raw.content) if raw.content else None,
            {name.lower(): value for name, value in raw.headers.items()},
            raw.content,
        )
        self.requests.append(request)
        answers = self._answers[request.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def connect(
    script: Script,
    tokens: MemoryTokens | None = None,
    credentials: Credentials = CREDENTIALS,
    **options: Any,
) -> TradovateBroker:
    """Return a client whose other end is the script, on the script's clock."""
    return TradovateBroker(
        "https://demo.example/v1",
        credentials,
        tokens or MemoryTokens(),
        now=script.clock.now,
        monotonic=script.clock.monotonic,
        sleep=script.clock.sleep,
        transport=httpx.MockTransport(script),
        **options,
    )


def token_reply(value: str, expires_at: datetime) -> dict[str, object]:
    expires = expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"accessToken": value, "expirationTime": expires, "userId": 7, "hasLive": True}


def market_order(**overrides: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "account_id": ACCOUNT_ID,
        "account_name": "DEMO-1",
        "contract": "MESZ6",
        "side": Side.BUY,
        "quantity": 2,
        "client_order_id": "td-0001",
        "reference_price": Decimal("6842.25"),
    }
    return OrderRequest(**values | overrides)


@dataclass
class Peer:
    """A listening socket whose connections are each handed to the next function of a list."""

    url: str
    received: list[bytes] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def listen(*handlers: Callable[[socket.socket, Peer], None]) -> Iterator[Peer]:
    """Serve one connection after the other; a handler gets a socket whose first request has been read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = Peer(f"http://127.0.0.1:{server.getsockname()[1]}/v1")

        def serve() -> None:
            for handle in handlers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    if read_request(connection, peer):
                        handle(connection, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield peer
        finally:
            peer.done.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def read_request(connection: socket.socket, peer: Peer) -> bytes:
    """Read one request to its end, note it, and return it; empty when the client hung up instead."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length")
    ]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    peer.received.append(head + b"\r\n\r\n" + body)
    return peer.received[-1]


def answer(body: bytes, status: str = "200 OK") -> Callable[[socket.socket, Peer], None]:
    """Return a handler that answers once and says that it leaves."""
    return lambda connection, peer: connection.sendall(whole(body, status, b"Connection: close\r\n"))


def whole(body: bytes, status: str = "200 OK", headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n"
    return head % (status.encode(), headers, len(body)) + body


def hang(connection: socket.socket, peer: Peer) -> None:
    """Say nothing until the test is over."""
    peer.done.wait(10)


def hang_up(connection: socket.socket, peer: Peer) -> None:
    """Close without a word."""


def reset(connection: socket.socket, peer: Peer) -> None:
    """Close with a reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
