"""The frame around every page: bar, banner and sidebar, and how a page that is open keeps up to date."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

import structlog
from django.contrib import admin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from tradedesk import wiring
from tradedesk.selectors.changes import fingerprint

log = structlog.get_logger(__name__)

# The token is masked anew in every answer, which changes nothing that a person sees.
CSRF_INPUT = re.compile(r'<input type="hidden" name="csrfmiddlewaretoken"[^>]*>')
VERSION_HEADER = "X-Panel-Version"
POLL_EVERY_S = 15
# What only time changes, such as a sign of life that is too old, is looked at so often.
LOOKS_AGAIN_EVERY_S = 30


def show(
    request: HttpRequest,
    name: str,
    title: str,
    context: dict[str, Any],
    *,
    every_s: int = POLL_EVERY_S,
    status: int = 200,
) -> HttpResponse:
    """Return a page of the panel, or what changes on it when an open page asks again.

    `name` is the folder under templates/panel with page.html and live.html; the former includes the latter in
    an element with the id `live`. An open page asks its own address every `every_s` seconds.
    """
    template = f"panel/{name}/live.html"
    if is_poll(request):
        return poll(request, {**context, "live_template": template})
    whole = {
        **admin.site.each_context(request),
        "title": title,
        "poll_every_s": every_s,
        "live_template": template,
        **context,
    }
    return render(request, f"panel/{name}/page.html", whole, status=status)


def quiet(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer a poll without making the page, while the tables that it shows are as at the last poll.

    The version of a page is a hash of its content, and after a dot one of the tables: browsers bring both.
    """

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_poll(request):
            return page(request, *args, **kwargs)
        known, _, known_tables = request.headers.get(VERSION_HEADER, "").partition(".")
        # Before the page is made: what changes meanwhile makes the next poll look again.
        tables = _tables(request, wiring.desk().now())
        if known and tables == known_tables:
            response = HttpResponse(status=204)
            version = known
        else:
            response = page(request, *args, **kwargs)
            version = response.get(VERSION_HEADER, "")
        if version:
            response[VERSION_HEADER] = f"{version}.{tables}"
        return response

    return answer


def says_unread(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Show a card that says so in place of a page whose tables cannot be read; bar and banner stay.

    A poll fails as it is: the browser greys what it has and says from when that is.
    """

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return page(request, *args, **kwargs)
        except DatabaseError as error:
            if request.method != "GET" or is_poll(request):
                raise
            log.warning("page.unread", path=request.path, error=repr(error))
            return show(request, "unread", "Not read", {"now": wiring.desk().now()}, status=503)

    return answer


def _tables(request: HttpRequest, now: datetime) -> str:
    """Return what changes with the tables, the person, the address, and twice a minute."""
    about = (
        fingerprint(),
        request.user.pk,
        request.get_full_path(),
        int(now.timestamp()) // LOOKS_AGAIN_EVERY_S,
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def header_poll(request: HttpRequest) -> HttpResponse:
    """Return bar and banner for pages whose content stands still."""
    return poll(request, {})


def is_poll(request: HttpRequest) -> bool:
    """Tell whether a page that is open asks what has changed."""
    return request.headers.get("HX-Trigger") == "poll"


def poll(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Return what changes on a page, 204 while it is as the browser has it."""
    html = render_to_string("panel/live.html", context, request)
    version = hashlib.sha256(CSRF_INPUT.sub("", html).encode()).hexdigest()[:16]
    is_known = request.headers.get(VERSION_HEADER, "").partition(".")[0] == version
    response = HttpResponse(status=204) if is_known else HttpResponse(html)
    response[VERSION_HEADER] = version
    response["Cache-Control"] = "no-store"
    return response
