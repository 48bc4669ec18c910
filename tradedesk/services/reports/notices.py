from datetime import datetime
from uuid import UUID, uuid5

from tradedesk.models import Notice, NoticeKind

LONGEST_SUBJECT = 160
_THINGS = UUID("5b1f6a86-6f0e-4b0c-8e0e-2f6f3f0d7a31")


def tell(kind: NoticeKind, about: UUID, subject: str, text: str, now: datetime) -> bool:
    """Write a notice to be sent later, in the transaction of what it tells, and return True.

    One is written per kind and thing: False when this was told before.
    """
    if Notice.objects.filter(kind=kind, about=about).exists():
        return False
    notice = Notice(
        kind=kind,
        about=about,
        subject=subject[:LONGEST_SUBJECT],
        text=text,
        created_at=now,
        next_try_at=now,
    )
    # Another process may tell it at this moment; that must not undo the transaction around this.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    return True


def thing(*words: object) -> UUID:
    """Return the id of something that has no row of its own, always the same for the same words."""
    return uuid5(_THINGS, "|".join(map(str, words)))
