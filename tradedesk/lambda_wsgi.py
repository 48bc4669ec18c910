"""The desk behind API Gateway: without threads, which would stand still between two runs."""

import os
from typing import Any

import structlog
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradedesk.settings")

application = get_wsgi_application()
# Now, while the function starts, and not with the first alert.
_ = get_resolver().url_patterns

log = structlog.get_logger(__name__)


def note_failure(error: Exception, event: dict[str, Any], context: object) -> bool:  # noqa: ARG001 - Zappa's
    """Log what ended a run, redacted. False has Lambda count it, and run a schedule's event again."""
    log.error("lambda.failed", resources=event.get("resources", []), exc_info=error)
    return False
