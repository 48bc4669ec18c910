"""When a login must not ask for something, as every process of the desk knows it."""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from broker.base import BrokerAuthFailed, BrokerThrottled
from broker.logins import LoginStore, Pause, later
from broker.tradovate.http import LockedOut

# Names: an endpoint, a request ("/order/placeorder td-1"), credentials that were refused, or this for
# whatever the login may ask.
EVERYTHING = "*"
# No program can solve a captcha, and it is not asked for any more after about an hour.
CAPTCHA_PAUSE = timedelta(hours=1)
# What another process met is known here that much later.
LOOK_AGAIN_AFTER_S = 5.0


class Pauses:
    """The pauses of one login. This process knows its own at once and keeps them whatever the store does."""

    def __init__(
        self,
        store: LoginStore,
        login: str,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._login = login
        self._now = now
        self._monotonic = monotonic
        self._known: dict[str, Pause] = {}
        self._look_at = monotonic()
        self._lock = threading.Lock()

    def check(self, endpoint: str, credentials: str = "") -> None:
        """Raise what stopped this endpoint, or the whole login, while its time is not over.

        A refused login stops only the `credentials` that were refused.
        """
        for name in (EVERYTHING, endpoint, _of_credentials(endpoint, credentials)):
            pause, left_s = self._left(name)
            if pause is None or left_s <= 0:
                continue
            if pause.refusal:
                raise BrokerAuthFailed(f"{pause.refusal} (not tried again for {left_s:.0f} s)")
            raise BrokerThrottled(left_s)

    def begin(
        self, endpoint: str, throttled: BrokerThrottled, key: str = "", *, with_token: bool = True
    ) -> None:
        """Keep to a penalty or a lock-out; its ticket is for the request that `key` tells apart.

        That of a captcha is of no use to a program, which asks anew after an hour.
        A lock-out concerns whatever is asked with a token, where the request had one.
        """
        wait_s = throttled.retry_after_s
        until = self._now() + (CAPTCHA_PAUSE if wait_s is None else timedelta(seconds=wait_s))
        is_wide = with_token and isinstance(throttled, LockedOut)
        self._pause(EVERYTHING if is_wide else endpoint, Pause(until))
        if throttled.ticket and key and wait_s is not None:
            self._pause(f"{endpoint} {key}", Pause(until, ticket=throttled.ticket))

    def refuse(self, endpoint: str, refusal: str, credentials: str, lasting: timedelta) -> None:
        """Ask nothing of an endpoint with credentials that it refused."""
        self._pause(_of_credentials(endpoint, credentials), Pause(self._now() + lasting, refusal=refusal))

    def take_ticket(self, endpoint: str, key: str) -> str:
        """Return the ticket that a request was given, once; empty where it was given none."""
        name = f"{endpoint} {key}"
        pause, _ = self._left(name)
        if pause is None:
            return ""
        self._known.pop(name, None)
        return pause.ticket if self._store.end_pause(self._login, name) else ""

    def may(self, name: str, every: timedelta) -> bool:
        """Tell whether something may be done now, as it was not done for a while by any process."""
        _, left_s = self._left(name)
        if left_s > 0:
            return False
        self.rest(name, every)
        return True

    def free(self, names: Iterable[str]) -> str:
        """Return one of several names that no process has at rest. Raises BrokerThrottled where all are."""
        self._look_at = self._monotonic()
        left_s = {name: self._left(name)[1] for name in names}
        name = min(left_s, key=left_s.__getitem__)
        if left_s[name] > 0:
            raise BrokerThrottled(left_s[name])
        return name

    def rest(self, name: str, lasting: timedelta) -> None:
        """Let something be for a while, in every process."""
        self._pause(name, Pause(self._now() + lasting))

    def _left(self, name: str) -> tuple[Pause | None, float]:
        if self._monotonic() >= self._look_at:
            self._look_at = self._monotonic() + LOOK_AGAIN_AFTER_S
            for other, shared in self._store.pauses(self._login).items():
                self._keep(other, shared)
        pause = self._known.get(name)
        return pause, (pause.until - self._now()).total_seconds() if pause else 0.0

    def _pause(self, name: str, pause: Pause) -> None:
        self._keep(name, pause)
        self._store.pause(self._login, name, pause)

    def _keep(self, name: str, pause: Pause) -> None:
        with self._lock:
            self._known[name] = later(pause, self._known.get(name, pause))


def _of_credentials(endpoint: str, credentials: str) -> str:
    return f"{endpoint} refused {credentials}"
