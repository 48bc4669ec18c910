"""An open connection to Tradovate's socket: heartbeats out, messages in, an end when it falls silent."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection

from broker.base import BrokerNotReached
from broker.tradovate.frames import HEARTBEAT, Message, messages_of, quote, request
from broker.tradovate.http import RATE_LIMIT_WAIT_S

HEARTBEAT_S = 2.5
DEAD_AFTER_S = 10.0
# How long a caller waits at most to get its turn: something may be due that no frame announces.
TURN_S = 0.25
ANSWER_WITHIN_S = 10.0


class Ended(Exception):
    """The connection is over; `wait_s` is the least time to wait before the next one."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Line:
    """One connection, and a thread that keeps it alive: whoever reads it may be at work elsewhere."""

    def __init__(self, socket: ClientConnection, monotonic: Callable[[], float]) -> None:
        self._socket = socket
        self._monotonic = monotonic
        self._heard_at = monotonic()
        self._asked = 0
        self._waiting: list[Message] = []
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="user-sync heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join(1)

    def ask(self, endpoint: str, body: str, deadline: float) -> Message:
        """Send a request and return its reply; what else arrives meanwhile is kept for `messages`."""
        self._asked += 1
        self._socket.send(request(endpoint, self._asked, body))
        while self._monotonic() < deadline:
            for message in self._receive():
                if message.get("i") == self._asked and "e" not in message:
                    return message
                self._waiting.append(message)
        raise BrokerNotReached(f"no answer to {endpoint}")

    def messages(self) -> list[Message]:
        """Return the messages that arrived, after waiting a turn for a frame at most."""
        waiting, self._waiting = self._waiting, []
        return waiting or self._receive()

    def rest(self, seconds: float, stop: threading.Event) -> None:
        """Keep the connection alive for a while without asking anything."""
        until = self._monotonic() + seconds
        while self._monotonic() < until and not stop.is_set():
            self._waiting += self._receive()

    def _receive(self) -> list[Message]:
        try:
            frame = self._socket.recv(timeout=TURN_S)
        except TimeoutError:
            if self._monotonic() - self._heard_at >= DEAD_AFTER_S:
                raise BrokerNotReached(f"silent for {DEAD_AFTER_S:g} s") from None
            return []
        self._heard_at = self._monotonic()
        return messages_of(frame)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            try:
                self._socket.send(HEARTBEAT)
            except (WebSocketException, OSError):
                return


def failure_of(reply: Message) -> Ended | None:
    """Return what a reply that is no success means, None for a success."""
    status, data = reply.get("s"), reply.get("d")
    if status == 429:
        return Ended("too many requests", RATE_LIMIT_WAIT_S)
    if status != 200:
        return Ended(f"answered {status}: {quote(data)}")
    text = data.get("errorText") if isinstance(data, dict) else None
    return Ended(f"refused: {quote(text)}") if text else None
