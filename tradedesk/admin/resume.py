"""The way back from a halt: a comparison made now, a reason, a word, and a code for real money."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.header import ALL
from tradedesk.admin.kill_switch import MAY_RELEASE, state_unknown, where
from tradedesk.admin.second_factor import WRONG, code_of, person_of
from tradedesk.admin.words import signed
from tradedesk.models import IncidentKind, TradingMode
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.halting import kill_switch
from tradedesk.services.halting.kill_switch import LiveLocked, NotClean, NotCompared
from tradedesk.services.halting.scopes import UnknownScope, state_of
from tradedesk.services.people import second_factor

WORD = "RESUME"


class ResumeForm(forms.Form):
    reason = forms.CharField(
        max_length=500, error_messages={"required": "Write down the reason for the release."}
    )
    word = forms.RegexField(f"^{WORD}$", error_messages={"required": f"Type the word {WORD}."})


@dataclass(frozen=True)
class Refusal:
    """Why trading stays off, with what the broker and the desk differ in."""

    sentence: str
    not_clean: NotClean | None = None

    @property
    def differences(self) -> list[str]:
        return [_in_words(found) for found in self.not_clean.differences] if self.not_clean else []

    @property
    def incidents(self) -> list[Any]:
        return self.not_clean.incidents if self.not_clean else []


@never_cache
@sensitive_post_parameters("code")
def page(request: HttpRequest) -> HttpResponse:
    """Compare with the broker and show what a release takes; on POST, release."""
    if not request.user.has_perm(MAY_RELEASE):
        raise PermissionDenied
    scope = (request.POST if request.method == "POST" else request.GET).get("scope", ALL)
    try:
        state_of(scope)
        return _release(request, scope) if request.method == "POST" else _gate(request, scope)
    except UnknownScope:
        raise Http404(scope) from None
    except DatabaseError:
        return state_unknown(request)


def _release(request: HttpRequest, scope: str) -> HttpResponse:
    form = ResumeForm(request.POST)
    if not form.is_valid():
        sentences = " ".join(str(text) for texts in form.errors.values() for text in texts)
        return _gate(request, scope, Refusal(sentences), status=400)
    try:
        kill_switch.release(
            wiring.desk(),
            scope=scope,
            reason=form.cleaned_data["reason"],
            by=request.user.get_username(),
            source_address=address_of(request),
            code=code_of(request),
        )
    except LiveLocked:
        return _gate(request, scope, Refusal(WRONG), status=409)
    except (NotClean, NotCompared) as error:
        return _show(request, scope, _as_refusal(error), status=409)
    messages.success(request, f"{where(scope)}: trading is on. Nothing is sent by itself.")
    return HttpResponseRedirect(reverse("kill_switch"), status=303)


def _gate(
    request: HttpRequest, scope: str, refusal: Refusal | None = None, *, status: int = 200
) -> HttpResponse:
    """Show the form below a comparison made now; without the form where that is not clean."""
    try:
        compared = kill_switch.compare(wiring.desk(), scope)
    except (NotClean, NotCompared) as error:
        return _show(request, scope, _as_refusal(error), status=status)
    return _show(request, scope, refusal, compared=compared, status=status)


def _show(
    request: HttpRequest,
    scope: str,
    refusal: Refusal | None,
    *,
    compared: int | None = None,
    status: int,
) -> HttpResponse:
    live = kill_switch.live_let_out(scope)
    context = {
        "scope": scope,
        "where": where(scope),
        "state": state_of(scope),
        "is_on": state_of(scope).mode == TradingMode.ACTIVE,
        "now": wiring.desk().now(),
        "refusal": refusal,
        "compared": compared,
        "live": live,
        "lacks_factor": bool(live) and second_factor.authenticator_of(person_of(request)) is None,
        "word": WORD,
        "given": request.POST.get("reason", ""),
    }
    return frame.show(request, "resume", "Resume trading", context, status=status)


def _as_refusal(error: NotClean | NotCompared) -> Refusal:
    if isinstance(error, NotClean):
        return Refusal(str(error), error)
    return Refusal(f"The broker could not be asked ({error}).")


def _in_words(difference: dict[str, Any]) -> str:
    kind = IncidentKind(difference["kind"])
    if kind is IncidentKind.FOREIGN_ORDER:
        return f"{kind.label}: {difference['subject']}"
    subject = " ".join(filter(None, (difference["subject"], difference.get("contract"))))
    return (
        f"{kind.label}: {subject}, broker {signed(difference['broker'])}, desk {signed(difference['booked'])}"
    )
