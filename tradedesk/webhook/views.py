import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tradedesk import wiring
from tradedesk.metrics import ANSWERS, EXECUTION_TIME
from tradedesk.models import Alert, Bot, Strategy
from tradedesk.services.alerts import intake
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.contracts import paper_market
from tradedesk.services.desk import Deadline, Desk
from tradedesk.services.order_path import trading
from tradedesk.services.reports.measuring import measure_decision
from tradedesk.stores.rates import count_this_minute
from tradedesk.stores.waits import at_most
from tradedesk.webhook import answers, auth
from tradedesk.webhook.payload import Invalid, parse_json, parse_signal

log = structlog.get_logger(__name__)

LARGEST_BODY = 65_536
HEARTBEAT = "HEARTBEAT"
# An alert without any answer within three seconds is lost; one that is answered 503 comes again.
STORE_WAIT_S = 2.0
# Of the headers only these are kept, so that no secret comes along.
KEPT_HEADERS = ("Content-Type", "Content-Length", "User-Agent", "X-Forwarded-For")
LONGEST_HEADER = 200
TOKEN_FIELD = re.compile(r'("token"\s*:\s*)"(?:[^"\\]|\\.)*"?')


class AlwaysJson(BaseContentNegotiation):
    """Answers in JSON whatever the sender says it accepts: an alert must not be lost over a header."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - DRF's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class TradingViewWebhook(APIView):
    """Takes one TradingView alert: stores it, decides it for every bot of its strategy, and answers."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AlwaysJson
    schema = None

    def post(self, request: Request, token: str | None = None) -> Response:
        desk = wiring.desk()
        began = desk.monotonic()
        answer = _answer(desk, request._request, token)
        EXECUTION_TIME.record((desk.monotonic() - began) * 1000)
        ANSWERS.record(label=answer.data["status"])
        return answer


def _answer(desk: Desk, request: HttpRequest, token: str | None) -> Response:
    deadline = desk.deadline(settings.WEBHOOK_ANSWER_WITHIN_S)
    with at_most(STORE_WAIT_S):
        taken = _take(desk, request, token, deadline)
    if isinstance(taken, Response):
        return taken
    alert, bots = taken
    stored_at = desk.now()
    results = trading.process(desk, alert, bots, deadline)
    for result in results:
        if result.decision is not None:
            measure_decision(alert, stored_at, result.decision, result.order)
    # An order brings the price along.
    quiet = [result.bot for result in results if result.order is None]
    paper_market.follow_chart(desk, quiet, alert.close, deadline)
    return answers.processed(alert, results)


def _take(
    desk: Desk, request: HttpRequest, token: str | None, deadline: Deadline
) -> tuple[Alert, Sequence[Bot]] | Response:
    """Store a new alert and return it with the bots of its strategy, or else the answer."""
    if _announced(request) > LARGEST_BODY:
        return answers.too_large(LARGEST_BODY)
    address = address_of(request)
    if not auth.is_allowed(address):
        return answers.forbidden()
    try:
        # A wrong token in the address is answered before its body is waited for.
        admission = auth.admit(token) if token else None
        if token and admission is None:
            return answers.forbidden()
        body = _read(request)
        if body is None:
            return answers.too_large(LARGEST_BODY)
        content, problem = _parse(body)
        token = token or _token_in(content)
        admission = admission or auth.admit(token)
    except DatabaseError:
        log.exception("webhook.database")
        return answers.unavailable()
    if admission is None:
        return answers.forbidden()
    strategy = admission.strategy
    limit = settings.WEBHOOK_RATE_PER_MINUTE
    if limit and count_this_minute(f"webhook:{admission.digest}", desk.now()) > limit:
        return answers.refused(429, "throttled", f"More than {limit} alerts in this minute.")
    kept, headers = _without_token(body, token), _headers(request, token)
    try:
        if problem is not None:
            raise problem
        signal = parse_signal(content)
        if signal.action == HEARTBEAT:
            intake.note_heartbeat(strategy, signal.timeframe, desk.now())
            paper_market.follow_chart(desk, admission.bots, signal.close, deadline)
            return answers.heartbeat()
        alert, is_new = intake.store_alert(
            strategy, signal, body=kept, source_address=address, headers=headers, now=desk.now()
        )
    except Invalid as invalid:
        return _rejected(strategy, invalid, kept, address, headers, desk)
    except DatabaseError:
        log.exception("webhook.database")
        return answers.unavailable()
    if not is_new:
        return answers.duplicate(alert)
    return alert, admission.bots


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _read(request: HttpRequest) -> bytes | None:
    """Return the raw body, None when it is too large, without reading more than that."""
    body = request.read(LARGEST_BODY + 1)
    return None if len(body) > LARGEST_BODY else body


def _parse(body: bytes) -> tuple[dict[str, Any], Invalid | None]:
    try:
        return parse_json(body), None
    except Invalid as invalid:
        return {}, invalid


def _token_in(content: dict[str, Any]) -> str:
    token = content.get("token")
    return token if isinstance(token, str) else ""


def _without_token(body: bytes, token: str) -> str:
    """Return the body as text with every token cut out: what the field holds, and the right one anywhere."""
    text = TOKEN_FIELD.sub(r'\1"[token]"', body.decode(errors="replace").replace("\x00", "\ufffd"))
    if "\\u" in text:
        text = _spelt(token).sub("[token]", text)
    return text.replace(token, "[token]")


def _headers(request: HttpRequest, token: str) -> dict[str, str]:
    """Return the request line and the headers that are kept, the token cut to its last four characters."""
    cut = f"…{token[-4:]}"
    found = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
    found = {"Request": f"{request.method} {request.path}", **found}
    return {name: _printable(text.replace(token, cut)[:LONGEST_HEADER]) for name, text in found.items()}


def _printable(text: str) -> str:
    """Return the text as a database takes it."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


@lru_cache(maxsize=64)
def _spelt(token: str) -> re.Pattern[str]:
    """Return what finds a token in JSON text, where any letter may be written as a number."""
    letters = (rf"(?:{re.escape(letter)}|\\u(?i:{ord(letter):04x}))" for letter in token)
    return re.compile("".join(letters))


def _rejected(
    strategy: Strategy, invalid: Invalid, body: str, address: str, headers: dict[str, str], desk: Desk
) -> Response:
    try:
        alert = intake.store_rejected(
            strategy, invalid.errors, body=body, source_address=address, headers=headers, now=desk.now()
        )
    except DatabaseError:
        log.exception("webhook.database")
        return answers.unavailable()
    return answers.invalid(alert, invalid.errors)
