"""How many requests Tradovate takes in a rolling hour, and what it answers to more. On by `--limits`."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.engine.exchange import Clock
from broker.paper.rest.penalties import ADMITTED, PENALTIES
from broker.paper.rest.sessions import AccessError
from broker.paper.rest.web import SESSION, SESSIONS, path_of, reply_status

HOUR = timedelta(hours=1)
WITH_TOKEN, WITHOUT_TOKEN = 5000, 1000
LOCKED = 423


@dataclass(frozen=True, slots=True)
class Rule:
    """The limit of one endpoint. `locks` answers the failure that uses it up with a 423."""

    per_hour: int
    wait_s: int
    failures_only: bool = False
    captcha: bool = False
    locks: bool = False


RULES = {
    "/auth/accesstokenrequest": Rule(5, 15, failures_only=True, captcha=True, locks=True),
    "/auth/renewaccesstoken": Rule(15, 15),
    "/auth/me": Rule(10, 30, failures_only=True),
    "/user/syncrequest": Rule(300, 3),
}


class RollingHour:
    """Counts what happened within the last hour."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._moments: deque[datetime] = deque()

    def add(self) -> int:
        """Count one more and return how many there are."""
        self._moments.append(self._now())
        return self.count()

    def count(self) -> int:
        """Return how many there are."""
        while self._moments and self._moments[0] <= self._now() - HOUR:
            self._moments.popleft()
        return len(self._moments)


class UserLimit:
    """Requests of one kind of caller. One too many locks out for an hour, and asking then starts it again."""

    def __init__(self, most: int, now: Clock) -> None:
        self._most = most
        self._now = now
        self._hour = RollingHour(now)
        self._locked_until: datetime | None = None

    def admits(self) -> bool:
        """Count a request and return whether it may pass."""
        now = self._now()
        locked = self._locked_until is not None and now < self._locked_until
        if locked or self._hour.add() > self._most:
            self._locked_until = now + HOUR
            return False
        return True


class Limits:
    """The counters of one broker."""

    def __init__(self, now: Clock) -> None:
        self.with_token = UserLimit(WITH_TOKEN, now)
        self.without_token = UserLimit(WITHOUT_TOKEN, now)
        self.endpoints = {path: RollingHour(now) for path in RULES}


LIMITS = web.AppKey("limits", Limits)


@web.middleware
async def keep_limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 429 beyond the user's limit and a penalty beyond the endpoint's."""
    limits = request.app[LIMITS]
    if not (limits.with_token if _has_token(request) else limits.without_token).admits():
        return reply_status(429)
    path = path_of(request)
    if path not in RULES or ADMITTED in request:
        return await handler(request)
    return await _keep_rule(request, handler, RULES[path], limits.endpoints[path])


async def _keep_rule(
    request: web.Request, handler: Handler, rule: Rule, hour: RollingHour
) -> web.StreamResponse:
    if hour.count() >= rule.per_hour:
        return await request.app[PENALTIES].impose(request, rule.wait_s, captcha=rule.captcha)
    if not rule.failures_only:
        hour.add()
        return await handler(request)
    try:
        response = await handler(request)
    except web.HTTPException:
        hour.add()
        raise
    if _is_failure(response) and hour.add() == rule.per_hour and rule.locks:
        return reply_status(LOCKED)
    return response


def _has_token(request: web.Request) -> bool:
    if SESSION in request:
        return True
    try:
        request.app[SESSIONS].check(request.headers.get("Authorization", ""))
    except AccessError:
        return False
    return True


def _is_failure(response: web.StreamResponse) -> bool:
    return response.status >= 400 or (
        isinstance(response, web.Response) and '"errorText"' in (response.text or "")
    )
