from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.header import ALL, Header, read_header
from tradedesk.models import Account, BotState, Environment, TradingMode, TradingStateChange
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.halting import kill_switch, wishes
from tradedesk.services.halting.arming import is_armed
from tradedesk.services.halting.flatten import Flattened, flatten
from tradedesk.services.halting.scopes import UnknownScope, state_of

log = structlog.get_logger(__name__)

# Halting is for everyone who is signed in. Flattening and letting exits through need one right, letting
# trading go on another.
MAY_OPERATE, MAY_RELEASE = "tradedesk.change_tradingstate", "tradedesk.release_tradingstate"
HISTORY = 20
EVERY_S, FLATTENING_EVERY_S = 5, 2


class SwitchForm(forms.Form):
    scope = forms.CharField(max_length=80)
    reason = forms.CharField(max_length=500, required=False)


@dataclass(frozen=True)
class Ask:
    """What a person asks the switch to do: to which scope, why, who, and from where."""

    scope: str
    reason: str
    by: str
    source_address: str


@dataclass(frozen=True)
class Answer:
    """What came of it: a sentence for the next page, or details to show on this one."""

    level: int
    sentence: str
    status: int = 303
    flattened: Flattened | None = None


def page(request: HttpRequest) -> HttpResponse:
    """Show the kill switch of every scope; on POST, do what the pressed button says."""
    try:
        return _page(request)
    except DatabaseError as error:
        log.exception("kill_switch.state_unknown", error=type(error).__name__)
        return state_unknown(request)


def state_unknown(request: HttpRequest) -> HttpResponse:
    """Say in red, on the plain page, that the database did not tell or did not take the state."""
    context = {"switch": None, "now": wiring.desk().now(), "failed": request.method == "POST"}
    return render(request, "halt.html", context, status=503)


def _page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _render(request)
    answer = act(request)
    if "HX-Request" in request.headers:
        return _dialog(request, answer)
    if answer.status == 303:
        messages.add_message(request, answer.level, answer.sentence)
        return HttpResponseRedirect(reverse("kill_switch"), status=303)
    return _render(request, answer)


def act(request: HttpRequest) -> Answer:
    """Do what the request asks for and say what came of it. Raises PermissionDenied, DatabaseError."""
    form = SwitchForm(request.POST)
    do = DEEDS.get(request.POST.get("act", ""))
    if do is None or not form.is_valid():
        return Answer(messages.ERROR, "Nothing was done: the request names no known act or scope.", 400)
    ask = Ask(
        form.cleaned_data["scope"],
        form.cleaned_data["reason"],
        request.user.get_username(),
        address_of(request),
    )
    try:
        return do(request, ask)
    except UnknownScope:
        return Answer(messages.ERROR, f"Nothing was done: there is no scope {ask.scope}.", 404)


def halt(_: HttpRequest, ask: Ask) -> Answer:
    """Stop everything in a scope at once."""
    switch = kill_switch.engage(
        wiring.desk(),
        scope=ask.scope,
        mode=TradingMode.HALTED,
        reason=ask.reason or "Halt button",
        by=ask.by,
        source_address=ask.source_address,
    )
    return Answer(messages.WARNING, f"{where(ask.scope)}: halted. {_in_flight(switch.in_flight)}")


def _reduce(request: HttpRequest, ask: Ask) -> Answer:
    # From active it stops more, which anyone may; from halted it lets exits out again.
    if state_of(ask.scope).mode == TradingMode.HALTED:
        _require(request)
    switch = kill_switch.engage(
        wiring.desk(),
        scope=ask.scope,
        mode=TradingMode.REDUCING,
        reason=ask.reason or "Entries blocked in the panel",
        by=ask.by,
        source_address=ask.source_address,
    )
    return Answer(
        messages.WARNING,
        f"{where(ask.scope)}: entries are blocked, exits go through. {_in_flight(switch.in_flight)}",
    )


def _flatten(request: HttpRequest, ask: Ask) -> Answer:
    _require(request)
    result = flatten(
        wiring.desk(),
        scope=ask.scope,
        reason=ask.reason or "Flatten button",
        by=ask.by,
        source_address=ask.source_address,
    )
    if result.flat:
        return Answer(
            messages.SUCCESS, f"{where(ask.scope)}: flat. Two reads of the broker show nothing held."
        )
    return Answer(messages.ERROR, f"{where(ask.scope)}: not flat yet.", 200, flattened=result)


def _cancel_flatten(request: HttpRequest, ask: Ask) -> Answer:
    _require(request)
    was_open = wishes.cancel(
        ask.scope, reason=ask.reason, by=ask.by, source_address=ask.source_address, now=wiring.desk().now()
    )
    if not was_open:
        return Answer(messages.WARNING, f"{where(ask.scope)}: no flatten goes on.")
    return Answer(
        messages.WARNING, f"{where(ask.scope)}: the flatten is over, entries stay blocked until you release."
    )


DEEDS: dict[str, Callable[[HttpRequest, Ask], Answer]] = {
    "halt": halt,
    "reduce": _reduce,
    "flatten": _flatten,
    "cancel_flatten": _cancel_flatten,
}


def _require(request: HttpRequest, right: str = MAY_OPERATE) -> None:
    if not request.user.has_perm(right):
        raise PermissionDenied


def where(scope: str) -> str:
    """Return a scope in words."""
    return "All trading" if scope == ALL else scope.replace(":", " ", 1).capitalize()


def _in_flight(count: int) -> str:
    if count == 0:
        return "No order is on its way."
    verb = "order was" if count == 1 else "orders were"
    return f"{count} {verb} on the way and may still fill; recovery settles what became of it."


def _render(request: HttpRequest, answer: Answer | None = None) -> HttpResponse:
    header = read_header()
    context = {
        "widest": next((state for state in header.states if state.scope == ALL), None),
        "tree": header.tree,
        "live_accounts": live_accounts(header),
        "may_operate": request.user.has_perm(MAY_OPERATE),
        "may_release": request.user.has_perm(MAY_RELEASE),
        "flattening": _flattening(),
        "history": list(TradingStateChange.objects.all()[:HISTORY]),
        "answer": answer,
    }
    every_s = FLATTENING_EVERY_S if header.flattening else EVERY_S
    status = answer.status if answer else 200
    return frame.show(request, "kill_switch", "Kill switch", context, every_s=every_s, status=status)


def _dialog(request: HttpRequest, answer: Answer) -> HttpResponse:
    """Say in a dialog what the Halt button has done already, and offer to go further."""
    context = {
        "answer": answer,
        "may_operate": request.user.has_perm(MAY_OPERATE),
        "may_release": request.user.has_perm(MAY_RELEASE),
        "flattening": _flattening(),
    }
    return render(request, "panel/halt_dialog.html", context)


def live_accounts(header: Header) -> list[tuple[Account, bool]]:
    """Return the live accounts that are switched on, each with whether it is armed."""
    accounts = [state.account for state in header.states if state.account and state.account.enabled]
    live = [account for account in accounts if account.environment == Environment.LIVE]
    return [(account, is_armed(account, header.now)) for account in live]


def _flattening() -> list[str]:
    """Return the orders that flattening everything would send, by what the desk has booked."""
    held = BotState.objects.exclude(quantity=0).select_related("bot").order_by("bot__slug")
    return [
        f"{'sell' if state.quantity > 0 else 'buy'} {abs(state.quantity)} {state.contract} ({state.bot.slug})"
        for state in held
    ]
