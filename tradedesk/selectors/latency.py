"""How long each part of an order's way took, from the alert's receipt to the fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple
from uuid import UUID

from tradedesk.models import LEGS, Account, Alert, AlertOutcome, Order, OrderStatus

MOST_ORDERS = 2000


class Way(NamedTuple):
    """When an alert was received and its order decided, sent, acknowledged and settled; aware UTC."""

    received_at: datetime
    decided_at: datetime
    sent_at: datetime
    acknowledged_at: datetime | None
    settled_at: datetime | None
    status: str
    alert_id: UUID

    @property
    def total_ms(self) -> float | None:
        """Milliseconds from receipt to the fill; None where nothing filled."""
        if self.settled_at is None or self.status != OrderStatus.FILLED:
            return None
        return _ms(self.received_at, self.settled_at)


@dataclass(frozen=True)
class Stage:
    """One part of the way, and the milliseconds that each order took for it, shortest first."""

    name: str
    times: Sequence[float]

    def percentile(self, percent: int) -> float | None:
        return percentile(self.times, percent)


def ways(
    start: datetime, end: datetime, *, account_id: UUID | None = None, bot_id: UUID | None = None
) -> list[Way]:
    """Return the ways of sent orders that alerts led to, oldest first, at most 2,000. One query."""
    # The index on time begins with the account.
    accounts = Account.objects.filter(pk=account_id) if account_id else Account.objects.all()
    sent = Order.objects.filter(
        account__in=accounts.values("pk"),
        created_at__gte=start,
        created_at__lt=end,
        decision__isnull=False,
        sent_at__isnull=False,
    ).exclude(purpose__in=LEGS)
    if bot_id:
        sent = sent.filter(bot=bot_id)
    rows: Any = sent.order_by("-created_at", "-id").values_list(
        "decision__alert__received_at",
        "decision__created_at",
        "sent_at",
        "acknowledged_at",
        "settled_at",
        "status",
        "decision__alert_id",
    )[:MOST_ORDERS]
    return [Way(*row) for row in reversed(rows)]


def from_bar_close(start: datetime, end: datetime) -> list[float]:
    """Return the milliseconds from bar close to receipt of the newest alerts, at most 2,000. One query.

    They are TradingView's and the network's, not ours.
    """
    rows = Alert.objects.filter(
        received_at__gte=start,
        received_at__lt=end,
        outcome=AlertOutcome.ACCEPTED,
    ).order_by("-received_at")
    times = rows.values_list("effective_at", "received_at")[:MOST_ORDERS]
    return [_ms(closed, received) for closed, received in times if closed]


def slowest(found: Sequence[Way], most: int) -> list[Way]:
    """Return the ways with a fill that took longest, the longest first."""
    filled = [way for way in found if way.total_ms is not None]
    return sorted(filled, key=lambda way: -(way.total_ms or 0.0))[:most]


def stages(found: Sequence[Way]) -> list[Stage]:
    """Return the four parts of the way that are the desk's and the broker's."""
    filled = [way for way in found if way.status == OrderStatus.FILLED]
    parts = {
        "Received → decided, gated": [_ms(way.received_at, way.decided_at) for way in found],
        "Decided → sent": [_ms(way.decided_at, way.sent_at) for way in found],
        "Sent → acknowledged": [
            _ms(way.sent_at, way.acknowledged_at) for way in found if way.acknowledged_at
        ],
        "Acknowledged → filled": [
            _ms(way.acknowledged_at, way.settled_at)
            for way in filled
            if way.acknowledged_at and way.settled_at
        ],
    }
    return [Stage(name, sorted(times)) for name, times in parts.items()]


def totals(found: Sequence[Way]) -> list[float]:
    """Return the milliseconds from receipt to fill, in order of time."""
    return [way.total_ms for way in found if way.total_ms is not None]


def percentile(times: Sequence[float], percent: int) -> float | None:
    """Return the smallest of the times that so many percent of them do not exceed; None without any."""
    ordered = sorted(times)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def _ms(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds() * 1000)
