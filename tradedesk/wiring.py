import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from django.conf import settings

from broker.base import BrokerAccount, BrokerRefused
from broker.tradovate.client import TradovateBroker
from broker.tradovate.credentials import Credentials
from tradedesk.models import Account, Environment
from tradedesk.services.desk import Desk, Link
from tradedesk.services.halting.identity import check_account, check_address
from tradedesk.stores import credentials
from tradedesk.stores.logins import SharedLogins

HOSTS = {
    Environment.DEMO: "https://demo.tradovateapi.com/v1",
    Environment.LIVE: "https://live.tradovateapi.com/v1",
}
LAMBDA_RECONCILED_WITHIN = timedelta(minutes=10)


def now() -> datetime:
    """Return this moment, aware UTC: the one place that reads the wall clock."""
    return datetime.now(UTC)  # noqa: TID251 - the one home of the clock


STARTED_AT, _STARTED = now(), time.monotonic()


@cache
def desk() -> Desk:
    """Return the desk as the settings describe it, with its broker connections kept for the process."""
    return Desk(
        link=_Links(now),
        now=now,
        monotonic=time.monotonic,
        sleep=time.sleep,
        reconciled_since=reconciled_since,
        max_alert_age_s=settings.MAX_ALERT_AGE_S,
        event_window=timedelta(hours=settings.EVENT_WINDOW_H),
    )


def reconciled_since(at: datetime) -> datetime:
    """Return since when an account must have been reconciled: the start of this process.

    It is reckoned back from `at`, so that a clock that is set back meanwhile changes nothing. On Lambda
    processes come and go, so it is ten minutes ago there.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return at - LAMBDA_RECONCILED_WITHIN
    return at - timedelta(seconds=time.monotonic() - _STARTED)


class _Links:
    """Makes one broker client per login and finds each account on it, once per process."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._logins = SharedLogins()
        self._brokers: dict[tuple[str, str], TradovateBroker] = {}
        self._links: dict[tuple[str, str, str], Link] = {}

    def __call__(self, account: Account, *, timeout_s: float) -> Link:
        login = (account.environment, account.credentials)
        key = (*login, account.broker_account)
        link = self._links.get(key)
        is_paper = account.environment == Environment.PAPER
        if link is None or not (is_paper or account.broker_account_id):
            with self._lock:
                broker = self._brokers.get(login) or self._brokers.setdefault(login, self._connect(account))
            link = Link(broker, _find(broker, account, timeout_s))
        check_account(account, link.account, self._now())
        self._links[key] = link
        return link

    def _connect(self, account: Account) -> TradovateBroker:
        if account.environment not in Environment:
            raise BrokerRefused("UnknownEnvironment", account.environment)
        environment = Environment(account.environment)
        is_paper = environment is Environment.PAPER
        address = settings.PAPER_BROKER_URL if is_paper else HOSTS[environment]
        check_address(environment, address)
        return TradovateBroker(
            address,
            _paper_credentials() if is_paper else credentials.named(account.credentials),
            self._logins,
            now=self._now,
            paper=is_paper,
        )


def _paper_credentials() -> Credentials:
    return Credentials(
        name=settings.PAPER_BROKER_USER,
        password=settings.PAPER_BROKER_PASSWORD,
        app_id="TradeDesk",
        app_version=settings.VERSION,
        device_id="tradedesk-paper",
        cid=1,
        secret="paper",  # noqa: S106 - the paper broker asks for none
    )


def _find(broker: TradovateBroker, account: Account, timeout_s: float) -> BrokerAccount:
    wanted = account.broker_account or (
        settings.PAPER_BROKER_ACCOUNT if account.environment == Environment.PAPER else ""
    )
    active = [found for found in broker.accounts(timeout_s=timeout_s) if found.active]
    match = next((found for found in active if not wanted or found.name == wanted), None)
    if match is None:
        raise BrokerRefused("UnknownAccount", f"the login has no active account {wanted or 'at all'}")
    return match
