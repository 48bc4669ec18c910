"""The frame around every page: bar, banner and sidebar, and how a page that is open keeps up to date."""

import hashlib
import re
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

# The token is masked anew in every answer, which changes nothing that a person sees.
CSRF_INPUT = re.compile(r'<input type="hidden" name="csrfmiddlewaretoken"[^>]*>')
VERSION_HEADER = "X-Panel-Version"
POLL_EVERY_S = 15


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
    is_known = request.headers.get(VERSION_HEADER) == version
    response = HttpResponse(status=204) if is_known else HttpResponse(html)
    response[VERSION_HEADER] = version
    response["Cache-Control"] = "no-store"
    return response
