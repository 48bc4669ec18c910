from datetime import datetime
from typing import Any

from tradedesk.models import AuditEntry


def note(
    by: str,
    action: str,
    subject: str,
    detail: dict[str, Any],
    reason: str,
    source_address: str,
    now: datetime,
) -> AuditEntry:
    """Write down what a person did: who, what, to what, why, and from which address."""
    return AuditEntry.objects.create(
        by=by,
        action=action,
        subject=subject,
        detail=detail,
        reason=reason,
        source_address=source_address,
        created_at=now,
    )
