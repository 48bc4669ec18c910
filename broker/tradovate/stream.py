"""User sync: one WebSocket on which Tradovate tells what becomes of a login's orders, fills and positions.

Events are a change feed without a memory: what happened while no connection stood is never told, and the
frames of one action come in any order. So they are handed on as hints, and the truth is read afterwards.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from broker.base import BrokerError, BrokerNotReached, BrokerThrottled, Change, Connected
from broker.logins import AccessToken
from broker.tradovate.auth import Session
from broker.tradovate.frames import KINDS, Ended, changes_in, messages_of
from broker.tradovate.http import TokenRefused

log = structlog.get_logger(__name__)

HEARTBEAT_S = 2.5
DEAD_AFTER_S = 10.0
ANSWER_WITHIN_S = 10.0
# How long a caller waits at most to get its turn: something may be due that no frame announces.
TURN_S = 0.25
CAPTCHA_WAIT_S = RATE_LIMIT_WAIT_S = 3600.0
# A connection that lived shorter does not end the growing of the delays: 300 syncs an hour are allowed.
LIVED_S, FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 0.5, 30.0
LARGEST_FRAME = 64 * 2**20

type Item = Connected | Change | None


class UserStream:
    """The changes of one login, over as many connections as it takes."""

    def __init__(
        self,
        address: str,
        session: Session,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._session = session
        self._monotonic = monotonic
        self._jitter = jitter
        self._forms: list[Callable[[AccessToken], dict[str, Any] | None]] = [_by_kinds, _by_user, _plain]
        self._next_id = 0

    def changes(self, stop: threading.Event) -> Iterator[Item]:
        """Yield changes until `stop` is set; None a few times a second, when there is nothing to tell.

        `Connected` begins each connection: whatever happened before it must be read.
        """
        delay_s, is_down = FIRST_DELAY_S, False
        while not stop.is_set():
            began, wait_s = self._monotonic(), 0.0
            try:
                for item in self._one_connection(stop):
                    if item is not None and is_down:
                        log.info("stream.up", address=self._address)
                        is_down = False
                    yield item
                return
            except (Ended, BrokerError, WebSocketException, OSError) as error:
                wait_s = _wait_s(error)
                if not is_down:
                    log.warning("stream.down", address=self._address, error=str(error) or repr(error))
                    is_down = True
            delay_s = FIRST_DELAY_S if self._monotonic() - began >= LIVED_S else delay_s
            yield from self._rest(max(wait_s, delay_s * (0.5 + self._jitter() / 2)), stop)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _rest(self, seconds: float, stop: threading.Event) -> Iterator[None]:
        until = self._monotonic() + seconds
        while (left_s := until - self._monotonic()) > 0 and not stop.wait(min(TURN_S, left_s)):
            yield None

    def _one_connection(self, stop: threading.Event) -> Iterator[Item]:
        token = self._session.token(self._deadline())
        with connect(
            self._address,
            open_timeout=ANSWER_WITHIN_S,
            close_timeout=1,
            ping_interval=None,
            compression=None,
            proxy=None,
            max_size=LARGEST_FRAME,
            user_agent_header="tradedesk",
        ) as socket:
            line = _Line(socket, self._monotonic)
            token = self._authorise(line, token)
            self._synchronise(line, token, stop)
            yield Connected()
            while not stop.is_set():
                messages = line.messages(TURN_S)
                yield from (change for message in messages for change in changes_in(message))
                if not messages:
                    yield None

    def _authorise(self, line: "_Line", token: AccessToken) -> AccessToken:
        """Authorise the connection. Where its token is refused, the next one gets another."""
        reply = line.ask(self._number(), "authorize", token.value, self._deadline())
        if reply.get("s") == 401:
            # The server closes a connection whose authorisation it refused: the next one has the new token.
            self._session.replace_token(token, self._deadline())
            raise Ended("the token was refused")
        _check(reply)
        return token

    def _synchronise(self, line: "_Line", token: AccessToken, stop: threading.Event) -> None:
        """Start user sync in the first form that the server takes, and remember that form."""
        refusal: Exception = Ended("no form of user sync is taken")
        for form in list(self._forms):
            body = form(token)
            if body is None:
                continue
            try:
                self._ask_to_synchronise(line, body, stop)
            except Ended as error:
                if error.wait_s:
                    raise
                refusal = error
                continue
            self._forms = [form, *(other for other in self._forms if other is not form)]
            return
        raise refusal

    def _ask_to_synchronise(self, line: "_Line", body: dict[str, Any], stop: threading.Event) -> None:
        reply = line.ask(self._number(), "user/syncrequest", json.dumps(body), self._deadline())
        penalty = reply.get("d")
        if not isinstance(penalty, dict) or "p-ticket" not in penalty:
            return _check(reply)
        wait_s = penalty.get("p-time")
        if penalty.get("p-captcha") is True or not isinstance(wait_s, int | float):
            raise Ended("a captcha is asked for", CAPTCHA_WAIT_S)
        line.rest(float(wait_s), stop)
        ticket = {"p-ticket": penalty["p-ticket"]}
        return _check(
            line.ask(self._number(), "user/syncrequest", json.dumps(body | ticket), self._deadline())
        )

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id

    def _deadline(self) -> float:
        return self._monotonic() + ANSWER_WITHIN_S


class _Line:
    """An open connection: heartbeats out, messages in, and an end when the other side falls silent."""

    def __init__(self, socket: ClientConnection, monotonic: Callable[[], float]) -> None:
        self._socket = socket
        self._monotonic = monotonic
        self._heard_at = self._beaten_at = monotonic()
        self._waiting: list[dict[str, Any]] = []

    def ask(self, number: int, endpoint: str, body: str, deadline: float) -> dict[str, Any]:
        """Send a request and return its reply; what else arrives meanwhile is kept for `messages`."""
        self._socket.send(f"{endpoint}\n{number}\n\n{body}")
        while self._monotonic() < deadline:
            for message in self._receive(TURN_S):
                if message.get("i") == number:
                    return message
                self._waiting.append(message)
        raise BrokerNotReached(f"no answer to {endpoint}")

    def messages(self, wait_s: float) -> list[dict[str, Any]]:
        """Return the messages that arrived, after waiting for a frame for so long at most."""
        waiting, self._waiting = self._waiting, []
        return waiting or self._receive(wait_s)

    def rest(self, seconds: float, stop: threading.Event) -> None:
        """Keep the connection alive for a while without asking anything."""
        until = self._monotonic() + seconds
        while self._monotonic() < until and not stop.is_set():
            self._waiting += self._receive(TURN_S)

    def _receive(self, wait_s: float) -> list[dict[str, Any]]:
        try:
            frame = self._socket.recv(timeout=wait_s)
        except TimeoutError:
            frame = None
        now = self._monotonic()
        if now - self._beaten_at >= HEARTBEAT_S:
            self._socket.send("[]")
            self._beaten_at = now
        if frame is None:
            if now - self._heard_at >= DEAD_AFTER_S:
                raise Ended(f"silent for {DEAD_AFTER_S:g} s")
            return []
        self._heard_at = now
        return messages_of(frame)


def _check(reply: dict[str, Any]) -> None:
    """Raise Ended for a reply that is no success."""
    status = reply.get("s")
    if status == 429:
        raise Ended("too many requests", RATE_LIMIT_WAIT_S)
    if status != 200:
        raise Ended(f"answered {status}: {str(reply.get('d'))[:200]}")


def _wait_s(error: Exception) -> float:
    if isinstance(error, Ended):
        return error.wait_s
    if isinstance(error, BrokerThrottled):
        return CAPTCHA_WAIT_S if error.retry_after_s is None else error.retry_after_s
    return LONGEST_DELAY_S if isinstance(error, TokenRefused) else 0.0


# Partner documentation of 2026: what is not listed is not told. An older server passes the list over.
def _by_kinds(_token: AccessToken) -> dict[str, Any]:
    return {"splitResponses": False, "entityTypes": list(KINDS)}


# Official document of 2025.
def _by_user(token: AccessToken) -> dict[str, Any] | None:
    return None if token.user_id is None else {"users": [token.user_id]}


# As recorded of the vendor's own web page.
def _plain(_token: AccessToken) -> dict[str, Any]:
    return {"splitResponses": False}
