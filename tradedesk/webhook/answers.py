from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.response import Response

from strategy.types import Action
from tradedesk.models import Alert, Reason
from tradedesk.services.order_path.trading import Result
from tradedesk.services.shapes import order_json


def processed(alert: Alert, results: Sequence[Result]) -> Response:
    """Answer for a stored alert: what every bot of its strategy made of it."""
    decisions = [_decision(result) for result in results]
    return Response({"alert_id": str(alert.id), "status": "processed", "decisions": decisions})


def duplicate(first: Alert) -> Response:
    """Answer for an event that is stored already, with the first alert's id."""
    return Response({"alert_id": str(first.id), "status": "duplicate", "decisions": []})


def heartbeat() -> Response:
    """Answer for a sign of life, which makes no row."""
    return Response({"alert_id": None, "status": "heartbeat", "decisions": []})


def invalid(alert: Alert, errors: Mapping[str, Sequence[str]]) -> Response:
    """Answer for a message that is no alert, with what is wrong by dotted field name."""
    return Response(
        {
            "alert_id": str(alert.id),
            "status": "invalid",
            "code": "INVALID",
            "detail": f"Not an alert: {', '.join(errors)}.",
            "errors": errors,
        },
        status=400,
    )


def forbidden() -> Response:
    """Answer that gives no hint what was wrong: the token, its age or the address."""
    return refused(403, "forbidden", "Forbidden.")


def too_large(largest: int) -> Response:
    """Answer for a body of more than `largest` bytes."""
    return refused(413, "too_large", f"The body is larger than {largest} bytes.")


def unavailable() -> Response:
    """Answer that makes TradingView send the alert again."""
    response = refused(503, "unavailable", "The alert could not be stored. Send it again.")
    response["Retry-After"] = "5"
    return response


def refused(http: int, status: str, detail: str) -> Response:
    """Answer for a request of which nothing is stored."""
    return Response({"status": status, "code": status.upper(), "detail": detail, "errors": {}}, status=http)


def _decision(result: Result) -> dict[str, Any]:
    decision, order = result.decision, result.order
    action = decision.action if decision else Action.NONE.value
    reason = decision.reason if decision else Reason.NOT_REACHED.value
    return {
        "bot": result.bot.slug,
        "action": action,
        "reason": reason,
        "state": result.snapshot.public() if result.snapshot else None,
        "order": None if order is None else order_json(order),
    }
