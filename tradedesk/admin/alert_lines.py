"""What a list says of an alert: a line for each bot that decided it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Prefetch, QuerySet

from tradedesk.admin import words
from tradedesk.admin.outcomes import Outcome, outcome_of
from tradedesk.models import Alert, AlertOutcome, Bot, Decision, Order, Reason

# An incident that an alert caused is open by then.
CAUSED_WITHIN = timedelta(seconds=60)


def with_decisions(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Return the alerts with what a line about each needs: two more queries, however many rows."""
    decisions = (
        Decision.objects.select_related("bot")
        .defer("state_before", "state_after")
        .order_by("id")
        .prefetch_related(Prefetch("orders", Order.objects.order_by("id")))
    )
    return alerts.defer("body", "headers").prefetch_related(Prefetch("decisions", decisions))


def outcomes_of(alert: Alert) -> list[tuple[Decision | None, Outcome]]:
    """Return what became of an alert, for each bot that decided it."""
    if alert.outcome == AlertOutcome.REJECTED:
        return [(None, Outcome.INVALID)]
    return [(decision, outcome_of(decision)) for decision in alert.decisions.all()] or [
        (None, Outcome.UNDECIDED)
    ]


def why(alert: Alert, decision: Decision | None) -> str:
    """Return in one sentence why an alert came out as it did for a bot."""
    if decision is not None:
        orders = list(decision.orders.all())
        traded = f" {words.order_in_words(orders[-1])}." if orders else ""
        return f"{Reason(decision.reason).label}{traded}"
    if alert.outcome == AlertOutcome.REJECTED:
        return "; ".join(f"{field}: {sentences[0]}" for field, sentences in alert.errors.items())
    return "No bot has decided it: recovery does, unless its strategy has no bot."


def latency_of(alert: Alert) -> str:
    """Return the time from receipt to the broker's word, or to the decision where nothing was sent."""
    decisions = alert.decisions.all()
    answers = [order.acknowledged_at for decision in decisions for order in decision.orders.all()]
    ends = [end for end in answers if end] or [decision.created_at for decision in decisions]
    return words.span(alert.received_at, max(ends)) if ends else "–"


@dataclass(frozen=True)
class AlertLine:
    """An alert with what became of it for each bot, and why, in one sentence each."""

    alert: Alert
    results: Sequence[tuple[Decision | None, Outcome, str]]
    latency: str


def lines_of(alerts: Iterable[Alert], shows: Callable[[Bot], bool] = lambda _: True) -> list[AlertLine]:
    """Return the lines of alerts that came through `with_decisions`; `shows` picks among their bots."""
    return [
        AlertLine(
            alert,
            [
                (decision, outcome, why(alert, decision))
                for decision, outcome in outcomes_of(alert)
                if decision is None or shows(decision.bot)
            ],
            latency_of(alert),
        )
        for alert in alerts
    ]
