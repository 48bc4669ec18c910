from collections.abc import Callable
from contextlib import suppress
from functools import wraps

import structlog
from django.conf import settings
from django.db import DatabaseError

from tradedesk import wiring
from tradedesk.models import Account
from tradedesk.services import renewal, retention, task_runs
from tradedesk.services.alerts import alert_stream
from tradedesk.services.contracts import calendars, rolls, terms
from tradedesk.services.halting import flatten, outer_wall, versions
from tradedesk.services.halting.flat_by import flat_by as bring_flat_by
from tradedesk.services.reconciling import looking, recovery, rounds
from tradedesk.services.reports import channels, measuring, sending, statement, telling
from tradedesk.stores import lease
from tradedesk.stores.task_locks import only_one

log = structlog.get_logger(__name__)


def _reporting(task: Callable[[], None]) -> Callable[[], None]:
    """Let a task run once at a time, and write down how it ended and what its process runs.

    A second scheduler, or a message that comes again, finds it running and does nothing. So does a region
    that waits for the lease; the one that holds it renews it here.
    """

    @wraps(task)
    def run() -> None:
        with only_one(task.__name__) as is_ours:
            if is_ours and not lease.renew():
                log.info("task.region_waits", task=task.__name__)
            elif is_ours:
                _run(task)
            else:
                log.info("task.runs_elsewhere", task=task.__name__)

    return run


def _run(task: Callable[[], None]) -> None:
    try:
        task()
    except Exception as error:
        with suppress(DatabaseError):
            task_runs.note_failure(task.__name__, type(error).__name__, wiring.desk().now())
        raise
    task_runs.note_success(task.__name__, wiring.desk().now())
    versions.sign("worker", versions.signature(), wiring.STARTED_AT, wiring.desk().now())


@_reporting
def go_on_flattening() -> None:
    """Go on with what is to be flat and is not yet."""
    still_open = flatten.go_on(wiring.desk())
    if still_open:
        log.warning("flatten.still_open", scopes=still_open)


@_reporting
def recover() -> None:
    """Settle orders without an end and alerts without a decision, asking once."""
    found = recovery.recover(wiring.desk())
    if found.rows:
        log.info("recover.done", looked_at=len(found.rows), still_open=found.open_count)


@_reporting
def reconcile() -> None:
    """Compare every enabled account with its broker."""
    found = rounds.reconcile_each(wiring.desk(), Account.objects.filter(enabled=True))
    if not found.clean:
        log.warning("reconcile.not_clean", differences=len(found.differences), unread=list(found.unread))


@_reporting
def send_notices() -> None:
    """Write down what happened since the last time that people are told of, and send what is due."""
    desk = wiring.desk()
    telling.tell_what_happened(desk.now())
    sending.send_notices(desk, channels.channels_of(settings.NOTIFY_URLS))


@_reporting
def flat_by() -> None:
    """Bring the accounts flat whose flat-by time comes, and look that they are."""
    not_flat = bring_flat_by(wiring.desk())
    if not_flat:
        log.warning("flat_by.not_flat", accounts=not_flat)


@_reporting
def watch_rolls() -> None:
    """Look for positions in months that are to be left, and close what its last date has passed for."""
    not_closed = rolls.watch_rolls(wiring.desk())
    if not_closed:
        log.warning("watch_rolls.not_closed", bots=not_closed)


@_reporting
def renew_tokens() -> None:
    """Renew the token of each broker login that ends soon, though nobody trades."""
    ending = renewal.renew_tokens(wiring.desk())
    if ending:
        log.warning("renew_tokens.not_renewed", accounts=ending)


@_reporting
def refresh_costs() -> None:
    """Read what trading costs: fees and margin of each instrument in use."""
    unread = terms.refresh_costs(wiring.desk())
    if unread:
        log.warning("refresh_costs.unread", count=unread)


@_reporting
def read_walls() -> None:
    """Read what the brokers themselves enforce, for the day on which the desk is dead."""
    unread = outer_wall.read_walls(wiring.desk())
    if unread:
        log.warning("read_walls.unread", accounts=unread)


@_reporting
def watch_calendar() -> None:
    """Remind people of a calendar that nobody has confirmed far enough ahead."""
    calendars.remind(wiring.desk().now())


@_reporting
def watch_alerts() -> None:
    """Look whether the heartbeats of the alerts still come, and remind people of alerts that end."""
    alert_stream.watch(wiring.desk().now())


@_reporting
def watch_connections() -> None:
    """Look at everything the desk is connected to, and keep what was found for the panel."""
    looking.look(wiring.desk())


@_reporting
def prune() -> None:
    """Delete history that is older than it is to be kept; nothing unless that was set."""
    desk = wiring.desk()
    if settings.KEEP_HISTORY_DAYS:
        gone = retention.prune(desk.now(), settings.KEEP_HISTORY_DAYS, desk.event_window)
        log.info("prune.done", **gone)


@_reporting
def write_statements() -> None:
    """Write down for each account what the trading day came to that ended last, compared with the broker."""
    statement.write_statements(wiring.desk())


def measure() -> None:
    """Record the desk's gauges, also while Redis or the database is away: that is one of them."""
    for metric, value in measuring.figures(wiring.desk().now()).items():
        metric.record(value)
