"""Arming: openings of a live account leave until the session ends, by a person who typed its number."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from strategy.sessions import next_daily_close
from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.kill_switch import MAY_OPERATE, MAY_RELEASE
from tradedesk.admin.second_factor import WRONG, code_of, person_of
from tradedesk.models import Account, Environment
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.halting import arming
from tradedesk.services.halting.arming import NotArmed
from tradedesk.services.halting.outer_wall import troubles_with
from tradedesk.services.people import second_factor


class ArmForm(forms.Form):
    number = forms.CharField(max_length=64)
    reason = forms.CharField(max_length=500)


@never_cache
@sensitive_post_parameters("code")
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show what arming an account takes; on POST arm or disarm it."""
    account = get_object_or_404(Account, name=name, environment=Environment.LIVE)
    if request.method == "POST" and request.POST.get("act") == "disarm":
        return _disarm(request, account)
    if not request.user.has_perm(MAY_RELEASE):
        raise PermissionDenied
    return _arm(request, account) if request.method == "POST" else _show(request, account)


def _arm(request: HttpRequest, account: Account) -> HttpResponse:
    form = ArmForm(request.POST)
    if not form.is_valid():
        return _show(request, account, "Type the account number, and write down the reason.", status=400)
    code = code_of(request)
    if code is None:
        return _show(request, account, WRONG, status=409)
    try:
        until = arming.arm(
            account,
            code,
            number=form.cleaned_data["number"],
            reason=form.cleaned_data["reason"],
            source_address=address_of(request),
            now=wiring.desk().now(),
        )
    except NotArmed as why:
        return _show(request, account, str(why), status=409)
    messages.success(request, f"{account} is armed until {until:%Y-%m-%d %H:%M} UTC.")
    return HttpResponseRedirect(reverse("kill_switch"), status=303)


def _disarm(request: HttpRequest, account: Account) -> HttpResponse:
    if not request.user.has_perm(MAY_OPERATE):
        raise PermissionDenied
    arming.disarm(
        account,
        by=request.user.get_username(),
        reason=request.POST.get("reason", "")[:500],
        source_address=address_of(request),
        now=wiring.desk().now(),
    )
    messages.warning(request, f"{account} is disarmed: it opens nothing until it is armed again.")
    return HttpResponseRedirect(reverse("kill_switch"), status=303)


def _show(request: HttpRequest, account: Account, refusal: str = "", *, status: int = 200) -> HttpResponse:
    now = wiring.desk().now()
    context = {
        "account": account,
        "is_armed": arming.is_armed(account, now),
        "until": next_daily_close(now),
        "troubles": troubles_with(account, now),
        "lacks_factor": second_factor.authenticator_of(person_of(request)) is None,
        "refusal": refusal,
        "given": request.POST.get("reason", ""),
    }
    return frame.show(request, "arming", f"Arm {account}", context, status=status)
