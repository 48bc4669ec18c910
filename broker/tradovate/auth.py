"""One login at Tradovate: its token, kept fresh, shared with the desk's other processes through the store.

Every login opens a session and a third one closes the oldest, so whoever needs a token looks for one that
somebody else got, then renews, and logs in last.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from broker.logins import AccessToken, TokenStore
from broker.tradovate import parse
from broker.tradovate.http import Http, TokenRefused

RENEW_BEFORE = timedelta(minutes=15)
# Fifteen renewals an hour are allowed to all processes together.
RENEWAL_PAUSE = timedelta(minutes=5)
# Five failed logins an hour lock out the whole network, so a refused one rests for a quarter of it.
LOGIN_PAUSE = timedelta(minutes=15)
# Each login pushes out an older session, so many questions at once share one.
FRESH_FOR = timedelta(seconds=30)
CAPTCHA_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Credentials:
    """What Tradovate asks of a login. `cid` and `secret` are the API key, 0 and empty where there is none.

    `device_id` must stay the same for one installation: live orders are refused when it changes.
    """

    name: str
    password: str = field(repr=False)
    app_id: str = "TradeDesk"
    app_version: str = "1.0"
    device_id: str = ""
    cid: int = 0
    secret: str = field(default="", repr=False)

    def request_body(self) -> dict[str, object]:
        """Return the body of a login. `cid` is a number, as in the vendor's examples."""
        body: dict[str, object] = {
            "name": self.name,
            "password": self.password,
            "appId": self.app_id,
            "appVersion": self.app_version,
        }
        if self.device_id:
            body["deviceId"] = self.device_id
        if self.cid:
            body |= {"cid": self.cid, "sec": self.secret}
        return body


class Session:
    """Sends requests with a valid token; safe to share between threads."""

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        tokens: TokenStore,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._credentials = credentials
        # Demo and live know the same user and take different tokens.
        self._login = f"{credentials.name}@{http.host}"
        self._tokens = tokens
        self._now = now
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._next_renewal: datetime | None = None
        self._pause: _LoginPause | None = None
        self._logged_in_at: datetime | None = None

    def read(self, path: str, *, deadline: float) -> Any:
        """Return the reply to a GET, asked for once more when the first got none: reading changes nothing."""

        def send(token: AccessToken) -> Any:
            try:
                return self._send(token, path, deadline)
            except (BrokerNotReached, BrokerOutcomeUnknown):
                if not self._http.seconds_left(deadline):
                    raise
            return self._send(token, path, deadline)

        return self._with_token(send, deadline)

    def command(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the reply to a POST. It goes out once, and once more only after a 401."""
        return self._with_token(lambda token: self._send(token, path, deadline, body, headers), deadline)

    def log_in_again(self, deadline: float) -> None:
        """Take a token of a new session, for all processes, unless this one is new. Raises BrokerError."""
        if self._logged_in_at is not None and self._now() - self._logged_in_at < FRESH_FOR:
            return
        if not self._lock.acquire(timeout=self._http.seconds_left(deadline)):
            raise BrokerNotReached("no token in time")
        try:
            with self._tokens.lock(self._login), _nothing_sent():
                token = self._log_in(deadline)
                self._tokens.save(self._login, token)
            self._token = token
        finally:
            self._lock.release()

    def _with_token(self, send: Callable[[AccessToken], Any], deadline: float) -> Any:
        token = self._usable_token(deadline)
        try:
            return send(token)
        except TokenRefused:
            # A 401 proves that nothing was carried out.
            token = self._replace(token, deadline)
        return send(token)

    def _send(
        self,
        token: AccessToken,
        path: str,
        deadline: float,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        lines = {"Authorization": f"Bearer {token.value}", **(headers or {})}
        return self._http.call(path, deadline=deadline, body=body, headers=lines, secrets=(token.value,))

    def _usable_token(self, deadline: float) -> AccessToken:
        token = self._token = self._token or self._tokens.load(self._login)
        now = self._now()
        if token is None or token.expires_at <= now:
            return self._replace(token, deadline)
        if token.expires_at - now >= RENEW_BEFORE or (self._next_renewal and now < self._next_renewal):
            return token
        # The token still works: other threads go on with it meanwhile, and so does this one if renewing
        # fails or takes half of the time it has.
        self._next_renewal = now + RENEWAL_PAUSE
        try:
            return self._replace(token, deadline - self._http.seconds_left(deadline) / 2)
        except BrokerError:
            return token

    def _replace(self, old: AccessToken | None, deadline: float) -> AccessToken:
        """Return another token than `old`: the one someone put into the store, a renewed or a new one."""
        if not self._lock.acquire(timeout=self._http.seconds_left(deadline)):
            raise BrokerNotReached("no token in time")
        try:
            if self._token is not None and self._is_newer(self._token, old):
                return self._token
            with self._tokens.lock(self._login):
                stored = self._tokens.load(self._login)
                if stored is not None and self._is_newer(stored, old):
                    self._token = stored
                    return stored
                with _nothing_sent():
                    token = (old and self._renew(old, deadline)) or self._log_in(deadline)
                self._tokens.save(self._login, token)
            self._token = token
            return token
        finally:
            self._lock.release()

    def _is_newer(self, token: AccessToken, old: AccessToken | None) -> bool:
        if token.expires_at <= self._now():
            return False
        return old is None or (token.value != old.value and token.expires_at >= old.expires_at)

    def _renew(self, old: AccessToken, deadline: float) -> AccessToken | None:
        """Return a renewed token, or None if only a login helps. GET /auth/renewaccesstoken"""
        if old.expires_at <= self._now():
            return None
        try:
            return parse.access_token(self._send(old, "/auth/renewaccesstoken", deadline))
        except (TokenRefused, BrokerRefused):
            self._token = None
            self._tokens.forget(self._login)
            return None

    def _log_in(self, deadline: float) -> AccessToken:
        """Return the token of a new session. POST /auth/accesstokenrequest"""
        body = self._credentials.request_body()
        secrets = (self._credentials.password, self._credentials.secret)
        if self._pause is not None:
            self._pause.check(self._now())
            if self._pause.ticket:
                body["p-ticket"] = self._pause.ticket
        try:
            data = self._http.call("/auth/accesstokenrequest", deadline=deadline, body=body, secrets=secrets)
        except BrokerThrottled as error:
            wait_s = error.retry_after_s
            pause = CAPTCHA_PAUSE if wait_s is None else timedelta(seconds=wait_s)
            self._pause = _LoginPause(self._now() + pause, ticket=error.ticket)
            raise
        except (TokenRefused, BrokerRefused) as error:
            raise self._refused(str(error)) from error
        token = parse.access_token(data)
        if token.expires_at <= self._now():
            raise self._refused("the token came expired; is this machine's clock right?")
        self._pause = None
        self._logged_in_at = self._now()
        return token

    def _refused(self, why: str) -> BrokerAuthFailed:
        self._pause = _LoginPause(self._now() + LOGIN_PAUSE, refusal=f"login refused: {why}")
        return BrokerAuthFailed(self._pause.refusal)


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Whatever became of a token request: the request that it was for has not been sent."""
    try:
        yield
    except BrokerOutcomeUnknown as error:
        raise BrokerNotReached(f"no token: {error}") from error


@dataclass(frozen=True)
class _LoginPause:
    until: datetime
    refusal: str = ""
    ticket: str = ""

    def check(self, now: datetime) -> None:
        """Raise what the last login raised, without asking again, until the pause is over."""
        left = self.until - now
        if left <= timedelta():
            return
        if self.refusal:
            raise BrokerAuthFailed(f"{self.refusal} (not tried again for {left.total_seconds():.0f} s)")
        raise BrokerThrottled(left.total_seconds(), self.ticket)
