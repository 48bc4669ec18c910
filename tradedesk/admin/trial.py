"""The test alert: through the webhook itself where all bots are on paper, elsewhere as a dry-run."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import resolve, reverse

from tradedesk import wiring
from tradedesk.admin import frame, trial_steps
from tradedesk.admin.alert_messages import filled_message
from tradedesk.admin.audited import write_audit
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.words import EVENTS
from tradedesk.models import Alert, Bot, Environment, Strategy
from tradedesk.selectors import profit
from tradedesk.services.alerts import trials
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.alerts.tokens import keep_token, new_token

EVERY_S = 2


def page(request: HttpRequest, strategy_id: UUID) -> HttpResponse:
    """Show what a test alert would do and send one; every step of it is on the page that follows."""
    if not request.user.has_perm(MAY_OPERATE):
        raise PermissionDenied
    strategy = get_object_or_404(Strategy.objects.select_related("instrument"), pk=strategy_id)
    bots = list(strategy.bots.select_related("account", "instrument", "strategy"))
    context = {
        "strategy": strategy,
        "bots": bots,
        "events": EVENTS.items(),
        "why_dry": _why_dry(request, bots),
        "close": profit.marks(wiring.desk().now()).get(strategy.instrument.root, (None,))[0],
    }
    if request.method == "POST":
        answer = _send(request, strategy, bots, context)
        if isinstance(answer, HttpResponse):
            return answer
        context |= answer
    return frame.show(request, "trial", f"Test alert for {strategy}", context)


def result(request: HttpRequest, strategy_id: UUID, alert_id: UUID) -> HttpResponse:
    """Show how far an alert came, step by step, again and again while it is on its way."""
    if not request.user.has_perm("tradedesk.view_alert"):
        raise PermissionDenied
    alert = get_object_or_404(Alert.objects.select_related("strategy"), pk=alert_id, strategy=strategy_id)
    found = trial_steps.of_alert(alert)
    title = f"Test alert for {alert.strategy}"
    return frame.show(request, "trial/result", title, {"alert": alert, "trial": found}, every_s=EVERY_S)


def _why_dry(request: HttpRequest, bots: Sequence[Bot]) -> str:
    """Return why a test alert of these bots must not go through the webhook, or nothing where it may."""
    if not bots:
        return "No bot follows this strategy."
    elsewhere = [bot for bot in bots if bot.account.environment != Environment.PAPER]
    if elsewhere:
        names = ", ".join(f"{bot} ({bot.account.get_environment_display().lower()})" for bot in elsewhere)
        return f"Not on paper: {names}. A test never sends an order there."
    allowed = settings.WEBHOOK_ALLOWED_ADDRESSES
    if allowed and address_of(request) not in allowed:
        return "The webhook lets in its own list of addresses only, and yours is not on it."
    return ""


def _send(
    request: HttpRequest, strategy: Strategy, bots: Sequence[Bot], context: dict[str, Any]
) -> HttpResponse | dict[str, Any]:
    action, typed = request.POST.get("action", ""), request.POST.get("close", "").strip()
    close = _price(typed)
    if action not in EVENTS or (typed and close is None):
        return {"trouble": "Choose an event, and a price such as 6842.25 or none."}
    now = wiring.desk().now()
    signal = trials.signal_of(strategy, action, close, now)
    detail = {"event": EVENTS[action], "way": "dry-run" if context["why_dry"] else "webhook"}
    write_audit(request, "send test alert", f"strategy {strategy}", detail)
    if context["why_dry"]:
        return {
            "trial": trial_steps.of_rehearsals(trials.rehearse_all(wiring.desk(), strategy, signal, bots))
        }
    by = request.user.get_username()
    status, content = _post(request, strategy, filled_message(signal, f"test alert of {by}").encode())
    if content.get("alert_id") is None:
        return {"trouble": f"The webhook answered {status}: {content.get('detail', '')}"}
    return HttpResponseRedirect(reverse("tried_alert", args=[strategy.pk, content["alert_id"]]))


def _price(text: str) -> Decimal | None:
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


def _post(request: HttpRequest, strategy: Strategy, body: bytes) -> tuple[int, dict[str, Any]]:
    """Post to the webhook in this process, from the person's own address, and return status and answer.

    With a token that nobody is told and that ends with the answer.
    """
    token = new_token()
    path = f"/webhooks/tradingview/{token}/"
    caller = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")
    environ: dict[str, Any] = {name: request.META[name] for name in caller if name in request.META}
    environ |= {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    row = keep_token(strategy, token, wiring.desk().now())
    try:
        match = resolve(path)
        answer = match.func(WSGIRequest(environ), *match.args, **match.kwargs)
    finally:
        row.delete()
    return answer.status_code, answer.data
