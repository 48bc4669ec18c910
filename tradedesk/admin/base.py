from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ShowFacets
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from tradedesk.admin.sidebar import TITLES

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
else:
    # Unfold has no types; its class is a subclass of Django's.
    from unfold.admin import ModelAdmin

COUNT_CAP = 10_000


class AtLeast(int):
    """A count that stopped counting: it says so where a page shows it."""

    def __str__(self) -> str:
        return f"more than {int(self):,}"


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Counts to 10,000 and no further: an exact count of a large table costs more than the page.

    `most` is another end for lists whose rows cost more to find.
    """

    most: int | None = None

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        most = self.most or COUNT_CAP
        found = rows.order_by().values("pk")[: most + 1].count()
        return AtLeast(most) if found > most else found


class PanelAdmin[M: Model](ModelAdmin):  # type: ignore[type-arg] # Django's class takes no parameter at run time
    """The one base of every page of rows, and the one place where the theme comes in.

    A page of one row shows `summary_template`, filled by `summary`, above the fields. A list without rows
    says `when_empty`: what they are, and what to do for the first.
    """

    list_per_page = 25
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = CappedPaginator
    change_form_template = "panel/change_form.html"
    list_after_template = "panel/parts/export.html"
    summary_template = ""
    when_empty = ""

    def heading(self, row: M) -> str:
        """Return the title of a row's page."""
        return str(row)

    def summary(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what `summary_template` shows about a row."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = TITLES[self.opts.label_lower]
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        if obj is not None and not add:
            context |= {"title": self.heading(obj), "subtitle": None}
            if self.summary_template:
                context |= {"summary_template": self.summary_template, **self.summary(request, obj)}
        return super().render_change_form(request, context, add, change, form_url, obj)


class ReadOnly[M: Model](PanelAdmin[M]):
    """For history: rows can be looked at, and neither added, changed nor deleted by anybody."""

    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
