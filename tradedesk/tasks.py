import structlog
from celery import shared_task
from django.db import connection

from tradedesk import wiring
from tradedesk.models import Account
from tradedesk.services import recovery, rounds

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


@shared_task
def recover() -> None:
    """Settle orders without an end and alerts without a decision, asking once."""
    found = recovery.recover(wiring.desk())
    if found.rows:
        log.info("recover.done", looked_at=len(found.rows), still_open=found.open_count)


@shared_task
def reconcile() -> None:
    """Compare every enabled account with its broker."""
    found = rounds.reconcile_each(wiring.desk(), Account.objects.filter(enabled=True))
    if not found.clean:
        log.warning("reconcile.not_clean", differences=len(found.differences), unread=list(found.unread))


def settle_at_start() -> None:
    """Recover and reconcile until every account was read once, with growing pauses between the tries.

    Openings are denied until then. Meant for a thread of its own.
    """
    desk, pause = wiring.desk(), FIRST_PAUSE_S
    try:
        while not _settle_once():
            desk.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
    finally:
        connection.close()


def _settle_once() -> bool:
    try:
        recover()
        found = rounds.reconcile_each(wiring.desk(), Account.objects.filter(enabled=True))
    except Exception:
        # Whatever is not there yet, the database included, may come.
        log.exception("start.not_settled")
        connection.close()
        return False
    return not found.unread
