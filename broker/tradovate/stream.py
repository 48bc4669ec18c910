"""User sync: one WebSocket on which Tradovate tells what becomes of a login's orders, fills and positions.

Events are a change feed without a memory: what happened while no connection stood is never told, and the
frames of one action come in any order. So they are handed on as hints, and the truth is read afterwards.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator

import structlog
from websockets.exceptions import ConnectionClosedOK, WebSocketException
from websockets.sync.client import connect

from broker.base import BrokerError, BrokerThrottled, Change, Connected
from broker.logins import AccessToken
from broker.tradovate.auth import Session
from broker.tradovate.frames import (
    ClosedByBroker,
    Message,
    UnreadableFrame,
    changes_in,
    quote,
    unknown_word,
)
from broker.tradovate.line import ANSWER_WITHIN_S, TURN_S, Ended, Line, failure_of
from broker.tradovate.synchronising import CAPTCHA_WAIT_S, Synchroniser

log = structlog.get_logger(__name__)

# A token that is refused though it is new: something is wrong that no third token mends.
REFUSED_WAIT_S = 900.0
# Some other program of the user has taken the connection's place and would be pushed out in turn.
QUOTA_WAIT_S = 15.0
# A connection that lived shorter does not end the growing of the delays.
LIVED_S, FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 0.5, 30.0
LARGEST_FRAME = 64 * 2**20

# The library's debug lines quote every frame, and the first one has the token in it.
_FRAMES_LOG = logging.getLogger(f"{__name__}.frames")
_FRAMES_LOG.setLevel(logging.INFO)

type Item = Connected | Change | None


_OVER = (Ended, ClosedByBroker, UnreadableFrame, BrokerError, WebSocketException, OSError)


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
        self._sync = Synchroniser(monotonic)
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
            self._sync.begin(line, token, stop)
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
        if failure := failure_of(reply):
            raise failure
        self._replacement = None

    def _refused(self, token: AccessToken) -> Ended:
        """Get another token than one that was refused, unless it was such another one itself."""
        is_replacement = self._replacement is not None and self._replacement.value == token.value
        if is_replacement and self._session.is_own(token):
            self._replacement = None
            return Ended("a new token was refused too", REFUSED_WAIT_S)
        self._replacement = self._session.replace_token(token, self._deadline())
        return Ended("the token was refused")

    def _look_at(self, message: Message) -> None:
        """End the connection when the broker says that it shuts down; log what is unknown, once."""
        if message.get("e") == "shutdown":
            data = message.get("d")
            code = str(data.get("reasonCode")) if isinstance(data, dict) else ""
            raise Ended(f"the broker shuts down: {quote(data)}", QUOTA_WAIT_S if "Quota" in code else 0.0)
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


def _wait_s(error: Exception) -> float:
    if isinstance(error, Ended):
        return error.wait_s
    if isinstance(error, BrokerThrottled):
        return CAPTCHA_WAIT_S if error.retry_after_s is None else error.retry_after_s
    return 0.0
