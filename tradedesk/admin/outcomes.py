from dataclasses import dataclass
from enum import Enum

from django.db.models import Exists, OuterRef, QuerySet

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


def outcome_of_order(order: Order) -> Outcome:
    """Return the outcome that an order's status stands for."""
    return OF_STATUS[OrderStatus(order.status)]


def outcome_of(decision: Decision) -> Outcome:
    """Return what became of a decision; its last order has the say. Reads `decision.orders`."""
    orders = sorted(decision.orders.all(), key=lambda order: order.id)
    if orders:
        return outcome_of_order(orders[-1])
    if decision.reason in NO_ACTION:
        return Outcome.NO_ACTION
    return Outcome.LATE if decision.reason in LATE else Outcome.REFUSED


def alerts_with(outcome: Outcome, alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Return the alerts that came out so for at least one bot."""
    if outcome is Outcome.INVALID:
        return alerts.filter(outcome=AlertOutcome.REJECTED)
    decided = Decision.objects.filter(alert=OuterRef("pk"))
    if outcome is Outcome.UNDECIDED:
        return alerts.filter(~Exists(decided), outcome=AlertOutcome.ACCEPTED)
    return alerts.filter(Exists(decisions_with(outcome, decided)))


def decisions_with(outcome: Outcome, decisions: QuerySet[Decision]) -> QuerySet[Decision]:
    """Return the decisions that came out so."""
    without_order = ~Exists(Order.objects.filter(decision=OuterRef("pk")))
    by_reason = {Outcome.NO_ACTION: NO_ACTION, Outcome.LATE: LATE}
    if outcome in by_reason:
        return decisions.filter(without_order, reason__in=by_reason[outcome])
    statuses = [status for status, stands_for in OF_STATUS.items() if stands_for is outcome]
    with_order = Exists(Order.objects.filter(decision=OuterRef("pk"), status__in=statuses))
    if outcome is Outcome.REFUSED:
        return decisions.filter(with_order) | decisions.filter(without_order, reason__in=REFUSED)
    return decisions.filter(with_order)
