from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.models import Authenticator
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.people import second_factor
from tradedesk.services.people.second_factor import VerifiedCode

WRONG = "The code is not right, was used before, or came too soon after a wrong one. Wait for the next."


def code_of(request: HttpRequest) -> VerifiedCode | None:
    """Return the proof of the one-time code in a form, None where none was given or it is not right."""
    given = request.POST.get("code", "").strip()[:40]
    return second_factor.check(person_of(request), given, wiring.desk().now()) if given else None


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person of a page that asks for a login."""
    assert isinstance(request.user, User)
    return request.user


@never_cache
@sensitive_post_parameters("code")
def page(request: HttpRequest) -> HttpResponse:
    """Let the signed-in person set up, renew or give up the second factor."""
    if request.method != "POST":
        return _show(request)
    act = request.POST.get("act", "")
    if act == "begin" and second_factor.authenticator_of(person_of(request)) is None:
        return _show(request, app=second_factor.begin(person_of(request)))
    if act == "confirm":
        return _confirm(request)
    if act in {"begin", "renew", "remove"}:
        return _change(request, act)
    return _show(request, status=400)


def _confirm(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    given = request.POST.get("code", "")[:40]
    now = wiring.desk().now()
    codes = second_factor.confirm(person, given, source_address=address_of(request), now=now)
    if codes:
        return _show(request, codes=codes)
    messages.error(request, f"Not set up yet. {WRONG}")
    return _show(request, app=Authenticator.objects.filter(user=person, confirmed=False).first())


def _change(request: HttpRequest, act: str) -> HttpResponse:
    person, now = person_of(request), wiring.desk().now()
    if code_of(request) is None:
        messages.error(request, f"Nothing was changed. {WRONG}")
        return HttpResponseRedirect(reverse("second_factor"), status=303)
    if act == "begin":
        return _show(request, app=second_factor.begin(person))
    if act == "renew":
        codes = second_factor.renew_backup_codes(person, source_address=address_of(request), now=now)
        return _show(request, codes=codes)
    second_factor.remove(person, by=person.username, reason="", source_address=address_of(request), now=now)
    messages.warning(request, "The second factor is off. Live accounts cannot be resumed or armed by you.")
    return HttpResponseRedirect(reverse("second_factor"), status=303)


def _show(
    request: HttpRequest,
    *,
    app: Authenticator | None = None,
    codes: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    person = person_of(request)
    context: dict[str, Any] = {
        "current": second_factor.authenticator_of(person),
        "codes_left": second_factor.backup_codes_left(person),
        "codes": codes or [],
    }
    if app is not None:
        context |= {"qr": _qr(app), "secret": _in_groups(second_factor.secret_of(app))}
    return frame.show(request, "second_factor", "Second factor", context, status=status)


def _qr(app: Authenticator) -> SafeString:
    """Return the address that an app scans as a picture; segno writes figures only, no text of ours."""
    made = segno.make(app.config_url, error="m")
    return SafeString(made.svg_inline(scale=5, border=3, dark="#000", light="#fff", omitsize=True))


def _in_groups(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
