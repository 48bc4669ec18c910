"""What people and programs are told where a page or an answer could not be made."""

import secrets

import structlog
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from tradedesk.api.errors import body_of
from tradedesk.services.halting import kill_switch, versions
from tradedesk.services.halting.kill_switch import Switch
from tradedesk.services.halting.scopes import UnknownScope

log = structlog.get_logger(__name__)

FORGED = "The form was old or came from another page. Nothing was done: go back, load the page again, repeat."


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Answer for an address that nobody serves: in the one shape for programs, as a page for people."""
    if request.path.startswith("/api/"):
        return JsonResponse(body_of("NOT_FOUND", "No such address."), status=404)
    return render(request, "404.html", status=404)


def not_allowed(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:  # noqa: ARG001
    """Answer a person who lacks the right for what was asked."""
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django gives it by name
    """Answer a form without the token that the desk gave out with it."""
    context = {"heading": "This form is too old", "sentence": FORGED}
    return render(request, "403.html", context, status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for what nobody expected, without a detail: the log has it, under the number that a page tells.

    Where the database lacks migrations, people are told that the desk is being updated.
    """
    body = body_of("SERVER_ERROR", "Something went wrong here. The log of the desk says what.")
    if request.path.startswith("/webhooks/"):
        return JsonResponse({"status": "error", **body}, status=500)
    if request.path.startswith("/api/"):
        return JsonResponse(body, status=500)
    if _is_being_updated():
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "10"})
    number = secrets.token_hex(4)
    log.error("page.failed", number=number, path=request.path)
    # Without the request: what failed may be among what every page is given.
    return HttpResponse(render_to_string("500.html", {"switch": _switch(), "incident": number}), status=500)


def _is_being_updated() -> bool:
    try:
        return bool(versions.missing_migrations())
    except DatabaseError:
        return False


def _switch() -> Switch | None:
    try:
        return kill_switch.status()
    except (DatabaseError, UnknownScope):
        return None
