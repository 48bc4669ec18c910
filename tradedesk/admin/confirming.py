from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tradedesk.admin.audited import Audited
from tradedesk.admin.cells import url_of
from tradedesk.admin.words import setting
from tradedesk.services.people.limit_changes import Change, changes_of

LONGEST_REASON = 500
OWN_FIELDS = {"csrfmiddlewaretoken", "confirmed", "change_reason"}


class Confirmed(Audited):
    """For settings that money hangs on: saving shows the difference first.

    A limit that is raised or taken away needs a reason, which goes into the audit log.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and object_id is not None:
            asked = self._ask(request, object_id)
            if asked is not None:
                return asked
        view: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc] # of ModelAdmin
        return view

    def reason_of(self, request: HttpRequest) -> str:
        return request.POST.get("change_reason", "").strip()[:LONGEST_REASON]

    def _ask(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Return the page that asks whether this is meant, None where nothing is left to ask."""
        admin: Any = self
        row, stored = (admin.get_object(request, unquote(object_id)) for _ in range(2))
        if row is None:
            return None
        if not admin.has_change_permission(request, row):
            raise PermissionDenied
        form = admin.get_form(request, row, change=True)(request.POST, instance=row)
        if not form.is_valid():
            return None
        changes = changes_of(stored, form.changed_data, form.cleaned_data)
        lacks_reason = any(change.is_looser for change in changes) and not self.reason_of(request)
        is_confirmed = "confirmed" in request.POST
        if not changes or (is_confirmed and not lacks_reason):
            return None
        context = {
            **admin.admin_site.each_context(request),
            "title": f"Save {stored}",
            "row": stored,
            "back": url_of(stored),
            "lines": [_line(change, form) for change in changes],
            "needs_reason": any(change.is_looser for change in changes),
            "lacks_reason": is_confirmed and lacks_reason,
            "posted": [(name, value) for name, values in _posted(request) for value in values],
        }
        return render(request, "panel/confirm_changes.html", context)


def _line(change: Change, form: Any) -> dict[str, Any]:
    return {
        "label": form[change.name].label,
        "before": setting(change.before),
        "after": setting(change.after),
        "is_looser": change.is_looser,
    }


def _posted(request: HttpRequest) -> list[tuple[str, list[str]]]:
    return [(name, values) for name, values in request.POST.lists() if name not in OWN_FIELDS]
