from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from tradedesk.admin.alert_messages import messages_for
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.tokens import webhook_address
from tradedesk.models import Strategy
from tradedesk.selectors.arrivals import last_of_each_event

# What tells the browser to ask no more.
STOP_POLLING = 286


def page(request: HttpRequest, strategy_id: UUID) -> HttpResponse:
    """Return which events of a strategy have come, for a page that waits for the first of each."""
    if not request.user.has_perm("tradedesk.view_strategy"):
        raise PermissionDenied
    strategy = get_object_or_404(Strategy.objects.select_related("instrument"), pk=strategy_id)
    context = arrivals_of(request, strategy)
    status = 200 if context["waits"] else STOP_POLLING
    response = render(request, "panel/arrivals.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def arrivals_of(request: HttpRequest, strategy: Strategy) -> dict[str, Any]:
    """Return what there is to paste for each event of a strategy, and when it came last."""
    found = last_of_each_event(strategy)
    lines = [(message, found.get(message.action)) for message in messages_for(strategy)]
    return {
        "strategy": strategy,
        "address": webhook_address(request, "TOKEN"),
        "alert_messages": [message for message, _ in lines],
        "arrivals": lines,
        "came": sum(1 for _, at in lines if at),
        "may_try": request.user.has_perm(MAY_OPERATE),
        "waits": any(at is None for _, at in lines),
    }
