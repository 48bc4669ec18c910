from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError

from broker.base import BrokerAuthFailed, BrokerError, BrokerNotReached, BrokerRefused, BrokerThrottled
from tradedesk.models import Account
from tradedesk.services.desk import Desk
from tradedesk.services.halting import versions
from tradedesk.stores import lease, redis
from tradedesk.stores.redis import RedisUnavailable

TIMEOUT_S = 1.0
SESSION_KNOWN_FOR_S, FAILURE_KNOWN_FOR_S = 5.0, 1.0


@dataclass(frozen=True)
class Check:
    """One part of the desk and whether it is ready; `detail` says what to do when it is not."""

    name: str
    ok: bool
    detail: str = ""


def checks(desk: Desk) -> list[Check]:
    """Return every part that trading needs and whether it is ready: database, Redis, migrations, accounts.

    The brokers are asked at the same time, each for a second at most; one that is well not again for five.
    """
    try:
        is_migrated = not versions.missing_migrations()
        accounts = list(Account.objects.filter(enabled=True)) if is_migrated else None
    except DatabaseError:
        return [Check("database", False, "The database does not answer; check DATABASE_URL."), _redis()]
    if accounts is None:
        detail = "Migrations are missing; run manage.py migrate."
        return [Check("database", True), Check("migrations", False, detail), _redis()]
    return [
        Check("database", True),
        Check("migrations", True),
        _redis(),
        *_lease(),
        *_sessions(desk, accounts),
        *(_reconciled(desk, account) for account in accounts),
    ]


def _redis() -> Check:
    try:
        redis.ping()
    except RedisUnavailable:
        return Check("redis", False, "Redis does not answer; check REDIS_URL. The desk works on, slower.")
    return Check("redis", True)


def _lease() -> list[Check]:
    """Return whether this region may send; nothing where there is one region. Alerts are routed by it."""
    if not settings.DESK_REGION:
        return [] if lease.holder() == "" else [Check("lease", False, lease.NAMELESS)]
    try:
        lease.require()
    except lease.NotHeld as missing:
        return [Check("lease", False, f"It waits: {missing}.")]
    return [Check("lease", True)]


_sessions_known: dict[str, tuple[float, Check]] = {}


def _sessions(desk: Desk, accounts: Sequence[Account]) -> list[Check]:
    if not accounts:
        return []
    with ThreadPoolExecutor(max_workers=min(8, len(accounts))) as pool:
        return list(pool.map(lambda account: _session(desk, account), accounts))


def _session(desk: Desk, account: Account) -> Check:
    asked_at, known = _sessions_known.get(account.name, (0.0, None))
    known_for = SESSION_KNOWN_FOR_S if known and known.ok else FAILURE_KNOWN_FOR_S
    if known is None or desk.monotonic() - asked_at >= known_for:
        known = _ask(desk, account)
        _sessions_known[account.name] = (desk.monotonic(), known)
    return known


def _ask(desk: Desk, account: Account) -> Check:
    name, deadline = f"broker:{account.name}", desk.deadline(TIMEOUT_S)
    try:
        link = desk.link(account, timeout_s=deadline.left_s())
        link.broker.for_refresh().accounts(timeout_s=deadline.left_s())
    except BrokerError as error:
        return Check(name, False, f"{_explain(error)} Run manage.py doctor.")
    return Check(name, True)


def _explain(error: BrokerError) -> str:
    """Return what went wrong, in words that anyone may read: the page needs no login."""
    match error:
        case BrokerNotReached():
            return "No connection to the broker."
        case BrokerAuthFailed():
            return "The broker refused the login."
        case BrokerRefused():
            return f"The broker refused: {error.reason}."
        case BrokerThrottled() if error.retry_after_s is not None:
            return f"The broker must not be asked for {error.retry_after_s:.0f} s."
        case _:
            return "The broker gives no usable answer."


def _reconciled(desk: Desk, account: Account) -> Check:
    name = f"reconciled:{account.name}"
    if desk.is_reconciled(account):
        return Check(name, True)
    return Check(
        name,
        False,
        "Not reconciled since the desk started; it will be as soon as the broker answers. "
        f"To do it now: manage.py reconcile --account {account.name}",
    )
