from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, QuerySet

from tradedesk.models import Notice, NoticeKind
from tradedesk.models.ids import new_id
from tradedesk.services.desk import Desk
from tradedesk.services.reports.channels import Channel, NotDelivered

log = structlog.get_logger(__name__)

MESSAGES_PER_MINUTE = 5
MOST_AT_ONCE, LINES_OF_A_SUMMARY = 200, 20
# While one process sends a notice no other takes it; after a crash it is sent by the next that comes then.
LEASE = timedelta(minutes=2)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
TOLD_WITHIN = timedelta(hours=24)
BEGIN_WITHIN_S = 20.0


@dataclass
class Sent:
    """What a round of sending came to: messages that reached every channel, and ones that did not."""

    messages: int = 0
    failures: int = 0


def send_notices(desk: Desk, channels: Sequence[Channel]) -> Sent:
    """Send the notices that are due, at most five messages of a kind in a minute; more become one summary.

    A notice goes to each channel once. One whose channel does not take it is tried again with growing pauses
    for a day. After a crash between sending and writing that down it is sent a second time.
    """
    done, deadline = Sent(), desk.deadline(BEGIN_WITHIN_S)
    _give_up(desk.now(), channels)
    for kind in NoticeKind:
        for ids in _messages(kind, desk.now()):
            if not deadline.left_s():
                return done
            _send(desk, channels, ids, done)
    return done


def _give_up(now: datetime, channels: Sequence[Channel]) -> None:
    """End what nobody is told any more: it is a day old, or there is nowhere to send it."""
    if not channels:
        _waiting().update(given_up_at=now, last_error="NOTIFY_URLS is empty.")
        return
    _waiting().filter(created_at__lt=now - TOLD_WITHIN).update(given_up_at=now)


def _waiting() -> QuerySet[Notice]:
    return Notice.objects.filter(sent_at=None, given_up_at=None)


def _messages(kind: NoticeKind, now: datetime) -> Iterator[list[UUID]]:
    """Yield the notices of a kind that go out now, those of one message together."""
    due = _waiting().filter(kind=kind, next_try_at__lte=now).order_by("id")
    ids = list(due.values_list("id", flat=True)[:MOST_AT_ONCE])
    if not ids:
        return
    lately = Notice.objects.filter(kind=kind, sent_at__gt=now - timedelta(minutes=1))
    left = MESSAGES_PER_MINUTE - lately.values("message").distinct().count()
    if len(ids) <= left:
        yield from ([identity] for identity in ids)
    elif left > 0:
        yield ids


def _send(desk: Desk, channels: Sequence[Channel], ids: list[UUID], done: Sent) -> None:
    notices = _claim(ids, desk.now())
    if not notices:
        return
    errors = [error for channel in channels if (error := _deliver(channel, notices))]
    now, ids = desk.now(), [notice.id for notice in notices]
    if errors:
        pause = min(FIRST_PAUSE * 2 ** (notices[0].tries - 1), LONGEST_PAUSE)
        failed = Notice.objects.filter(id__in=ids)
        failed.update(next_try_at=now + pause, last_error="; ".join(errors)[:200])
        done.failures += 1
    else:
        Notice.objects.filter(id__in=ids).update(sent_at=now, message=new_id(), last_error="")
        done.messages += 1


def _claim(ids: list[UUID], now: datetime) -> list[Notice]:
    """Return the notices among these that no other process sends, taken for this one."""
    with transaction.atomic():
        free = _waiting().filter(id__in=ids, next_try_at__lte=now).order_by("id")
        notices = list(free.select_for_update(skip_locked=True))
        taken = Notice.objects.filter(id__in=[notice.id for notice in notices])
        taken.update(next_try_at=now + LEASE, tries=F("tries") + 1)
    for notice in notices:
        notice.tries += 1
    return notices


def _deliver(channel: Channel, notices: list[Notice]) -> str:
    """Send a channel the notices that it has not got yet, as one message; return what went wrong or ""."""
    new = [notice for notice in notices if channel.fingerprint not in notice.reached]
    if not new:
        return ""
    try:
        channel.send(*_as_message(new))
    except NotDelivered as failure:
        log.warning("notices.not_delivered", channel=channel.name, notices=len(new), error=str(failure))
        return str(failure)
    for notice in new:
        notice.reached.append(channel.fingerprint)
    Notice.objects.bulk_update(new, ["reached"])
    return ""


def _as_message(notices: list[Notice]) -> tuple[str, str]:
    if len(notices) == 1:
        return notices[0].subject, notices[0].text
    lines = [f"{notice.created_at:%H:%M:%S} {notice.subject}" for notice in notices[:LINES_OF_A_SUMMARY]]
    more = len(notices) - len(lines)
    subject = f"{len(notices)} notices: {NoticeKind(notices[0].kind).label.lower()}"
    return subject, "\n".join([*lines, *([f"and {more} more"] if more else [])])
