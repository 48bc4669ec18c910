from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler


def one_shape(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return every error of the API as `{"code", "detail", "errors": {"dotted.field": ["…"]}}`."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        code, detail, errors = "INVALID", "The request is not valid; see errors.", _flat(error.detail)
    else:
        is_missing = isinstance(error, Http404)
        code = "NOT_FOUND" if is_missing else str(getattr(error, "default_code", "error")).upper()
        detail, errors = str(getattr(error, "detail", "Not found.")), {}
    response.data = {"code": code, "detail": detail, "errors": errors}
    return response


def _flat(detail: Any, path: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        parts = {f"{path}.{name}" if path else str(name): value for name, value in detail.items()}
        return {key: texts for name, value in parts.items() for key, texts in _flat(value, name).items()}
    texts = detail if isinstance(detail, list) else [detail]
    return {path or "body": [str(text) for text in texts]}
