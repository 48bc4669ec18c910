import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from broker.base import BrokerRefused
from broker.tradovate.client import TradovateBroker
from broker.tradovate.credentials import Credentials
from tests.broker.wire import MemoryTokens
from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import Killed
from tests.simulation.server import USER
from tests.simulation.venue import Venue
from tradedesk.models import Account
from tradedesk.services.desk import Desk, Link
from tradedesk.stores import positions
from tradedesk.stores.positions import Snapshot

CREDENTIALS = Credentials(
    name=USER.name, password=USER.password, device_id="simulated", cid=1, secret="paper"
)


class SharedTokens(MemoryTokens):
    """What the processes share for their login, telling whether one is logging in at this moment."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False

    @contextmanager
    def lock(self, login: str, *, within_s: float) -> Iterator[None]:
        self.locked = True
        try:
            with super().lock(login, within_s=within_s):
                yield
        finally:
            self.locked = False


class Process:
    """One process of the desk: its broker client, its locks and its memory, which die with it."""

    def __init__(self, name: str, clock: SimulatedClock, venue: Venue, tokens: SharedTokens) -> None:
        self.name = name
        self.activity = ""
        self.is_dead = False
        self._clock = clock
        self._locks: defaultdict[UUID, threading.Lock] = defaultdict(threading.Lock)
        self._latest: dict[UUID, Snapshot] = {}
        self._links: dict[str, Link] = {}
        self._started_at = clock.now()
        self._broker = TradovateBroker(
            "http://paper/v1",
            CREDENTIALS,
            tokens,
            now=clock.now,
            monotonic=clock.monotonic,
            sleep=self._sleep,
            paper=True,
            transport=venue,
        )
        self.desk = Desk(
            link=self._link,
            now=clock.now,
            monotonic=clock.monotonic,
            sleep=self._sleep,
            reconciled_since=self._since,
            max_alert_age_s=60,
            event_window=timedelta(hours=24),
        )

    def take_over(self) -> None:
        """Put this process's memory in the place of whichever process ran before."""
        positions._in_process, positions._latest = self._locks, self._latest

    def live(self) -> None:
        """Return while the process lives. Raises Killed afterwards: what is dead does nothing more."""
        if self.is_dead:
            raise Killed

    def _since(self, _now: datetime) -> datetime:
        return self._started_at

    def _sleep(self, seconds: float) -> None:
        self.live()
        self._clock.sleep(seconds)

    def _link(self, account: Account, *, timeout_s: float) -> Link:
        if account.name not in self._links:
            found = self._broker.accounts(timeout_s=timeout_s)
            match = next((row for row in found if row.name == account.broker_account), None)
            if match is None:
                raise BrokerRefused("UnknownAccount", account.broker_account)
            self._links[account.name] = Link(self._broker, match)
        return self._links[account.name]
