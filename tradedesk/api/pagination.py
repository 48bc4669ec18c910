from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class NewestFirst(CursorPagination):
    """Pages by cursor, newest first. Ids grow with time, so they are the order."""

    ordering: str | list[str] | tuple[str, ...] = "-id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """Return a page of rows. A cursor that no answer gave is an error of the caller."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, DjangoValidationError):
            raise ValidationError({"cursor": ["Not a cursor from next or previous."]}) from None

    def get_page_size(self, request: Request) -> int:
        """Return the rows per page that were asked for. Raises ValidationError unless from 1 to 500."""
        asked = request.query_params.get("page_size", str(self.page_size))
        is_number = asked.isascii() and asked.isdigit() and len(asked) <= len(str(self.max_page_size))
        if not is_number or not 1 <= int(asked) <= self.max_page_size:
            raise ValidationError({"page_size": [f"Must be a number from 1 to {self.max_page_size}."]})
        return int(asked)


class BySlug(NewestFirst):
    """Pages by cursor in the order of the slugs, for the few things that a person named."""

    ordering = "slug"
