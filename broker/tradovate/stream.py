"""User sync: one WebSocket on which Tradovate tells what becomes of a login's orders, fills and positions.

Events are a change feed without a memory: what happened while no connection stood is never told, and the
frames of one action come in any order. So they are handed on as hints, and the truth is read afterwards.
"""

import json
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from websockets.exceptions import ConnectionClosedOK, WebSocketException
from websockets.sync.client import connect

from broker.base import BrokerError, BrokerThrottled, Change, Connected
from broker.logins import AccessToken
from broker.tradovate.auth import Session
from broker.tradovate.frames import (
    KINDS,
    ClosedByBroker,
    Message,
    UnreadableFrame,
    changes_in,
    quote,
    unknown_word,
)
from broker.tradovate.http import RATE_LIMIT_WAIT_S
from broker.tradovate.line import TURN_S, Line

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S = 10.0
CAPTCHA_WAIT_S = 3600.0
# A longer penalty is not waited for on an open connection.
LONGEST_PENALTY_S = 30.0
# Who penalises its own ticket again and again would take no other one either.
MOST_TICKETS, TICKETS_WAIT_S = 3, 60.0
# A token that is refused though it is new: something is wrong that no third token mends.
REFUSED_WAIT_S = 900.0
# Some other program of the user has taken the connection's place and would be pushed out in turn.
QUOTA_WAIT_S = 15.0
# A connection that lived shorter does not end the growing of the delays.
LIVED_S, FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 0.5, 30.0
SYNCS_AN_HOUR, HOUR_S = 300, 3600.0
LARGEST_FRAME = 64 * 2**20

# The library's debug lines quote every frame, and the first one has the token in it.
_FRAMES_LOG = logging.getLogger(f"{__name__}.frames")
_FRAMES_LOG.setLevel(logging.INFO)

type Item = Connected | Change | None


class _Ended(Exception):
    """The connection is over; `wait_s` is the least time to wait before the next one."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


_OVER = (_Ended, ClosedByBroker, UnreadableFrame, BrokerError, WebSocketException, OSError)


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
        self._forms = [_by_kinds, _plain, _by_user]
        self._has_synced = False
        self._syncs: deque[float] = deque()
        self._replacement: AccessToken | None = None
        self._token = ""
        self._is_up: bool | None = None
        self._passed_over: set[str] = set()

    def changes(self, stop: threading.Event) -> Iterator[Item]:
        """Yield changes until `stop` is set; None a few times a second, when there is nothing to tell.

        `Connected` begins each connection: whatever happened before it must be read.
        """
        delay_s = FIRST_DELAY_S
        while not stop.is_set():
            began = self._monotonic()
            try:
                yield from self._one_connection(stop)
                return
            except _OVER as error:
                wait_s = _wait_s(error)
                self._note_down(error, wait_s)
            delay_s = FIRST_DELAY_S if self._monotonic() - began >= LIVED_S else delay_s
            yield from self._rest(max(wait_s, delay_s * (0.5 + self._jitter() / 2)), stop)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _rest(self, seconds: float, stop: threading.Event) -> Iterator[None]:
        until = self._monotonic() + seconds
        while (left_s := until - self._monotonic()) > 0 and not stop.wait(min(TURN_S, left_s)):
            yield None

    def _one_connection(self, stop: threading.Event) -> Iterator[Item]:
        token = self._session.token(self._deadline())
        self._token = token.value
        with (
            connect(
                self._address,
                open_timeout=ANSWER_WITHIN_S,
                close_timeout=1,
                ping_interval=None,
                compression=None,
                proxy=None,
                max_size=LARGEST_FRAME,
                user_agent_header="tradedesk",
                logger=_FRAMES_LOG,
            ) as socket,
            Line(socket, self._monotonic) as line,
        ):
            self._authorise(line, token)
            self._synchronise(line, token, stop)
            self._note_up()
            yield Connected()
            while not stop.is_set():
                messages = line.messages()
                for message in messages:
                    self._look_at(message)
                    yield from changes_in(message)
                if not messages:
                    yield None

    def _authorise(self, line: Line, token: AccessToken) -> None:
        """Authorise the connection. Where its token is refused, the next connection gets another."""
        try:
            reply = line.ask("authorize", token.value, self._deadline())
        except (ClosedByBroker, ConnectionClosedOK) as end:
            if isinstance(end, ClosedByBroker) and end.code != 1000:
                raise
            # So ends what was refused, and the reply may not have come first.
            reply = {"s": 401}
        if reply.get("s") == 401:
            raise self._refused(token)
        if failure := _failure(reply):
            raise failure
        self._replacement = None

    def _refused(self, token: AccessToken) -> _Ended:
        """Get another token than one that was refused, unless it was such another one itself."""
        if self._replacement is not None and self._replacement.value == token.value:
            self._replacement = None
            return _Ended("a new token was refused too", REFUSED_WAIT_S)
        self._replacement = self._session.replace_token(token, self._deadline())
        return _Ended("the token was refused")

    def _synchronise(self, line: Line, token: AccessToken, stop: threading.Event) -> None:
        """Start user sync in the first form that the server takes, and remember that form."""
        refusal = _Ended("no form of user sync is taken")
        for form in list(self._forms):
            body = form(token)
            if body is None:
                continue
            if not self._has_synced:
                # A refusal may close the connection: then the next one begins with another form.
                self._forms = [*(other for other in self._forms if other is not form), form]
            failure = self._ask_to_synchronise(line, body, stop)
            if failure is None:
                self._has_synced = True
                self._forms = [form, *(other for other in self._forms if other is not form)]
                return
            if failure.wait_s:
                raise failure
            refusal = failure
        self._has_synced = False
        raise refusal

    def _ask_to_synchronise(self, line: Line, body: dict[str, Any], stop: threading.Event) -> _Ended | None:
        """Return why user sync did not begin, None where it did; a penalty is waited for, and asked anew."""
        for _ in range(1 + MOST_TICKETS):
            self._count_sync()
            reply = line.ask("user/syncrequest", json.dumps(body), self._deadline())
            data = reply.get("d")
            if not isinstance(data, dict) or not data.keys() & {"p-ticket", "p-time", "p-captcha"}:
                return _failure(reply)
            wait_s = _penalty_s(data)
            if wait_s > LONGEST_PENALTY_S:
                return _Ended("a penalty", wait_s)
            line.rest(wait_s, stop)
            if stop.is_set():
                return _Ended("stopped")
            body = body | {"p-ticket": data.get("p-ticket")}
        return _Ended("a penalty for each ticket", TICKETS_WAIT_S)

    def _count_sync(self) -> None:
        """Note a sync, or end the connection where the hour has no more of them."""
        now = self._monotonic()
        while self._syncs and now - self._syncs[0] >= HOUR_S:
            self._syncs.popleft()
        if len(self._syncs) >= SYNCS_AN_HOUR:
            raise _Ended("too many syncs within the hour", self._syncs[0] + HOUR_S - now)
        self._syncs.append(now)

    def _look_at(self, message: Message) -> None:
        """End the connection when the broker says that it shuts down; log what is unknown, once."""
        if message.get("e") == "shutdown":
            data = message.get("d")
            code = str(data.get("reasonCode")) if isinstance(data, dict) else ""
            raise _Ended(f"the broker shuts down: {quote(data)}", QUOTA_WAIT_S if "Quota" in code else 0.0)
        word = unknown_word(message)
        if word and word not in self._passed_over:
            self._passed_over.add(word)
            log.info("stream.passed_over", what=word)

    def _note_up(self) -> None:
        if not self._is_up:
            log.info("stream.up", address=self._address)
        self._is_up = True

    def _note_down(self, error: Exception, wait_s: float) -> None:
        if self._is_up is not False or wait_s > LONGEST_DELAY_S:
            why = quote(error) or repr(error)
            if self._token:
                why = why.replace(self._token, "***")
            log.warning("stream.down", address=self._address, error=why, at_least_s=wait_s)
        self._is_up = False

    def _deadline(self) -> float:
        return self._monotonic() + ANSWER_WITHIN_S


def _failure(reply: Message) -> _Ended | None:
    """Return what a reply that is no success means, None for a success."""
    status, data = reply.get("s"), reply.get("d")
    if status == 429:
        return _Ended("too many requests", RATE_LIMIT_WAIT_S)
    if status != 200:
        return _Ended(f"answered {status}: {quote(data)}")
    text = data.get("errorText") if isinstance(data, dict) else None
    return _Ended(f"refused: {quote(text)}") if text else None


def _penalty_s(data: dict[str, Any]) -> float:
    wait_s = data.get("p-time", 0)
    if data.get("p-captcha") is True or not isinstance(wait_s, int | float):
        return CAPTCHA_WAIT_S
    return max(float(wait_s), 0.0)


def _wait_s(error: Exception) -> float:
    if isinstance(error, _Ended):
        return error.wait_s
    if isinstance(error, BrokerThrottled):
        return CAPTCHA_WAIT_S if error.retry_after_s is None else error.retry_after_s
    return 0.0


# Partner documentation of 2026: what is not listed is not told. An older server passes the list over.
def _by_kinds(_token: AccessToken) -> dict[str, Any] | None:
    return {"splitResponses": False, "entityTypes": list(KINDS)}


# As recorded of the vendor's own web page.
def _plain(_token: AccessToken) -> dict[str, Any] | None:
    return {"splitResponses": False}


# Official document of 2025. Accounts that others own and this user may trade could be left out.
def _by_user(token: AccessToken) -> dict[str, Any] | None:
    return None if token.user_id is None else {"users": [token.user_id]}
