"""One HTTP exchange with Tradovate, and what its outcome means.

| on the wire                                                           | raised               |
|-----------------------------------------------------------------------|----------------------|
| no connection, no time left to begin                                  | BrokerNotReached     |
| time-out or reset once connected, half a reply, unreadable             | BrokerOutcomeUnknown |
| 408, 5xx                                                              | ServerFault          |
| a penalty (`p-ticket`, `p-time`, `p-captcha`) below 500                | BrokerThrottled      |
| 429, 423 without one                                                  | LockedOut            |
| 401                                                                   | TokenRefused         |
| 400, 403, 404; `errorText`, `failureReason`, `violations`, `ok` false   | BrokerRefused        |
| any other status                                                      | BrokerOutcomeUnknown |
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn, overload

import httpx

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from broker.tradovate.sockets import KeptConnections

# A bare 429 means the hourly limit, and asking during the lock-out starts the hour again.
RATE_LIMIT_WAIT_S = 3600.0
# 423 follows repeated failed logins and is lifted after five to ten minutes.
LOCK_WAIT_S = 600.0
WAIT_LIMIT_S = 86400.0
TEXT_LIMIT = 300

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REFUSALS = frozenset({400, 403, 404})
_LOCK_OUTS = {423: LOCK_WAIT_S, 429: RATE_LIMIT_WAIT_S}
_PENALTY_FIELDS = frozenset({"p-ticket", "p-time", "p-captcha"})
_UNREADABLE = object()


class TokenRefused(BrokerAuthFailed):
    """A 401: this token may not do this, and it was not done."""


class ServerFault(BrokerOutcomeUnknown):
    """A 408 or 5xx: the server is in trouble, or closed the token's session in favour of a newer one."""


class LockedOut(BrokerThrottled):
    """A 429 or 423: whatever this login asks for meanwhile makes it last longer."""


@dataclass(frozen=True)
class Reply:
    """What came back, and the secrets that must not be quoted from it."""

    status: int
    body: bytes
    data: Any
    retry_after: str
    secrets: tuple[str, ...]

    def quote(self, text: object) -> str:
        """Return words of the broker fit for an error message: short, and without our secrets."""
        words = str(text)
        for secret in filter(None, self.secrets):
            for form in (secret, json.dumps(secret)[1:-1]):
                words = words.replace(form, "***")
        return " ".join(words.split())[:TEXT_LIMIT]


class Http:
    """A pool of connections to one Tradovate host; safe to share between threads.

    httpx's `Client` is left out on purpose: cookies, redirects, hooks and the merging of settings, none
    of which is wanted here, add a third to the cost of an exchange, its convenience methods two thirds.
    """

    def __init__(
        self, base_url: str, *, monotonic: Callable[[], float], transport: httpx.BaseTransport | None = None
    ) -> None:
        url = httpx.URL(base_url)
        self._base_url = base_url.rstrip("/")
        self.host = url.netloc.decode()
        self._monotonic = monotonic
        self._transport = transport or KeptConnections(url, monotonic)
        # The Date of the last answer and when it came, on the monotonic clock.
        self.dated: tuple[str, float] | None = None
        self._url = lru_cache(maxsize=256)(self._address)

    def call(
        self,
        path: str,
        *,
        deadline: float,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Any:
        """Send once, a POST if there is a body, and return the decoded reply, fractions as Decimal.

        `path` goes behind the base URL, unless it is a whole address on the same host.
        `deadline` is a moment of the monotonic clock; `secrets` are kept out of every error text.
        """
        request = self._request(path, deadline, body, headers or {})
        try:
            reply = self._exchange(request, secrets)
        except httpx.HTTPError as error:
            raise broker_error(error) from error
        if failure := broker_error(reply):
            raise failure
        return reply.data

    def seconds_left(self, deadline: float) -> float:
        """Return how long it is to a moment of the monotonic clock, 0 when that is over."""
        return max(deadline - self._monotonic(), 0.0)

    def close(self) -> None:
        self._transport.close()

    def _address(self, path: str) -> httpx.URL:
        return httpx.URL(self._base_url + path if path.startswith("/") else path)

    def _request(
        self,
        path: str,
        deadline: float,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> httpx.Request:
        if not self.seconds_left(deadline):
            raise BrokerNotReached("no time left")
        lines = {"User-Agent": "tradedesk", **headers}
        if body is not None:
            lines["Content-Type"] = "application/json"
        return httpx.Request(
            "GET" if body is None else "POST",
            self._url(path),
            headers=lines,
            content=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
            extensions={"deadline": deadline},
        )

    def _exchange(self, request: httpx.Request, secrets: tuple[str, ...]) -> Reply:
        response = self._transport.handle_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.SyncByteStream)
        try:
            body = b"".join(stream)
        finally:
            stream.close()
        retry_after = response.headers.get("Retry-After", "")
        if date := response.headers.get("Date"):
            self.dated = date, self._monotonic()
        return Reply(response.status_code, body, _decode(body), retry_after, secrets)


@overload
def broker_error(outcome: httpx.HTTPError) -> BrokerError: ...


@overload
def broker_error(outcome: Reply) -> BrokerError | None: ...


def broker_error(outcome: httpx.HTTPError | Reply) -> BrokerError | None:
    """Return what a failed exchange means to the caller, or None if the broker did as it was asked."""
    if isinstance(outcome, _NOT_SENT):
        return BrokerNotReached(type(outcome).__name__)
    if isinstance(outcome, httpx.HTTPError):
        return BrokerOutcomeUnknown(type(outcome).__name__)
    penalty = _penalty(outcome)
    if penalty and _has_id(outcome.data):
        return BrokerOutcomeUnknown("both an id and a penalty")
    return penalty or (_refusal(outcome) if outcome.status == 200 else _status_error(outcome))


def _penalty(reply: Reply) -> BrokerThrottled | None:
    data = reply.data
    if reply.status >= 500 or not isinstance(data, dict) or not data.keys() & _PENALTY_FIELDS:
        return None
    wait, ticket = data.get("p-time", 0), data.get("p-ticket", "")
    if not isinstance(ticket, str):
        ticket = ""
    if data.get("p-captcha") is True or not isinstance(wait, int | Decimal):
        return BrokerThrottled(None, ticket)
    return BrokerThrottled(float(min(wait, Decimal(WAIT_LIMIT_S))), ticket)


def _status_error(reply: Reply) -> BrokerError:
    status, text = reply.status, _text_of(reply)
    if status == 401:
        return TokenRefused(text or "HTTP 401")
    if status in _LOCK_OUTS:
        wait_s = float(reply.retry_after) if reply.retry_after.isdecimal() else _LOCK_OUTS[status]
        return LockedOut(min(wait_s, WAIT_LIMIT_S))
    if status in _REFUSALS:
        return BrokerRefused(f"HTTP {status}", text)
    error = ServerFault if status == 408 or status >= 500 else BrokerOutcomeUnknown
    return error(f"HTTP {status}: {text}" if text else f"HTTP {status}")


def _refusal(reply: Reply) -> BrokerError | None:
    data = reply.data
    if data is _UNREADABLE:
        return BrokerOutcomeUnknown("the reply is not JSON")
    if not isinstance(data, dict):
        return None
    code = data.get("failureReason") or ""
    text = data.get("failureText") or data.get("errorText") or ""
    if violations := data.get("violations"):
        code, text = code or "violations", text or _describe(violations)
    if code == "Success" or not (code or text or data.get("ok") is False):
        return None
    if _has_id(data):
        return BrokerOutcomeUnknown(f"both an id and a refusal: {reply.quote(code or text)}")
    return BrokerRefused(reply.quote(code), reply.quote(text))


def _has_id(data: dict[str, Any]) -> bool:
    """Tell whether a reply names what it made, so that it may have been carried out whatever else it says."""
    return data.get("orderId") is not None or data.get("commandId") is not None


def _describe(violations: object) -> str:
    rows = violations if isinstance(violations, list) else [violations]
    return "; ".join(
        str(row.get("description") or row) if isinstance(row, dict) else str(row) for row in rows
    )


def _text_of(reply: Reply) -> str:
    text = reply.data
    if isinstance(text, dict):
        text = text.get("errorText") or text.get("failureText")
    return reply.quote(text if isinstance(text, str) else reply.body.decode(errors="replace"))


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_not_json)
    except (ValueError, ArithmeticError, RecursionError):
        return _UNREADABLE


def _not_json(word: str) -> NoReturn:
    raise ValueError(word)
