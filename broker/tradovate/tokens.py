"""The token of one Tradovate login, kept fresh and shared with the desk's other processes through the store.

Every login opens a session and a third one closes the oldest, so whoever needs a token looks for one that
somebody else got, then renews, and logs in last: one at a time, whatever the number of threads, processes
and machines.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from broker.logins import AccessToken, LoginStore, Share
from broker.tradovate import parse
from broker.tradovate.credentials import Credentials
from broker.tradovate.http import Http, ServerFault, TokenRefused
from broker.tradovate.pauses import Pauses

LOGIN, RENEWAL = "/auth/accesstokenrequest", "/auth/renewaccesstoken"
RENEW_BEFORE = timedelta(minutes=15)
# Fifteen renewals an hour are allowed to all processes together.
RENEWAL_PAUSE = timedelta(minutes=5)
# Five failed logins an hour lock out the whole network, so a refused one rests for a quarter of it.
LOGIN_PAUSE = timedelta(minutes=15)
# How often a new token is got in ten minutes, all processes together: where someone else's logins close
# our sessions again and again, or every token is refused, an order is worth more tries than a page.
NEW_TOKENS = {Share.REFRESH: 2, Share.READ: 4, Share.ORDER: 8}
NEW_TOKENS_WITHIN = timedelta(minutes=10)
# Each login pushes out an older session, so many questions at once share one.
FRESH_FOR = timedelta(seconds=30)


class Why(StrEnum):
    """Why a token is to be replaced: it ends soon, a 401 refused it, or the server's faults may mean it."""

    EARLY = "early renewal"
    REFUSED = "token refused"
    IN_DOUBT = "token in doubt"


class Tokens:
    """Gives out the token of one login. Threads may share it."""

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        store: LoginStore,
        pauses: Pauses,
        *,
        login: str,
        now: Callable[[], datetime],
        is_limited: bool,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._store = store
        self._pauses = pauses
        self._login = login
        self._now = now
        self._is_limited = is_limited
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._next_try: datetime | None = None
        self._own = ""

    def usable(self, deadline: float, share: Share) -> AccessToken:
        """Return a token that works by its word, renewed a quarter of an hour before its end."""
        token = self._token = self._token or self._store.load(self._login)
        now = self._now()
        if token is None or token.expires_at <= now:
            return self.replace(token, deadline, share)
        if token.expires_at - now >= RENEW_BEFORE or (self._next_try and now < self._next_try):
            return token
        # The token still works: other threads go on with it meanwhile, and so does this one if renewing
        # fails or takes half of the time it has.
        self._next_try = now + RENEWAL_PAUSE
        try:
            return self.replace(token, deadline - self._http.seconds_left(deadline) / 2, share, Why.EARLY)
        except BrokerError:
            return token

    def replace(
        self, old: AccessToken | None, deadline: float, share: Share, why: Why = Why.REFUSED
    ) -> AccessToken:
        """Return another token than `old`: the one someone put into the store, a renewed or a new one.

        Raises BrokerThrottled where new tokens were got too often for this share.
        """
        with self._turn(deadline):
            if self._token is not None and self._is_newer(self._token, old):
                return self._token
            with self._store.lock(self._login, within_s=self._http.seconds_left(deadline)):
                token = self._store.load(self._login)
                if token is None or not self._is_newer(token, old):
                    with self._counted(share):
                        token = self._get(old, deadline, why)
                    self._own = token.value
                    self._store.save(self._login, token)
            self._token = token
            return token

    def start_again(self, deadline: float) -> None:
        """Take a token of a new session, for all processes, unless one began a moment ago."""
        with self._turn(deadline):
            with self._store.lock(self._login, within_s=self._http.seconds_left(deadline)):
                token = self._store.load(self._login)
                if token is None or not self._is_fresh(token):
                    with self._counted(Share.ORDER):
                        token = self._log_in(deadline)
                    self._own = token.value
                    self._store.save(self._login, token)
            self._token = token

    def is_own(self, token: AccessToken) -> bool:
        """Tell whether this process got a token itself."""
        return token.value == self._own

    @contextmanager
    def _counted(self, share: Share) -> Iterator[None]:
        """Count a new token once there is one: an outage must not use up what exits need after it."""
        if not self._is_limited:
            yield
            return
        place = self._pauses.free(f"new token {number}" for number in range(NEW_TOKENS[share]))
        yield
        self._pauses.rest(place, NEW_TOKENS_WITHIN)

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Hold off the other threads. Whatever fails here, the request that needs the token was not sent."""
        if not self._lock.acquire(timeout=self._http.seconds_left(deadline)):
            raise BrokerNotReached("no token in time")
        try:
            yield
        except BrokerOutcomeUnknown as error:
            raise BrokerNotReached(f"no token: {error}") from error
        finally:
            self._lock.release()

    def _is_newer(self, token: AccessToken, old: AccessToken | None) -> bool:
        if token.expires_at <= self._now():
            return False
        return old is None or (token.value != old.value and token.expires_at >= old.expires_at)

    def _is_fresh(self, token: AccessToken) -> bool:
        since = token.session_since
        return since is not None and self._now() - since < FRESH_FOR

    def _get(self, old: AccessToken | None, deadline: float, why: Why) -> AccessToken:
        if old is None or old.expires_at <= self._now():
            return self._log_in(deadline)
        if why is not Why.REFUSED and not self._pauses.may(why, RENEWAL_PAUSE):
            raise BrokerNotReached(f"{why}: tried a moment ago")
        try:
            return self._renew(old, deadline)
        except (TokenRefused, BrokerRefused):
            self._token = None
            self._store.forget(self._login)
        except BrokerThrottled:
            # A penalty holds back renewals only. What locks out the whole login stops the login below too.
            if why is not Why.REFUSED:
                raise
        except ServerFault:
            # This is also how a session that was closed in favour of a newer one is answered.
            if why is Why.EARLY:
                raise
        return self._log_in(deadline)

    def _renew(self, old: AccessToken, deadline: float) -> AccessToken:
        """Return a new token of the same session. GET /auth/renewaccesstoken"""
        self._pauses.check(RENEWAL)
        headers = {"Authorization": f"Bearer {old.value}"}
        try:
            data = self._http.call(RENEWAL, deadline=deadline, headers=headers, secrets=(old.value,))
        except BrokerThrottled as throttled:
            self._pauses.begin(RENEWAL, throttled)
            raise
        return replace(parse.access_token(data), session_since=old.session_since)

    def _log_in(self, deadline: float) -> AccessToken:
        """Return the token of a new session. POST /auth/accesstokenrequest"""
        self._pauses.check(LOGIN, self._credentials.fingerprint)
        body = self._credentials.request_body()
        if ticket := self._pauses.take_ticket(LOGIN, self._login):
            body["p-ticket"] = ticket
        secrets = (self._credentials.password, self._credentials.secret)
        try:
            data = self._http.call(LOGIN, deadline=deadline, body=body, secrets=secrets)
        except BrokerThrottled as throttled:
            self._pauses.begin(LOGIN, throttled, self._login, with_token=False)
            raise
        except (TokenRefused, BrokerRefused) as error:
            raise self._refused(str(error)) from error
        if status := parse.refused_user(data):
            raise self._refused(f"the user is {status}")
        token = parse.access_token(data)
        if token.expires_at <= self._now():
            raise self._refused("the token came expired; is this machine's clock right?")
        return replace(token, session_since=self._now())

    def _refused(self, why: str) -> BrokerAuthFailed:
        refusal = f"login refused: {why}"
        self._pauses.refuse(LOGIN, refusal, self._credentials.fingerprint, LOGIN_PAUSE)
        return BrokerAuthFailed(refusal)
