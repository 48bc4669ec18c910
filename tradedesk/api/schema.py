from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

EVERYWHERE = {
    "400": "Not valid; `errors` names the fields.",
    "401": "No valid token or session.",
    "403": "Not a member of staff.",
    "503": "The database or the broker does not answer. Nothing may be concluded from it.",
}


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Document the errors that every operation can answer with."""
    for path, operations in result["paths"].items():
        texts = EVERYWHERE | ({"404": "No such row."} if "{" in path else {})
        for operation in operations.values():
            for status, text in texts.items():
                operation["responses"].setdefault(status, _response(text))
    return result


def _response(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


class ApiTokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    """Tells the document how a program signs in."""

    target_class = "tradedesk.api.auth.ApiToken"
    name = "token"


class Schema(SpectacularAPIView):
    """The OpenAPI document, as JSON or YAML by the Accept header."""

    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
    ]


class Docs(SpectacularSwaggerSplitView):
    """The browsable documentation; a person without a login is sent to get one."""

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        if isinstance(exc, NotAuthenticated | PermissionDenied):
            return redirect_to_login(self.request.get_full_path(), reverse("admin:login"))
        return super().handle_exception(exc)
