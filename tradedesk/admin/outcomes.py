from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from tradedesk.models import Alert, AlertOutcome, Decision, Order, OrderStatus, Reason

NO_ACTION = (
    Reason.SAME_COLOR,
    Reason.NO_TREND_YET,
    Reason.CROSS_WITH_TREND,
    Reason.NOT_WAITING,
    Reason.ALREADY_OUT,
    Reason.FILTER_COLOR,
    # Without an order: the target was held already.
    Reason.TREND_BLUE,
    Reason.TREND_RED,
    Reason.DI_UP,
    Reason.DI_DOWN,
)
LATE = (Reason.LATE_NO_EFFECT, Reason.EVENT_WINDOW, Reason.TOO_OLD)
REFUSED = tuple(reason for reason in Reason if reason not in NO_ACTION and reason not in LATE)


@dataclass(frozen=True)
class Look:
    """How an outcome is shown: a word, a shape for those who do not see the colour, and a colour's name."""

    label: str
    shape: str
    tone: str


class Outcome(Enum):
    """What became of an alert for one bot."""

    FILLED = Look("Filled", "●", "good")
    WORKING = Look("Working", "○", "info")
    NO_ACTION = Look("No action", "–", "quiet")
    REFUSED = Look("Refused", "▲", "warn")
    REJECTED = Look("Rejected by the broker", "◆", "bad")
    LATE = Look("Late", "▼", "warn")
    UNRESOLVED = Look("Unresolved", "◐", "bad")
    UNDECIDED = Look("Not decided yet", "○", "info")
    INVALID = Look("Invalid message", "◆", "warn")


OF_STATUS = {
    OrderStatus.PENDING: Outcome.WORKING,
    OrderStatus.SENT: Outcome.WORKING,
    OrderStatus.WORKING: Outcome.WORKING,
    OrderStatus.PARTIALLY_FILLED: Outcome.FILLED,
    OrderStatus.FILLED: Outcome.FILLED,
    OrderStatus.REJECTED: Outcome.REJECTED,
    OrderStatus.CANCELLED: Outcome.REJECTED,
    OrderStatus.UNCONFIRMED: Outcome.UNRESOLVED,
    OrderStatus.LOST: Outcome.UNRESOLVED,
    OrderStatus.DENIED: Outcome.REFUSED,
}


# What many alerts come to. The others are so few that all of them may be looked up.
FREQUENT = {Outcome.FILLED, Outcome.NO_ACTION}


def outcome_of_order(order: Order) -> Outcome:
    """Return the outcome that an order's status stands for."""
    return OF_STATUS[OrderStatus(order.status)]


def outcome_of(decision: Decision) -> Outcome:
    """Return what became of a decision; its last order has the say. Reads `decision.orders`."""
    orders = sorted(decision.orders.all(), key=lambda order: order.id)
    if orders:
        return outcome_of_order(orders[-1])
    return outcome_of_reason(decision.reason)


def outcome_of_reason(reason: str) -> Outcome:
    """Return the outcome that a reason stands for where there is no order."""
    if reason in NO_ACTION:
        return Outcome.NO_ACTION
    return Outcome.LATE if reason in LATE else Outcome.REFUSED


def alerts_with(alerts: QuerySet[Alert], *outcomes: Outcome) -> QuerySet[Alert]:
    """Return the alerts that came out in one of these ways for at least one bot."""
    if outcomes == (Outcome.INVALID,):
        return alerts.filter(outcome=AlertOutcome.REJECTED)
    if outcomes == (Outcome.UNDECIDED,):
        decided = Decision.objects.filter(alert=OuterRef("pk"))
        return alerts.filter(~Exists(decided), outcome=AlertOutcome.ACCEPTED)
    if FREQUENT.isdisjoint(outcomes):
        return alerts.filter(pk__in=_few(*outcomes))
    return alerts.filter(Exists(decisions_with(Decision.objects.filter(alert=OuterRef("pk")), *outcomes)))


def decisions_with(decisions: QuerySet[Decision], *outcomes: Outcome) -> QuerySet[Decision]:
    """Return the decisions that came out in one of these ways; the last order has the say."""
    last = Order.objects.filter(decision=OuterRef("pk")).order_by("-id").values("status")[:1]
    without_order = Q(last_status=None, reason__in=_reasons(*outcomes))
    return decisions.alias(last_status=Subquery(last)).filter(
        Q(last_status__in=_statuses(*outcomes)) | without_order
    )


def _few(*outcomes: Outcome) -> QuerySet[Any]:
    """Return the ids of alerts by what is rare about them, which an index finds among any number.

    Only for outcomes that few of them have: all that have them are read.
    """
    of_decisions = Decision.objects.filter(reason__in=_reasons(*outcomes))
    of_orders = Decision.objects.filter(orders__status__in=_statuses(*outcomes))
    found = [
        decisions_with(decisions, *outcomes).order_by().values("alert")
        for decisions, names in ((of_decisions, _reasons(*outcomes)), (of_orders, _statuses(*outcomes)))
        if names
    ]
    return found[0].union(*found[1:], all=True) if len(found) > 1 else found[0]


def _statuses(*outcomes: Outcome) -> list[OrderStatus]:
    return [status for status, stands_for in OF_STATUS.items() if stands_for in outcomes]


def _reasons(*outcomes: Outcome) -> list[Reason]:
    by_outcome = {Outcome.NO_ACTION: NO_ACTION, Outcome.LATE: LATE, Outcome.REFUSED: REFUSED}
    return [reason for outcome in outcomes for reason in by_outcome.get(outcome, ())]
