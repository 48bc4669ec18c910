from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from broker.base import BrokerError
from tradedesk.logs import redact
from tradedesk.services.halting.kill_switch import LiveLocked, NotCompared
from tradedesk.services.halting.scopes import UnknownScope
from tradedesk.services.reconciling.resolving import CannotAdopt
from tradedesk.stores.lease import NotHeld
from tradedesk.stores.positions import Busy

log = structlog.get_logger(__name__)

INVALID = "The request is not valid; see errors."


def body_of(code: str, detail: str, errors: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the one shape that every error of the API has."""
    return {"code": code, "detail": detail, "errors": errors or {}}


def one_shape(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return every error of the API as `{"code", "detail", "errors": {"dotted.field": ["…"]}}`.

    None for what nobody expected: Django logs it and `failures.server_error` answers.
    """
    expected = _from_desk(error)
    if expected is not None:
        return expected
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        response.data = body_of("INVALID", INVALID, _flat(error.detail))
    else:
        response.data = body_of(str(error.default_code).upper(), str(error.detail))
    return response


def _from_desk(error: Exception) -> Response | None:
    """Return the answer to what the desk itself says no to, or cannot do now."""
    match error:
        case UnknownScope():
            sentence = f"Unknown scope “{error}”. It is all, account:NAME or bot:SLUG."
            return Response(body_of("INVALID", INVALID, {"scope": [sentence]}), status=400)
        case CannotAdopt():
            sentence = "Only a bot's position that differs from the broker's can be adopted."
            return Response(body_of("INVALID", INVALID, {"adopt": [sentence]}), status=400)
        case LiveLocked():
            sentence = "Letting a live account out takes a one-time code that is right and was not used."
            return Response(body_of("LIVE_LOCKED", sentence), status=409)
        case BrokerError() | NotCompared():
            return broker_unreachable(str(error))
        case NotHeld():
            return Response(body_of("LEASE_NOT_HELD", "Another region of this desk trades."), status=503)
        case Busy():
            return Response(body_of("BUSY", "The bot is being worked on. Try again."), status=503)
        case OperationalError() | InterfaceError():
            log.error("api.database", error=str(error))
            return Response(body_of("DATABASE_UNAVAILABLE", "The database does not answer."), status=503)
    return None


def broker_unreachable(what: str) -> Response:
    """Answer that the broker could not be asked, and nothing was changed for want of its word."""
    return Response(body_of("BROKER_UNREACHABLE", redact(f"The broker gave no answer: {what}")), status=503)


def _flat(detail: Any, path: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        parts = [(_join(path, str(name)), value) for name, value in detail.items()]
        return {key: texts for name, value in parts for key, texts in _flat(value, name).items()}
    texts = detail if isinstance(detail, list) else [detail]
    return {path or "body": [str(text) for text in texts]}


def _join(path: str, name: str) -> str:
    if name == "non_field_errors":
        return path
    return f"{path}.{name}" if path else name
