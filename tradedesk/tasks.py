import structlog
from celery import shared_task
from django.conf import settings

from tradedesk import wiring
from tradedesk.models import Account
from tradedesk.services import calendars, channels, recovery, rounds, sending, telling
from tradedesk.services.flat_by import flat_by as bring_flat_by

log = structlog.get_logger(__name__)


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


@shared_task
def send_notices() -> None:
    """Write down what happened since the last time that people are told of, and send what is due."""
    desk = wiring.desk()
    telling.tell_what_happened(desk.now())
    sending.send_notices(desk, channels.channels_of(settings.NOTIFY_URLS))


@shared_task
def flat_by() -> None:
    """Bring the accounts flat whose flat-by time comes, and look that they are."""
    not_flat = bring_flat_by(wiring.desk())
    if not_flat:
        log.warning("flat_by.not_flat", accounts=not_flat)


@shared_task
def watch_calendar() -> None:
    """Remind people of a calendar that nobody has confirmed far enough ahead."""
    calendars.remind(wiring.desk().now())
