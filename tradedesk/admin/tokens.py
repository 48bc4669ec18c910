from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from tradedesk import wiring
from tradedesk.admin import cells
from tradedesk.admin.alert_messages import messages_for
from tradedesk.admin.audited import write_audit
from tradedesk.models import Strategy, WebhookToken
from tradedesk.services.alerts.tokens import revoke_token
from tradedesk.services.people.setup import TooManyTokens, rotate_token

MAY_CHANGE = "tradedesk.change_strategy"


def webhook_address(request: HttpRequest, token: str) -> str:
    """Return the full address that TradingView posts to, on the host that this page was asked from."""
    return request.build_absolute_uri(f"/webhooks/tradingview/{token}/")


def make_token(request: HttpRequest, strategy_id: UUID) -> HttpResponse:
    """Make a webhook token and show it, this once, with everything to paste into TradingView."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    strategy = _strategy(request, strategy_id)
    try:
        token = rotate_token(strategy, wiring.desk().now())
    except TooManyTokens as refusal:
        messages.error(request, f"No token was made. {refusal.__doc__}")
        return HttpResponseRedirect(cells.url_of(strategy))
    write_audit(request, "new webhook token", f"strategy {strategy}", {"last_four": token[-4:]})
    context = {
        **admin.site.each_context(request),
        "title": f"New webhook token of {strategy}",
        "strategy": strategy,
        "token": token,
        "address": webhook_address(request, token),
        "alert_messages": messages_for(strategy),
    }
    response = render(request, "panel/token.html", context)
    response["Cache-Control"] = "no-store"
    return response


def revoke(request: HttpRequest, strategy_id: UUID, token_id: UUID) -> HttpResponse:
    """Shut out alerts that come with this token."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    strategy = _strategy(request, strategy_id)
    token = get_object_or_404(WebhookToken, pk=token_id, strategy=strategy)
    revoke_token(token, wiring.desk().now())
    write_audit(request, "revoke webhook token", f"strategy {strategy}", {"last_four": token.last_four})
    messages.success(request, f"The token {token} lets no alert in any more.")
    return HttpResponseRedirect(cells.url_of(strategy))


def _strategy(request: HttpRequest, strategy_id: UUID) -> Strategy:
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    return get_object_or_404(Strategy.objects.select_related("instrument"), pk=strategy_id)
