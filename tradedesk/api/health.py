import os
from typing import Any, override

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from tradedesk import wiring
from tradedesk.api.gauges import DeskGauges
from tradedesk.services.halting import versions
from tradedesk.services.reconciling import readiness


@never_cache
@require_safe
def healthz(_: HttpRequest) -> HttpResponse:
    """Answer that the process lives; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_: HttpRequest) -> HttpResponse:
    """Answer whether the desk can trade, part by part, and what runs: 200 when all can, 503 otherwise."""
    checks = readiness.checks(wiring.desk())
    ready = all(check.ok for check in checks)
    body = {
        "ready": ready,
        "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks},
        "release": versions.release()._asdict(),
    }
    return JsonResponse(body, status=200 if ready else 503)


class AnyAccept(BaseContentNegotiation):
    """Takes whatever the caller accepts: Prometheus asks for formats of its own."""

    @override
    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    @override
    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Metrics(APIView):
    """What Prometheus reads: what the processes counted, and gauges read from the database."""

    content_negotiation_class = AnyAccept
    schema = None

    def get(self, _: Request) -> HttpResponse:
        gauges = CollectorRegistry()
        gauges.register(DeskGauges(wiring.desk().now()))
        text = generate_latest(_events()) + generate_latest(gauges)
        return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _events() -> CollectorRegistry:
    """Return what was counted: by this process, or by all that share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
