from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import CreatedFilter
from tradedesk.models import AuditEntry

SHOWN = 3
LONGEST = 60
# What the desk writes down, in the order of weight; the first word of an action of a setting is its own.
ACTIONS = {
    "halts": ("Halts and resumes", ("kill switch on", "kill switch off")),
    "flattens": ("Flattens", ("flatten", "cancel flatten")),
    "arming": ("Arming", ("arm", "disarm")),
    "incidents": ("Incidents", ("resolve incident", "roll")),
    "settings": ("Settings", ("create", "change", "delete")),
    "factor": ("Second factor", ("second factor on", "second factor off", "new backup codes")),
}


class PersonFilter(SimpleListFilter):
    title = "person"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        names = User.objects.filter(is_staff=True).order_by("username").values_list("username", flat=True)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(by=self.value()) if self.value() else queryset


class ActionFilter(SimpleListFilter):
    title = "what"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(key, label) for key, (label, _) in ACTIONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, actions = ACTIONS.get(str(self.value()), ("", ()))
        return queryset.filter(action__in=actions) if actions else queryset


def changes_of(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return what an entry tells as (name, before, after); before is "" for what has none."""
    return [(name.replace("_", " "), *_pair(value)) for name, value in entry.detail.items()]


def _pair(value: Any) -> tuple[str, str]:
    if isinstance(value, list) and len(value) == 2:
        return _plain(value[0]), _plain(value[1])
    return "", _plain(value)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly[AuditEntry]):
    when_empty = (
        "What a person changes, halts, releases or arms is written down here by itself. "
        "There is nothing to do."
    )
    list_display = ("written_utc", "by", "action", "subject", "what", "reason", "source_address")
    list_filter = (CreatedFilter, ActionFilter, PersonFilter)
    search_fields = ("by__exact", "subject__exact")
    search_help_text = "Person or subject in full, such as account paper."
    sortable_by = ()
    ordering = ("-id",)
    fields = ("id", "by", "action", "subject", "written_both", "reason", "source_address")
    summary_template = "panel/audit.html"

    def heading(self, row: AuditEntry) -> str:
        return f"{row.action.capitalize()}, {row.subject}"

    def summary(self, request: HttpRequest, row: AuditEntry) -> dict[str, Any]:
        return {"entry": row, "changes": changes_of(row)}

    @admin.display(description="When (UTC)")
    def written_utc(self, entry: AuditEntry) -> SafeString:
        return cells.moment(entry.created_at)

    @admin.display(description="When")
    def written_both(self, entry: AuditEntry) -> str:
        return words.both_zones(entry.created_at)

    @admin.display(description="Before → after")
    def what(self, entry: AuditEntry) -> SafeString | str:
        changes = changes_of(entry)
        lines = [
            (f"{name}: {_cut(before)} → {_cut(after)}" if before else f"{name}: {_cut(after)}",)
            for name, before, after in changes[:SHOWN]
        ]
        if len(changes) > SHOWN:
            lines.append((f"and {len(changes) - SHOWN} more",))
        return format_html_join("", '<div class="line">{}</div>', lines) or "–"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
