"""What the list of alerts can be narrowed to, beside bot, outcome and reason."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from tradedesk.admin.outcomes import Outcome, alerts_with
from tradedesk.admin.tally import FAILED, STOPPED
from tradedesk.models import Instrument

# The quick tabs above the list, each with the outcomes that it stands for; the first one is all.
TABS = {
    "stopped": ("Stopped", (*STOPPED, *FAILED)),
    "quiet": ("No action", (Outcome.NO_ACTION,)),
    "unresolved": ("Unresolved", (Outcome.UNRESOLVED,)),
    "late": ("Late", (Outcome.LATE,)),
}
SOURCES = {
    "trend": ("Trend", "Trend_Validator"),
    "di": ("DI cross", "DI_Cross"),
    "unread": ("Not readable", ""),
}


class TabFilter(SimpleListFilter):
    title = "tab"
    parameter_name = "tab"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(key, label) for key, (label, _) in TABS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in TABS:
            return queryset
        return alerts_with(queryset, *TABS[str(self.value())][1])


class SourceFilter(SimpleListFilter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(key, label) for key, (label, _) in SOURCES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in SOURCES:
            return queryset
        return queryset.filter(indicator=SOURCES[str(self.value())][1])


class SymbolFilter(SimpleListFilter):
    """Filters by the instrument of the strategy, which is what a symbol names."""

    title = "symbol"
    parameter_name = "symbol"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        used = Instrument.objects.filter(strategies__isnull=False).distinct()
        return [(root, root) for root in used.order_by("root").values_list("root", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(strategy__instrument__root=self.value())


class DayFilter(SimpleListFilter):
    """Filters by the day of the receipt in UTC; any day can be asked for."""

    title = "day (UTC)"
    parameter_name = "day"
    is_day = True

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            start = datetime.combine(date.fromisoformat(str(self.value())), time(), UTC)
        except ValueError:
            return queryset
        return queryset.filter(received_at__gte=start, received_at__lt=start + timedelta(days=1))
