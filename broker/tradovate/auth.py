"""Requests with a valid token, within the login's budget and outside its pauses."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    wait_random,
)

from broker.base import BrokerError, BrokerNotReached, BrokerOutcomeUnknown, BrokerThrottled
from broker.logins import AccessToken, LoginStore, Share
from broker.tradovate.budget import Budget
from broker.tradovate.credentials import Credentials
from broker.tradovate.http import Http, ServerFault, TokenRefused
from broker.tradovate.pauses import Pauses
from broker.tradovate.reads import ACCOUNT_LIST
from broker.tradovate.tokens import Tokens, Why

# A call has two seconds in all, so its tries come soon after one another; the jitter parts the processes.
TRIES = 3
PAUSE_S = (0.02, 0.1)


class Session:
    """Sends requests of one login; safe to share between threads.

    `is_limited` says that the broker counts the login's requests. `sleep` waits between two tries.
    """

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        store: LoginStore,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        is_limited: bool = True,
    ) -> None:
        # Demo and live know the same user and take different tokens.
        login = f"{credentials.name}@{http.host}"
        self._http = http
        self._pauses = Pauses(store, login, now=now, monotonic=monotonic)
        self._budget = Budget(store, login, monotonic) if is_limited else None
        self._tokens = Tokens(
            http, credentials, store, self._pauses, login=login, now=now, is_limited=is_limited
        )
        self._denied = ""
        self._repeatedly = Retrying(
            retry=retry_if_exception_type((BrokerNotReached, BrokerOutcomeUnknown)),
            stop=self._is_over,
            wait=wait_random(*PAUSE_S),
            sleep=sleep,
            reraise=True,
        )

    def read(self, path: str, *, deadline: float, share: Share = Share.READ) -> Any:
        """Return the reply to a GET, asked for again when there was none: reading changes nothing."""

        def send(token: AccessToken) -> Any:
            return self._repeatedly(self._send, token, path, share, deadline=deadline)

        try:
            return self._with_token(send, share, deadline)
        except ServerFault as fault:
            token = self._other_token(fault, share, deadline)
        return send(token)

    def command(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        idempotent: bool = False,
    ) -> Any:
        """Return the reply to a POST. It goes out once, and once more only after a 401.

        An `idempotent` one goes again when there was no reply. A penalty's ticket is kept for the request
        with the same path and `key`, and shown when that is sent again.
        """

        def send(token: AccessToken) -> Any:
            call = self._repeatedly if idempotent else _once
            return call(self._send, token, path, Share.ORDER, body, headers, key, deadline=deadline)

        return self._with_token(send, Share.ORDER, deadline)

    def token(self, deadline: float) -> AccessToken:
        """Return a token for a connection that authorises itself."""
        return self._tokens.usable(deadline, Share.READ)

    def replace_token(self, refused: AccessToken, deadline: float) -> AccessToken:
        """Return another token than one that was refused, after one renewal and one login at most."""
        return self._tokens.replace(refused, deadline, Share.READ)

    def is_own(self, token: AccessToken) -> bool:
        """Tell whether this process got a token itself; another one's may be as dead as the one before."""
        return self._tokens.is_own(token)

    def log_in_again(self, deadline: float) -> None:
        """Take a token of a new session, for all processes, unless one began a moment ago."""
        self._tokens.start_again(deadline)

    def _with_token(self, send: Callable[[AccessToken], Any], share: Share, deadline: float) -> Any:
        token, is_new = self._tokens.usable(deadline, share), False
        while True:
            try:
                return send(token)
            except TokenRefused:
                # A 401 proves that nothing was carried out. It also tells what a good token may not do.
                if is_new:
                    self._denied = token.value
                    raise
                if self._denied == token.value and self._works(token, share, deadline):
                    raise
                token = self._tokens.replace(token, deadline, share)
                # One that another process had got may have died with its session too.
                is_new = self._tokens.is_own(token)

    def _works(self, token: AccessToken, share: Share, deadline: float) -> bool:
        """Tell whether a read passes with a token. One that cannot be tried counts as refused."""
        try:
            self._send(token, ACCOUNT_LIST.path, share, deadline=deadline)
        except BrokerError:
            return False
        return True

    def _other_token(self, fault: ServerFault, share: Share, deadline: float) -> AccessToken:
        """Return a new token in case the old one's session was closed, or raise the fault."""
        try:
            token = self._tokens.usable(deadline, share)
            return self._tokens.replace(token, deadline, share, Why.IN_DOUBT)
        except BrokerError:
            raise fault from None

    def _send(
        self,
        token: AccessToken,
        path: str,
        share: Share,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        *,
        deadline: float,
    ) -> Any:
        endpoint = _endpoint(path)
        self._pauses.check(endpoint)
        if self._budget:
            self._budget.take(share)
        if body and key and (ticket := self._pauses.take_ticket(endpoint, key)):
            body = {**body, "p-ticket": ticket}
        lines = {"Authorization": f"Bearer {token.value}", **(headers or {})}
        try:
            return self._http.call(path, deadline=deadline, body=body, headers=lines, secrets=(token.value,))
        except BrokerThrottled as throttled:
            self._pauses.begin(endpoint, throttled, key)
            raise

    def _is_over(self, attempt: RetryCallState) -> bool:
        left_s = self._http.seconds_left(attempt.kwargs["deadline"])
        return attempt.attempt_number >= TRIES or left_s <= attempt.upcoming_sleep


def _once(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return call(*args, **options)


def _endpoint(path: str) -> str:
    return path.partition("?")[0]
