import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from broker.base import BrokerError
from tradedesk import logs, wiring
from tradedesk.management.command_help import with_examples
from tradedesk.models import Account, Environment, Instrument, Strategy, TaskRun
from tradedesk.services.desk import Link
from tradedesk.services.halting import leasing, outer_wall
from tradedesk.services.order_path.positions import contract_to_trade, terms_agree
from tradedesk.services.task_runs import trouble_with
from tradedesk.stores import followers, lease, redis

ACCOUNT_WITHIN_S = 10.0
FOLLOWER_SILENT_S = 60.0


class Finding(NamedTuple):
    """One line of the table: what was looked at, whether it is well, and what was found."""

    part: str
    is_well: bool
    found: str


class Command(BaseCommand):
    help = (
        "Look at configuration, database, Redis and every broker login, and print a table. No order is sent "
        "and no secret shown. Exit code 1 when something needs attention."
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py doctor",
            "DATABASE_URL=postgresql://db.example.com/desk manage.py doctor      before a move",
        )

    def handle(self, *_args: Any, **_options: Any) -> None:
        troubles = 0
        for finding in findings():
            troubles += not finding.is_well
            mark = "ok" if finding.is_well else "TROUBLE"
            self.stdout.write(f"{mark:8} {finding.part:24} {logs.redact(finding.found)}")
        if troubles:
            self.stdout.write(f"{troubles} of the above need attention.")
            sys.exit(1)
        self.stdout.write("All is well.")


def findings() -> Iterator[Finding]:
    """Yield what there is to know, each part looked at when its turn comes."""
    yield from _configuration()
    database = [_tried("database", _database), _tried("migrations", _migrations)]
    yield from database
    yield _tried("redis", _redis)
    if all(finding.is_well for finding in database):
        yield from _region()
        yield from _strategies()
        yield from _tasks()
        for account in Account.objects.filter(enabled=True):
            yield from _account(account)


def _configuration() -> Iterator[Finding]:
    messages = checks.run_checks()
    grave = [message for message in messages if message.is_serious()]
    for message in messages:
        hint = f" {message.hint}" if message.hint else ""
        yield Finding(f"check {message.id}", not message.is_serious(), f"{message.msg}{hint}")
    if not grave:
        yield Finding("configuration", True, "local desk" if settings.LOCAL else "server")


def _tried(part: str, look: Callable[[], str]) -> Finding:
    """Return what a look found, or what it met instead."""
    try:
        return Finding(part, True, look())
    except (DatabaseError, redis.RedisUnavailable, BrokerError, LookupError) as error:
        return Finding(part, False, f"{type(error).__name__}: {error}".strip().partition("\n")[0])


def _database() -> str:
    connection.ensure_connection()
    where = connection.settings_dict["NAME"]
    host = connection.settings_dict["HOST"]
    return f"{connection.display_name} {where}{f' on {host}' if host else ''}"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(str(migration) for migration, _ in missing[:3])
        raise LookupError(f"{len(missing)} not applied ({names}): run manage.py migrate")
    return "all applied"


def _redis() -> str:
    redis.ping()
    return "answers"


def _region() -> Iterator[Finding]:
    """Yield whether this region may send, where the desk runs in two."""
    if not settings.DESK_REGION and lease.holder():
        yield Finding("region", False, lease.NAMELESS)
    elif settings.DESK_REGION:
        standing = leasing.status()
        found = f"{settings.DESK_REGION}; the lease is with {standing.holder or 'nobody'}"
        yield Finding("region", standing.is_ours, f"{found}, {standing.left_s:.0f} s left")


def _strategies() -> Iterator[Finding]:
    for strategy in Strategy.objects.all():
        valid = strategy.tokens.filter(revoked_at=None).count()
        last = strategy.heartbeat_at
        seen = f"last heartbeat {last:%Y-%m-%d %H:%M} UTC" if last else "no heartbeat yet"
        yield Finding(f"strategy {strategy}", valid > 0, f"{valid} valid webhook tokens, {seen}")


def _tasks() -> Iterator[Finding]:
    """Yield how the scheduled tasks did; none is said to be late that has never run here."""
    periods = {name: float(str(entry["schedule"])) for name, entry in settings.CELERY_BEAT_SCHEDULE.items()}
    for run in TaskRun.objects.filter(name__in=periods):
        trouble = trouble_with(run, periods[run.name], wiring.desk().now())
        last = (
            f"last success {run.succeeded_at:%Y-%m-%d %H:%M:%S} UTC" if run.succeeded_at else "no success yet"
        )
        yield Finding(f"task {run.name}", not trouble, f"{last}{f', {trouble}' if trouble else ''}")


def _account(account: Account) -> Iterator[Finding]:
    links: list[Link] = []

    def log_in() -> str:
        links.append(wiring.desk().link(account, timeout_s=ACCOUNT_WITHIN_S))
        return f"{account.environment}, logged in, trades on {links[0].account.name}"

    yield _tried(f"account {account}", log_in)
    yield from _follower(account)
    yield from _wall(account)
    for instrument in Instrument.objects.filter(bots__account=account).distinct() if links else ():
        yield _tried(f"account {account} {instrument}", lambda of=instrument: _contract(links[0], of))  # type: ignore[misc]


def _wall(account: Account) -> Iterator[Finding]:
    """Yield what the broker itself enforces; on live it must, on demo it may."""
    if account.environment == Environment.PAPER:
        return
    troubles = outer_wall.troubles_with(account, wiring.desk().now())
    wall = outer_wall.wall_of(account)
    found = f"liquidates at a loss of {wall.daily_loss} USD, at most {wall.position} contracts"
    is_well = not troubles or account.environment != Environment.LIVE
    yield Finding(f"account {account} at broker", is_well, " ".join(troubles) or found)


def _follower(account: Account) -> Iterator[Finding]:
    """Yield whether the follower lives, where one was started for the account and not stopped."""
    with suppress(redis.RedisUnavailable):
        if (seen := followers.last_sign(account.pk)) is not None:
            silent_s = (wiring.desk().now() - seen).total_seconds()
            found = f"last sign of life {silent_s:.0f} s ago"
            is_well = silent_s < FOLLOWER_SILENT_S
            if not is_well:
                found += "; start manage.py follow_broker again"
            yield Finding(f"account {account} follower", is_well, found)


def _contract(link: Link, instrument: Instrument) -> str:
    contract = contract_to_trade(link, instrument, wiring.desk().deadline(ACCOUNT_WITHIN_S))
    if not terms_agree(instrument, contract):
        raise LookupError(
            f"{contract.name} has tick {contract.tick_size} and point value {contract.point_value} "
            f"at the broker, {instrument.tick_size} and {instrument.point_value} here"
        )
    return f"trades {contract.name}"
