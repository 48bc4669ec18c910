from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from tradedesk import wiring
from tradedesk.admin import alert_page, dry_run
from tradedesk.admin.alert_filters import TABS, DayFilter, SourceFilter, SymbolFilter, TabFilter
from tradedesk.admin.alert_lines import lines_of, with_decisions
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, OutcomeFilter, ReasonFilter, ReceivedFilter
from tradedesk.admin.tally import of_today
from tradedesk.admin.tokens import webhook_address
from tradedesk.models import Alert, Strategy


@admin.register(Alert)
class AlertAdmin(ReadOnly[Alert]):
    change_list_template = "panel/alerts/list.html"
    list_display = ("__str__",)
    list_filter = (
        *(TabFilter, BotFilter, SourceFilter, SymbolFilter, OutcomeFilter, ReasonFilter),
        *(ReceivedFilter, DayFilter),
    )
    sortable_by = ()
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        rehearsing = self.admin_site.admin_view(dry_run.page)
        own = path("<uuid:alert_id>/dry-run/", rehearsing, name="tradedesk_alert_dry_run")
        return [own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return with_decisions(super().get_queryset(request)).select_related("strategy")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        answer = super().changelist_view(request, extra_context)
        context = getattr(answer, "context_data", None)
        if context and "cl" in context:
            context |= _list_context(request, context["cl"])
        return answer

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            alert = alert_page.find(UUID(unquote(object_id)))
        except (ValueError, ValidationError):
            alert = None
        if alert is None:
            raise Http404("There is no such alert.")
        return alert_page.page(request, alert)


def _list_context(request: HttpRequest, found: Any) -> dict[str, Any]:
    """Return what the list shows beside its rows: tabs with this session's counts, and how to begin."""
    counts, tab = of_today(wiring.desk().now()), request.GET.get("tab", "")
    tabs = [("", "All", counts.total, found.get_query_string(remove=["tab", "p"]), tab not in TABS)]
    for key, (label, outcomes) in TABS.items():
        address = found.get_query_string({"tab": key}, ["p"])
        tabs.append((key, label, counts.of(*outcomes), address, key == tab))
    is_empty = not found.result_list and not found.has_active_filters
    return {
        "tabs": tabs,
        "tab": tab if tab in TABS else "",
        "lines": lines_of(found.result_list),
        "heartbeat_at": Strategy.objects.aggregate(last=Max("heartbeat_at"))["last"],
        "is_empty": is_empty,
        "webhook": webhook_address(request, "TOKEN"),
        "first_strategy": Strategy.objects.first() if is_empty else None,
    }
