from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from strategy.machine import fold
from strategy.types import Action
from tradedesk import wiring
from tradedesk.admin import cells, words
from tradedesk.admin.audited import write_audit
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.outcomes import Look, outcome_of, outcome_of_reason
from tradedesk.models import Alert, AlertOutcome, Bot, Decision
from tradedesk.services.alerts.rehearsal import Rehearsal, rehearse
from tradedesk.stores.positions import Unreadable

WOULD_TRADE = Look("Would trade", "○", "info")


@dataclass(frozen=True)
class Column:
    """One side of the comparison: what an alert came or would come to."""

    title: str
    look: Look
    action: str
    reason: str
    figures: str
    order: str
    state: str
    detail: dict[str, Any]


def page(request: HttpRequest, alert_id: UUID) -> HttpResponse:
    """Decide an alert again as if it came now, send nothing, and show both decisions beside each other."""
    alert = get_object_or_404(Alert.objects.select_related("strategy"), pk=alert_id)
    if request.method != "POST":
        return HttpResponseRedirect(cells.url_of(alert))
    if not request.user.has_perm(MAY_OPERATE):
        raise PermissionDenied
    if alert.outcome != AlertOutcome.ACCEPTED:
        raise Http404
    bots = Bot.objects.select_related("strategy", "account", "instrument")
    bot = get_object_or_404(bots, strategy=alert.strategy_id, slug=request.POST.get("bot", ""))
    context = {"alert": alert, "bot": bot, **_compared(request, alert, bot)}
    if request.headers.get("HX-Request"):
        return render(request, "panel/alert/dry_run.html", context)
    title = f"Dry run: {words.alert_in_words(alert)}"
    whole = {**admin.site.each_context(request), "title": title, **context}
    return render(request, "panel/alert/dry_run_page.html", whole)


def _compared(request: HttpRequest, alert: Alert, bot: Bot) -> dict[str, Any]:
    try:
        found = rehearse(wiring.desk(), alert, bot)
    except Unreadable:
        return {
            "failed": "The bot's state cannot be read, so nothing can be rehearsed. It is unknown, not flat."
        }
    choice = found.choice
    detail = {"bot": bot.slug, "action": choice.action, "reason": choice.reason, "quantity": choice.quantity}
    write_audit(request, "dry-run", f"alert {alert.pk}", detail)
    decision = Decision.objects.filter(alert=alert, bot=bot).prefetch_related("orders").first()
    return {"rehearsal": found, "columns": [*([_then(decision)] if decision else []), _now(found)]}


def _then(decision: Decision) -> Column:
    orders = sorted(decision.orders.all(), key=lambda order: order.id)
    return Column(
        title="Then",
        look=outcome_of(decision).value,
        action=decision.action,
        reason=decision.reason,
        figures=decision.detail.get("figures", ""),
        order=words.order_in_words(orders[-1]) if orders else "none",
        state=words.state_in_words(decision.state_before),
        detail=decision.detail,
    )


def _now(found: Rehearsal) -> Column:
    choice = found.choice
    trades = choice.action is not Action.NONE
    verb = "Buy" if choice.quantity > 0 else "Sell"
    color = fold(found.before.memory).color
    return Column(
        title="Now",
        look=WOULD_TRADE if trades else outcome_of_reason(choice.reason).value,
        action=choice.action,
        reason=choice.reason,
        figures=choice.detail.get("figures", ""),
        order=f"{verb} {abs(choice.quantity)} {choice.contract}" if trades else "none",
        state=words.state_in_words({**found.before.public(), "trend_color": color}),
        detail=choice.detail,
    )
