import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from broker.logins import AccessToken
from broker.tradovate.frames import KINDS
from broker.tradovate.http import WAIT_LIMIT_S
from broker.tradovate.line import ANSWER_WITHIN_S, Ended, Line, failure_of

CAPTCHA_WAIT_S = 3600.0
# A longer penalty is not waited for on an open connection.
LONGEST_PENALTY_S = 30.0
# Who penalises its own ticket again and again would take no other one either.
MOST_TICKETS, TICKETS_WAIT_S = 3, 60.0
SYNCS_AN_HOUR, HOUR_S = 300, 3600.0


class Synchroniser:
    """Starts user sync on one connection after the other, in the form that the server takes."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._forms = [_by_kinds, _plain, _by_user]
        self._has_synced = False
        self._syncs: deque[float] = deque()

    def begin(self, line: Line, token: AccessToken, stop: threading.Event) -> None:
        """Start user sync in the first form that the server takes, and remember that form."""
        refusal = Ended("no form of user sync is taken")
        for form in list(self._forms):
            body = form(token)
            if body is None:
                continue
            if not self._has_synced:
                # A refusal may close the connection: then the next one begins with another form.
                self._forms = [*(other for other in self._forms if other is not form), form]
            failure = self._ask(line, body, stop)
            if failure is None:
                self._has_synced = True
                self._forms = [form, *(other for other in self._forms if other is not form)]
                return
            if failure.wait_s:
                raise failure
            refusal = failure
        self._has_synced = False
        raise refusal

    def _ask(self, line: Line, body: dict[str, Any], stop: threading.Event) -> Ended | None:
        """Return why user sync did not begin, None where it did; a penalty is waited for, and asked anew."""
        for _ in range(1 + MOST_TICKETS):
            self._count()
            reply = line.ask("user/syncrequest", json.dumps(body), self._monotonic() + ANSWER_WITHIN_S)
            data = reply.get("d")
            if not isinstance(data, dict) or not data.keys() & {"p-ticket", "p-time", "p-captcha"}:
                return failure_of(reply)
            wait_s = _penalty_s(data)
            if wait_s > LONGEST_PENALTY_S:
                return Ended("a penalty", wait_s)
            line.rest(wait_s, stop)
            if stop.is_set():
                return Ended("stopped")
            body = body | {"p-ticket": data.get("p-ticket")}
        return Ended("a penalty for each ticket", TICKETS_WAIT_S)

    def _count(self) -> None:
        """Note a sync, or end the connection where the hour has no more of them."""
        now = self._monotonic()
        while self._syncs and now - self._syncs[0] >= HOUR_S:
            self._syncs.popleft()
        if len(self._syncs) >= SYNCS_AN_HOUR:
            raise Ended("too many syncs within the hour", self._syncs[0] + HOUR_S - now)
        self._syncs.append(now)


def _penalty_s(data: dict[str, Any]) -> float:
    wait_s = data.get("p-time", 0)
    if data.get("p-captcha") is True or not isinstance(wait_s, int | float):
        return CAPTCHA_WAIT_S
    return float(max(0, min(wait_s, WAIT_LIMIT_S)))


# Partner documentation of 2026: what is not listed is not told. An older server passes the list over.
def _by_kinds(_token: AccessToken) -> dict[str, Any] | None:
    return {"splitResponses": False, "entityTypes": list(KINDS)}


# As recorded of the vendor's own web page.
def _plain(_token: AccessToken) -> dict[str, Any] | None:
    return {"splitResponses": False}


# Official document of 2025. Accounts that others own and this user may trade could be left out.
def _by_user(token: AccessToken) -> dict[str, Any] | None:
    return None if token.user_id is None else {"users": [token.user_id]}
