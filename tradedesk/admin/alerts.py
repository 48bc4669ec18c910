from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tradedesk import wiring
from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, OutcomeFilter, ReasonFilter, ReceivedFilter
from tradedesk.admin.outcomes import Outcome, outcome_of
from tradedesk.models import Alert, AlertOutcome, Decision, Fill, Incident, Order, Reason

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
    return alerts.defer("body").prefetch_related(Prefetch("decisions", decisions))


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


@admin.register(Alert)
class AlertAdmin(ReadOnly[Alert]):
    list_display = ("received", "event", "outcome_chips", "why_in_words", "latency")
    list_filter = (OutcomeFilter, ReceivedFilter, BotFilter, ReasonFilter)
    sortable_by = ()
    ordering = ("-id",)
    fields = (
        "id",
        "strategy",
        "event_key",
        "received_utc",
        "source_address",
        "action",
        "indicator",
        "symbol",
        "exchange",
        "timeframe",
        "contract",
        "bar_opened",
        "fired",
        "effective",
        "close_price",
    )
    summary_template = "panel/alert.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return with_decisions(super().get_queryset(request)).select_related("strategy")

    def heading(self, row: Alert) -> str:
        return words.alert_in_words(row)

    def summary(self, request: HttpRequest, row: Alert) -> dict[str, Any]:
        fills = Prefetch("fills", Fill.objects.order_by("id"))
        orders = Prefetch("orders", Order.objects.order_by("id").prefetch_related(fills))
        decisions = list(
            Decision.objects.filter(alert=row).select_related("bot").prefetch_related(orders).order_by("id")
        )
        return {
            "alert": row,
            "now": wiring.desk().now(),
            "decisions": [(decision, outcome_of(decision)) for decision in decisions],
            "outcomes": [outcome for _, outcome in outcomes_of(row)],
            "is_rejected": row.outcome == AlertOutcome.REJECTED,
            "incidents": _incidents_of(row, decisions),
        }

    @admin.display(description="Received (UTC)")
    def received(self, alert: Alert) -> str:
        return words.utc(alert.received_at)

    @admin.display(description="Alert")
    def event(self, alert: Alert) -> SafeString:
        return format_html('{}<div class="muted">{}</div>', words.alert_in_words(alert), alert.strategy.slug)

    @admin.display(description="Outcome")
    def outcome_chips(self, alert: Alert) -> SafeString:
        return cells.lines(cells.chip(outcome) for _, outcome in outcomes_of(alert))

    @admin.display(description="Why")
    def why_in_words(self, alert: Alert) -> SafeString:
        found = outcomes_of(alert)
        return cells.lines(
            f"{decision.bot.slug}: {why(alert, decision)}" if decision else why(alert, None)
            for decision, _ in found
        )

    @admin.display(description="Latency")
    def latency(self, alert: Alert) -> str:
        return latency_of(alert)

    @admin.display(description="Received")
    def received_utc(self, alert: Alert) -> str:
        return words.both_zones(alert.received_at)

    @admin.display(description="Bar opened")
    def bar_opened(self, alert: Alert) -> str:
        return words.both_zones(alert.bar_open)

    @admin.display(description="Fired")
    def fired(self, alert: Alert) -> str:
        return words.both_zones(alert.fired_at)

    @admin.display(description="Close")
    def close_price(self, alert: Alert) -> str:
        return words.price(alert.close)

    @admin.display(description="Counts from")
    def effective(self, alert: Alert) -> str:
        return words.both_zones(alert.effective_at)


def _incidents_of(alert: Alert, decisions: Sequence[Decision]) -> list[Incident]:
    """Return the incidents of its bots that were open when the alert came or that it opened."""
    bots = [decision.bot for decision in decisions]
    if not bots:
        return []
    concerned = Q(bot__in=bots) | Q(bot=None, account__in=[bot.account_id for bot in bots])
    return list(
        Incident.objects.filter(concerned, opened_at__lte=alert.received_at + CAUSED_WITHIN).filter(
            Q(closed_at=None) | Q(closed_at__gte=alert.received_at)
        )[:10]
    )
