from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, OuterRef, Subquery

from strategy.sessions import session_start
from tradedesk.admin.outcomes import OF_STATUS, Outcome, outcome_of_reason
from tradedesk.models import Decision, Order, OrderStatus

TRADED = (Outcome.FILLED, Outcome.WORKING)
STOPPED = (Outcome.REFUSED, Outcome.LATE)
FAILED = (Outcome.REJECTED, Outcome.UNRESOLVED)


@dataclass(frozen=True)
class Tally:
    """How many decisions came out how, and for which reason."""

    counts: Counter[tuple[Outcome, str]]

    def of(self, *outcomes: Outcome) -> int:
        return sum(count for (outcome, _), count in self.counts.items() if outcome in outcomes)

    def reasons(self, *outcomes: Outcome) -> list[tuple[str, int]]:
        """Return the reasons behind some outcomes, the most frequent first."""
        found: Counter[str] = Counter()
        for (outcome, reason), count in self.counts.items():
            if outcome in outcomes:
                found[reason] += count
        return sorted(found.items(), key=lambda counted: (-counted[1], counted[0]))

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def tally(
    start: datetime, end: datetime, *, account_id: UUID | None = None, bot_id: UUID | None = None
) -> Tally:
    """Return what became of the alerts received from `start` until before `end`. One query."""
    decided = Decision.objects.filter(alert__received_at__gte=start, alert__received_at__lt=end)
    if account_id:
        decided = decided.filter(bot__account=account_id)
    if bot_id:
        decided = decided.filter(bot=bot_id)
    last = Order.objects.filter(decision=OuterRef("pk")).order_by("-id").values("status")[:1]
    rows = (
        decided.annotate(status=Subquery(last))
        .order_by()
        .values_list("reason", "status")
        .annotate(count=Count("pk"))
    )
    return Tally(_counted(rows))


def of_today(now: datetime) -> Tally:
    """Return what became of the alerts of this session, which began at 17:00 in Chicago. One query."""
    return tally(session_start(now), now + timedelta(days=1))


def _counted(rows: Iterable[tuple[str, str | None, int]]) -> Counter[tuple[Outcome, str]]:
    counts: Counter[tuple[Outcome, str]] = Counter()
    for reason, status, count in rows:
        counts[_outcome(reason, status), reason] += count
    return counts


def _outcome(reason: str, status: str | None) -> Outcome:
    """Return what `outcomes.outcome_of` would, from a decision's reason and its last order's status."""
    if status:
        return OF_STATUS[OrderStatus(status)]
    return outcome_of_reason(reason)
