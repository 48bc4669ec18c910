from typing import Any

from django.http import HttpRequest

from tradedesk.admin.audited import subject_of
from tradedesk.admin.base import PanelAdmin
from tradedesk.models import AuditEntry

GENERAL, ALERTS, LIMITS, HISTORY = "general", "alerts", "limits", "history"
LATEST = 20


class Tabbed[M: Any](PanelAdmin[M]):
    """A row's page in tabs: its fieldsets and parts name theirs by a class such as `in-limits`.

    Without scripts all of them are below each other, and the tabs lead to them.
    """

    tabs: tuple[str, ...] = (GENERAL, HISTORY)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> Any:
        if obj is not None and not add:
            sees_history = request.user.has_perm("tradedesk.view_auditentry")
            context["tabs"] = [tab for tab in self.tabs if tab != HISTORY or sees_history]
            context["show_save_and_add_another"] = False
            context["subject"] = subject_of(obj)
            context["history"] = list(
                AuditEntry.objects.filter(subject=subject_of(obj)).order_by("-id")[:LATEST]
            )
        return super().render_change_form(request, context, add, change, form_url, obj)


def fieldset(tab: str, *fields: str, title: str | None = None, about: str = "") -> tuple[str | None, Any]:
    """Return a fieldset that stands on a tab."""
    return title, {"fields": fields, "classes": (f"in-{tab}",), "description": about}
