from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tradedesk import wiring
from tradedesk.admin.header import ALL, read_header
from tradedesk.admin.words import signed
from tradedesk.models import BotState, IncidentKind, TradingMode, TradingStateChange
from tradedesk.services import kill_switch, wishes
from tradedesk.services.callers import address_of
from tradedesk.services.flatten import Flattened, flatten
from tradedesk.services.kill_switch import LiveLocked, NotClean, NotCompared
from tradedesk.services.scopes import UnknownScope, state_of

log = structlog.get_logger(__name__)

# Halting is for everyone who is signed in. Flattening and letting exits through need one right, letting
# trading go on another.
MAY_OPERATE, MAY_RELEASE = "tradedesk.change_tradingstate", "tradedesk.release_tradingstate"
HISTORY = 20


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
    not_clean: NotClean | None = None
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
    return Answer(messages.WARNING, f"{_where(ask.scope)}: halted. {_in_flight(switch.in_flight)}")


def _reduce(request: HttpRequest, ask: Ask) -> Answer:
    # From active it stops more, which anyone may; from halted it lets exits out again.
    if state_of(ask.scope).mode == TradingMode.HALTED:
        _require(request)
    try:
        switch = kill_switch.engage(
            wiring.desk(),
            scope=ask.scope,
            mode=TradingMode.REDUCING,
            reason=ask.reason or "Entries blocked in the panel",
            by=ask.by,
            source_address=ask.source_address,
        )
    except LiveLocked as refusal:
        return Answer(messages.ERROR, f"The halt stands. {refusal.__doc__}", 409)
    return Answer(
        messages.WARNING,
        f"{_where(ask.scope)}: entries are blocked, exits go through. {_in_flight(switch.in_flight)}",
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
            messages.SUCCESS, f"{_where(ask.scope)}: flat. Two reads of the broker show nothing held."
        )
    return Answer(messages.ERROR, f"{_where(ask.scope)}: not flat yet.", 200, flattened=result)


def _cancel_flatten(request: HttpRequest, ask: Ask) -> Answer:
    _require(request)
    was_open = wishes.cancel(
        ask.scope, reason=ask.reason, by=ask.by, source_address=ask.source_address, now=wiring.desk().now()
    )
    if not was_open:
        return Answer(messages.WARNING, f"{_where(ask.scope)}: no flatten goes on.")
    return Answer(
        messages.WARNING, f"{_where(ask.scope)}: the flatten is over, entries stay blocked until you release."
    )


def _release(request: HttpRequest, ask: Ask) -> Answer:
    _require(request, MAY_RELEASE)
    if not ask.reason.strip():
        return Answer(messages.ERROR, "Trading stays off: write down the reason for the release.", 400)
    try:
        kill_switch.release(
            wiring.desk(),
            scope=ask.scope,
            reason=ask.reason,
            by=ask.by,
            source_address=ask.source_address,
        )
    except NotClean as refusal:
        return Answer(messages.ERROR, f"Trading stays off. {refusal}", 409, not_clean=refusal)
    except LiveLocked as refusal:
        return Answer(messages.ERROR, f"Trading stays off. {refusal.__doc__}", 409)
    except NotCompared as error:
        return Answer(messages.ERROR, f"Trading stays off: the broker could not be asked ({error}).", 409)
    return Answer(messages.SUCCESS, f"{_where(ask.scope)}: trading is on. Nothing is sent by itself.")


DEEDS: dict[str, Callable[[HttpRequest, Ask], Answer]] = {
    "halt": halt,
    "reduce": _reduce,
    "flatten": _flatten,
    "cancel_flatten": _cancel_flatten,
    "release": _release,
}


def _require(request: HttpRequest, right: str = MAY_OPERATE) -> None:
    if not request.user.has_perm(right):
        raise PermissionDenied


def _where(scope: str) -> str:
    return "All trading" if scope == ALL else scope.replace(":", " ", 1).capitalize()


def _in_flight(count: int) -> str:
    if count == 0:
        return "No order is on its way."
    verb = "order was" if count == 1 else "orders were"
    return f"{count} {verb} on the way and may still fill; recovery settles what became of it."


def _render(request: HttpRequest, answer: Answer | None = None) -> HttpResponse:
    header = read_header()
    context = {
        **admin.site.each_context(request),
        "title": "Kill switch",
        "widest": next((state for state in header.states if state.scope == ALL), None),
        "tree": header.tree,
        "may_operate": request.user.has_perm(MAY_OPERATE),
        "may_release": request.user.has_perm(MAY_RELEASE),
        "flattening": _flattening(),
        "history": list(TradingStateChange.objects.all()[:HISTORY]),
        "answer": answer,
        "differences": [_in_words(found) for found in answer.not_clean.differences]
        if answer and answer.not_clean
        else [],
    }
    return render(request, "panel/kill_switch.html", context, status=answer.status if answer else 200)


def _dialog(request: HttpRequest, answer: Answer) -> HttpResponse:
    """Say in a dialog what the Halt button has done already, and offer to go further."""
    context = {
        "answer": answer,
        "may_operate": request.user.has_perm(MAY_OPERATE),
        "may_release": request.user.has_perm(MAY_RELEASE),
        "flattening": _flattening(),
    }
    return render(request, "panel/halt_dialog.html", context)


def _flattening() -> list[str]:
    """Return the orders that flattening everything would send, by what the desk has booked."""
    held = BotState.objects.exclude(quantity=0).select_related("bot").order_by("bot__slug")
    return [
        f"{'sell' if state.quantity > 0 else 'buy'} {abs(state.quantity)} {state.contract} ({state.bot.slug})"
        for state in held
    ]


def _in_words(difference: dict[str, Any]) -> str:
    kind = IncidentKind(difference["kind"])
    if kind is IncidentKind.FOREIGN_ORDER:
        return f"{kind.label}: {difference['subject']}"
    subject = " ".join(filter(None, (difference["subject"], difference.get("contract"))))
    return (
        f"{kind.label}: {subject}, broker {signed(difference['broker'])}, desk {signed(difference['booked'])}"
    )
