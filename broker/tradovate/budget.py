"""The requests that a login may still make this hour, taken from the store in blocks."""

import threading
from collections.abc import Callable

from broker.base import BrokerThrottled
from broker.logins import LoginStore, Share

# One question to the store pays for ten orders with the reads around them.
BLOCK = 30
# Requests are made that long after they were counted at most.
BLOCK_LASTS_S = 600.0
# The window slides, so a little is free again soon.
WAIT_S = 60.0

_USABLE = {
    Share.ORDER: (Share.REFRESH, Share.READ, Share.ORDER),
    Share.READ: (Share.REFRESH, Share.READ),
    Share.REFRESH: (Share.REFRESH,),
}


class Budget:
    """One login's requests, as this process has them in hand. Threads may share it."""

    def __init__(self, store: LoginStore, login: str, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._login = login
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._in_hand = dict.fromkeys(Share, 0)
        self._void_at = dict.fromkeys(Share, 0.0)

    def take(self, share: Share) -> None:
        """Count a request. Raises BrokerThrottled where its share of the hour is used up."""
        with self._lock:
            if self._take_in_hand(share):
                return
            if self._store.take_requests(self._login, share, BLOCK):
                self._in_hand[share] = BLOCK - 1
                self._void_at[share] = self._monotonic() + BLOCK_LASTS_S
            elif not self._store.take_requests(self._login, share, 1):
                raise BrokerThrottled(WAIT_S)

    def _take_in_hand(self, share: Share) -> bool:
        now = self._monotonic()
        for usable in _USABLE[share]:
            if self._in_hand[usable] and now < self._void_at[usable]:
                self._in_hand[usable] -= 1
                return True
        return False
