"""The page of one alert: what became of it for a bot, step by step, and why."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse

from tradedesk import wiring
from tradedesk.admin import alert_facts, alert_steps, frame, words
from tradedesk.admin.alert_lines import CAUSED_WITHIN, outcomes_of, with_decisions
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.outcomes import Outcome, outcome_of
from tradedesk.admin.tally import TRADED
from tradedesk.models import (
    LEGS,
    Alert,
    AlertOutcome,
    Decision,
    Fill,
    Incident,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
)
from tradedesk.selectors.closes import as_chart, closes_around

TRIGGERS = (Reason.TREND_BLUE, Reason.TREND_RED, Reason.DI_UP, Reason.DI_DOWN)
LEADS = {
    Outcome.NO_ACTION: "No action was needed.",
    Outcome.REFUSED: "It did not trade.",
    Outcome.LATE: "It did not trade.",
    Outcome.REJECTED: "It did not trade.",
    Outcome.UNRESOLVED: "We do not know yet what became of the order.",
}
MOST_INCIDENTS = 10


@dataclass(frozen=True)
class Story:
    """An alert as one bot decided it; `decision` is None for one that no bot has decided."""

    alert: Alert
    decision: Decision | None = None
    outcome: Outcome = Outcome.UNDECIDED
    orders: Sequence[Order] = field(default_factory=list)

    @property
    def needs_why(self) -> bool:
        """Tell whether the outcome has to be explained: a plain trade explains itself."""
        if self.decision is None:
            return False
        return self.outcome not in TRADED or self.decision.reason not in TRIGGERS

    @property
    def lead(self) -> str:
        if self.decision and "closing_rules" in self.decision.detail and self.outcome in TRADED:
            return "It only closed: nothing was opened."
        return LEADS.get(self.outcome, "It traded.")

    @property
    def tone(self) -> str:
        return "warn" if self.outcome in TRADED else self.outcome.value.tone

    @property
    def unresolved(self) -> list[Order]:
        return [order for order in self.orders if order.status == OrderStatus.UNCONFIRMED]


def page(request: HttpRequest, alert: Alert) -> HttpResponse:
    """Show an alert as the bot that `bot` in the address names decided it, else the first one."""
    return frame.show(request, "alert", words.alert_in_words(alert), _context(request, alert))


def find(alert_id: Any) -> Alert | None:
    """Return an alert with its strategy and all that its page shows of its decisions."""
    found = with_decisions(Alert.objects.filter(pk=alert_id)).defer(None)
    return found.select_related("strategy__instrument").first()


def _context(request: HttpRequest, alert: Alert) -> dict[str, Any]:
    now, story = wiring.desk().now(), _story(alert, request.GET.get("bot", ""))
    decision, orders = story.decision, story.orders
    return {
        "alert": alert,
        "story": story,
        "decision": decision,
        "outcomes": outcomes_of(alert),
        "is_rejected": alert.outcome == AlertOutcome.REJECTED,
        "may_rehearse": request.user.has_perm(MAY_OPERATE) and alert.outcome == AlertOutcome.ACCEPTED,
        "facts": alert_facts.facts_of(alert, decision, orders, now) if decision else [],
        "steps": alert_steps.steps_of(alert, decision, orders),
        "next_trade": _next_trade(decision) if decision and story.needs_why else None,
        "incidents": _incidents_of(alert, decision),
        "chart": _chart(alert, decision, orders),
        "body": readable(alert.body),
        "older": Alert.objects.only("id").filter(id__lt=alert.id).order_by("-id").first(),
        "newer": Alert.objects.only("id").filter(id__gt=alert.id).order_by("id").first(),
    }


def _story(alert: Alert, slug: str) -> Story:
    decisions = list(alert.decisions.all())
    if not decisions:
        return Story(alert, outcome=outcomes_of(alert)[0][1])
    picked = next((row for row in decisions if row.bot.slug == slug), decisions[0])
    fills = Prefetch("fills", Fill.objects.order_by("id"))
    whole = (
        Decision.objects.select_related("bot__instrument", "bot__account", "bot__state")
        .prefetch_related(Prefetch("orders", Order.objects.order_by("id").prefetch_related(fills)))
        .get(pk=picked.pk)
    )
    return Story(alert, whole, outcome_of(whole), list(whole.orders.all()))


def readable(body: str) -> str:
    """Return a body with its JSON indented; as it came where that would change more than white space."""
    try:
        indented = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
    return indented if re.sub(r"\s", "", indented) == re.sub(r"\s", "", body) else body


def _next_trade(decision: Decision) -> Decision | None:
    """Return the bot's first decision after this one that asked for an order."""
    later = Decision.objects.filter(bot=decision.bot_id, id__gt=decision.id).exclude(action="NONE")
    return later.select_related("alert").defer("alert__body").order_by("id").first()


def _chart(alert: Alert, decision: Decision | None, orders: Sequence[Order]) -> dict[str, Any] | None:
    """Return the chart's data, None where there are no two prices."""
    if decision is None or alert.close is None:
        return None
    found = closes_around(alert, decision.bot)
    if len(found.closes) < 2:
        return None
    last = next((order for order in reversed(orders) if order.filled_quantity), None)
    is_entry = last is not None and last.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE)
    fill = ("entry" if is_entry else "exit", last.average_price if last else None)
    entries = [order.pk for order in orders]
    legs = Order.objects.filter(entry__in=entries, purpose__in=LEGS).order_by("id") if entries else []
    waiting = [(str(leg.purpose), leg.price) for leg in legs]
    return as_chart(found, [fill, *waiting, ("last", found.closes[-1].price)])


def _incidents_of(alert: Alert, decision: Decision | None) -> list[Incident]:
    """Return the incidents of the bot that were open when the alert came or that it opened."""
    if decision is None:
        return []
    concerned = Q(bot=decision.bot_id) | Q(bot=None, account=decision.bot.account_id)
    return list(
        Incident.objects.filter(concerned, opened_at__lte=alert.received_at + CAUSED_WITHIN).filter(
            Q(closed_at=None) | Q(closed_at__gte=alert.received_at)
        )[:MOST_INCIDENTS]
    )
