"""Logins and access tokens, in memory only: after a restart every old token is answered with 401."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.paper.accounts import User

TOKEN_LIFE = timedelta(minutes=80)
MOST_SESSIONS = 2
FIRST_SESSION_ID = 3_000_000_000


class AccessError(Exception):
    """The token does not open anything; the text is the one to answer with 401."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login. A renewal changes the token and keeps the session."""

    id: int
    user: User
    token: str
    expires_at: datetime


class Sessions:
    """The living sessions of the one user, the oldest login first."""

    def __init__(self, user: User, now: Callable[[], datetime]) -> None:
        self._user = user
        self._now = now
        self._living: dict[str, Session] = {}
        # Ids that no earlier run gave, and above a signed 32-bit number as real ones are.
        self._last_id = FIRST_SESSION_ID + int(now().timestamp())

    def login(self, name: str, password: str) -> Session | None:
        """Open a session, closing the oldest of two; None for a wrong name or password."""
        if (name, password) != (self._user.name, self._user.password):
            return None
        oldest_first = sorted(self._living.values(), key=lambda session: session.id)
        for session in oldest_first[: len(oldest_first) - MOST_SESSIONS + 1]:
            del self._living[session.token]
        self._last_id += 1
        return self._issue(self._last_id)

    def renew(self, session: Session) -> Session:
        """Give a session a new token; the old one stops working at once."""
        del self._living[session.token]
        return self._issue(session.id)

    def check(self, authorization: str) -> Session:
        """Return the session behind an Authorization header. Raises AccessError."""
        scheme, _, token = authorization.partition(" ")
        session = self._living.get(token)
        if scheme.lower() != "bearer" or session is None:
            raise AccessError("Access is denied")
        if self._now() >= session.expires_at:
            raise AccessError("Expired Access Token")
        return session

    def _issue(self, session_id: int) -> Session:
        token = secrets.token_urlsafe(48)
        self._living[token] = Session(session_id, self._user, token, self._now() + TOKEN_LIFE)
        return self._living[token]
