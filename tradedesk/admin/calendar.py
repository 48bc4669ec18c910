from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.text import slugify

from tradedesk import wiring
from tradedesk.admin import cells
from tradedesk.admin.audited import Audited, subject_of, write_audit
from tradedesk.admin.base import PanelAdmin
from tradedesk.admin.tabbed import GENERAL, Tabbed, fieldset
from tradedesk.models import Holiday, SessionRule
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.contracts import calendars, holiday_files
from tradedesk.services.contracts.next_days import next_days

MAY_CONFIRM = "tradedesk.change_sessionrule"
LARGEST_FILE = 65_536
MOST_TROUBLES = 5


@admin.register(SessionRule)
class SessionRuleAdmin(Audited, Tabbed[SessionRule]):
    list_display = ("name", "zone", "confirmed_through")
    sortable_by = ()
    fieldsets = (fieldset(GENERAL, "name", "zone", "week", "confirmed_through"),)
    readonly_fields = ("confirmed_through",)
    summary_template = "panel/session_rule.html"
    goes_along = frozenset({"holiday"})

    def get_urls(self) -> list[URLPattern]:
        confirming = path(
            "<uuid:rule_id>/confirm/",
            self.admin_site.admin_view(self.confirm_view),
            name="tradedesk_sessionrule_confirm",
        )
        holidays = path(
            "<uuid:rule_id>/holidays/",
            self.admin_site.admin_view(self.holidays_view),
            name="tradedesk_sessionrule_holidays",
        )
        return [confirming, holidays, *super().get_urls()]

    def summary(self, request: HttpRequest, row: SessionRule) -> dict[str, Any]:
        now = wiring.desk().now()
        today, days = now.date(), next_days(row, now)
        through = today + timedelta(days=calendars.CONFIRM_DAYS)
        return {
            "rule": row,
            "days": days,
            "unconfirmed": sum(not day.is_confirmed for day in days or ()),
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

    def holidays_view(self, request: HttpRequest, rule_id: UUID) -> HttpResponse:
        """Return the holidays as CSV, or take over those of a file."""
        rule = get_object_or_404(SessionRule, pk=rule_id)
        if request.method == "POST":
            if not request.user.has_perm(MAY_CONFIRM):
                raise PermissionDenied
            self._import(request, rule)
            return HttpResponseRedirect(cells.url_of(rule))
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        answer = HttpResponse(holiday_files.to_csv(rule), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="holidays-{slugify(rule.name)}.csv"'
        return answer

    def _import(self, request: HttpRequest, rule: SessionRule) -> None:
        file = request.FILES.get("holidays")
        try:
            raw = file.read(LARGEST_FILE + 1) if file else b""
            if len(raw) > LARGEST_FILE:
                raise holiday_files.Unreadable([f"The file is larger than {LARGEST_FILE} bytes."])
            new, changed = holiday_files.take_over(rule, holiday_files.read_csv(raw.decode()))
        except holiday_files.Unreadable as unreadable:
            messages.error(request, "Nothing was imported. " + " ".join(unreadable.troubles[:MOST_TROUBLES]))
        except ValueError:
            messages.error(request, "Nothing was imported. The file is not UTF-8 text.")
        else:
            write_audit(request, "import holidays", subject_of(rule), {"new": new, "changed": changed})
            messages.success(request, f"{new} new and {changed} changed, to be confirmed.")


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
