from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path

from tradedesk import wiring
from tradedesk.admin import cells
from tradedesk.admin.audited import Audited
from tradedesk.admin.base import PanelAdmin
from tradedesk.models import Holiday, SessionRule
from tradedesk.services import calendars
from tradedesk.services.callers import address_of

MAY_CONFIRM = "tradedesk.change_sessionrule"


@admin.register(SessionRule)
class SessionRuleAdmin(Audited, PanelAdmin[SessionRule]):
    list_display = ("name", "zone", "confirmed_through")
    sortable_by = ()
    fields = ("name", "zone", "week", "confirmed_through")
    readonly_fields = ("confirmed_through",)
    summary_template = "panel/session_rule.html"
    goes_along = frozenset({"holiday"})

    def get_urls(self) -> list[URLPattern]:
        confirming = path(
            "<uuid:rule_id>/confirm/",
            self.admin_site.admin_view(self.confirm_view),
            name="tradedesk_sessionrule_confirm",
        )
        return [confirming, *super().get_urls()]

    def summary(self, request: HttpRequest, row: SessionRule) -> dict[str, Any]:
        today = wiring.desk().now().date()
        through = today + timedelta(days=calendars.CONFIRM_DAYS)
        return {
            "rule": row,
            "through": through,
            "holidays": list(row.holidays.filter(date__gte=today, date__lte=through)),
            "may_confirm": request.user.has_perm(MAY_CONFIRM),
        }

    def confirm_view(self, request: HttpRequest, rule_id: UUID) -> HttpResponse:
        """Confirm the calendar of the next 60 days by a person's word."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(MAY_CONFIRM):
            raise PermissionDenied
        rule = get_object_or_404(SessionRule, pk=rule_id)
        through = calendars.confirm(
            rule,
            by=request.user.get_username(),
            source_address=address_of(request),
            now=wiring.desk().now(),
        )
        messages.success(request, f"The calendar of {rule} is confirmed through {through}.")
        return HttpResponseRedirect(cells.url_of(rule))


@admin.register(Holiday)
class HolidayAdmin(Audited, PanelAdmin[Holiday]):
    list_display = ("date", "name", "rule", "hours", "confirmed", "source")
    list_filter = ("rule", "confirmed")
    list_select_related = ("rule",)
    date_hierarchy = "date"
    fields = ("rule", "date", "name", "closes_at", "confirmed", "source")

    @admin.display(description="Session")
    def hours(self, holiday: Holiday) -> str:
        return f"until {holiday.closes_at:%H:%M}" if holiday.closes_at else "none"
