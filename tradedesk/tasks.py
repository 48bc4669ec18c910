from collections.abc import Callable
from contextlib import suppress
from functools import wraps

import structlog
from celery import shared_task
from django.conf import settings
from django.db import DatabaseError

from tradedesk import wiring
from tradedesk.models import Account
from tradedesk.services import (
    alert_stream,
    calendars,
    channels,
    flatten,
    recovery,
    retention,
    rounds,
    sending,
    statement,
    task_runs,
    telling,
    versions,
)
from tradedesk.services.flat_by import flat_by as bring_flat_by

log = structlog.get_logger(__name__)


def _reporting(task: Callable[[], None]) -> Callable[[], None]:
    """Let a task write down when it last ended well, how it failed since then, and what its process runs."""

    @wraps(task)
    def run() -> None:
        try:
            task()
        except Exception as error:
            with suppress(DatabaseError):
                task_runs.note_failure(task.__name__, type(error).__name__, wiring.desk().now())
            raise
        task_runs.note_success(task.__name__, wiring.desk().now())
        versions.sign("worker", versions.signature(), wiring.STARTED_AT, wiring.desk().now())

    return run


@shared_task
@_reporting
def go_on_flattening() -> None:
    """Go on with what is to be flat and is not yet."""
    still_open = flatten.go_on(wiring.desk())
    if still_open:
        log.warning("flatten.still_open", scopes=still_open)


@shared_task
@_reporting
def recover() -> None:
    """Settle orders without an end and alerts without a decision, asking once."""
    found = recovery.recover(wiring.desk())
    if found.rows:
        log.info("recover.done", looked_at=len(found.rows), still_open=found.open_count)


@shared_task
@_reporting
def reconcile() -> None:
    """Compare every enabled account with its broker."""
    found = rounds.reconcile_each(wiring.desk(), Account.objects.filter(enabled=True))
    if not found.clean:
        log.warning("reconcile.not_clean", differences=len(found.differences), unread=list(found.unread))


@shared_task
@_reporting
def send_notices() -> None:
    """Write down what happened since the last time that people are told of, and send what is due."""
    desk = wiring.desk()
    telling.tell_what_happened(desk.now())
    sending.send_notices(desk, channels.channels_of(settings.NOTIFY_URLS))


@shared_task
@_reporting
def flat_by() -> None:
    """Bring the accounts flat whose flat-by time comes, and look that they are."""
    not_flat = bring_flat_by(wiring.desk())
    if not_flat:
        log.warning("flat_by.not_flat", accounts=not_flat)


@shared_task
@_reporting
def watch_calendar() -> None:
    """Remind people of a calendar that nobody has confirmed far enough ahead."""
    calendars.remind(wiring.desk().now())


@shared_task
@_reporting
def watch_alerts() -> None:
    """Look whether the heartbeats of the alerts still come, and remind people of alerts that end."""
    alert_stream.watch(wiring.desk().now())


@shared_task
@_reporting
def prune() -> None:
    """Delete history that is older than it is to be kept; nothing unless that was set."""
    desk = wiring.desk()
    if settings.KEEP_HISTORY_DAYS:
        gone = retention.prune(desk.now(), settings.KEEP_HISTORY_DAYS, desk.event_window)
        log.info("prune.done", **gone)


@shared_task
@_reporting
def write_statements() -> None:
    """Write down for each account what the trading day came to that ended last."""
    statement.write_statements(wiring.desk().now())
