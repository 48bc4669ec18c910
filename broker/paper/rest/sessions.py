"""Logins and access tokens, in memory only: after a restart every old token is answered with 401."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from broker.paper.records.accounts import User

TOKEN_LIFE = timedelta(minutes=80)
MOST_SESSIONS = 2
MOST_ENDED = 100
FIRST_SESSION_ID = 3_000_000_000
DENIED = "Access is denied"
EXPIRED = "Expired Access Token"


class AccessError(Exception):
    """The token opens nothing: the status and the text to answer with."""

    def __init__(self, status: int = 401, text: str = DENIED) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Session:
    """One login. A renewal changes the token and keeps the session."""

    id: int
    user: User
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What reports about Tradovate disagree on.

    `pushed_out_status` answers the token of a session that a third login ended; `closes_socket` ends its
    socket as well; `strict_cid` refuses an API key id that is a string.
    """

    pushed_out_status: int = 401
    closes_socket: bool = True
    strict_cid: bool = False


class Sessions:
    """The living sessions of the one user, the oldest login first.

    `listeners` hear the id of each session that ends, unless the rules leave its socket open.
    """

    def __init__(self, user: User, now: Callable[[], datetime]) -> None:
        self.rules = SessionRules()
        self.listeners: list[Callable[[int], None]] = []
        self._user = user
        self._now = now
        self._living: dict[int, Session] = {}
        self._ids: dict[str, int] = {}
        self._pushed_out: dict[str, None] = {}
        # Ids that no earlier run gave, and above a signed 32-bit number as real ones are.
        self._last_id = FIRST_SESSION_ID + int(now().timestamp())

    def login(self, name: str, password: str) -> Session | None:
        """Open a session, closing the oldest of two; None for a wrong name or password."""
        if (name, password) != (self._user.name, self._user.password):
            return None
        while len(self._living) >= MOST_SESSIONS:
            self._push_out(next(iter(self._living)))
        self._last_id += 1
        return self._issue(self._last_id)

    def renew(self, session: Session) -> Session:
        """Give a session a new token; the old one stops working at once. Raises AccessError."""
        living = self._living.get(session.id)
        if living is None:
            raise AccessError
        del self._ids[living.token]
        return self._issue(session.id)

    def check(self, authorization: str) -> Session:
        """Return the session behind an Authorization header. Raises AccessError."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise AccessError
        return self.open(token)

    def open(self, token: str) -> Session:
        """Return the session of a token. Raises AccessError."""
        session_id = self._ids.get(token)
        if session_id is None:
            raise AccessError(self.rules.pushed_out_status) if token in self._pushed_out else AccessError
        session = self._living[session_id]
        if self._now() >= session.expires_at:
            raise AccessError(text=EXPIRED)
        return session

    def expire_all(self) -> None:
        """Let every token be one that has just expired."""
        for session in self._living.values():
            self._living[session.id] = replace(session, expires_at=self._now())

    def revoke_all(self) -> None:
        """End every session."""
        for session_id in tuple(self._living):
            self._end(session_id)

    def _issue(self, session_id: int) -> Session:
        token = secrets.token_urlsafe(48)
        self._ids[token] = session_id
        self._living[session_id] = Session(session_id, self._user, token, self._now() + TOKEN_LIFE)
        return self._living[session_id]

    def _push_out(self, session_id: int) -> None:
        self._pushed_out[self._living[session_id].token] = None
        if len(self._pushed_out) > MOST_ENDED:
            del self._pushed_out[next(iter(self._pushed_out))]
        self._end(session_id)

    def _end(self, session_id: int) -> None:
        del self._ids[self._living.pop(session_id).token]
        if self.rules.closes_socket:
            for listen in self.listeners:
                listen(session_id)
