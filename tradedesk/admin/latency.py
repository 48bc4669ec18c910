"""How fast the desk is: each stage against its target, day by day, and the slowest alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from strategy.rolls import trade_date
from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.shown import shown_by
from tradedesk.models import Alert
from tradedesk.selectors import latency
from tradedesk.selectors.latency import Way
from tradedesk.services.showing import bots_to_show

RANGES = {1: "Today", 7: "7 days", 30: "30 days"}
SLOWEST = 20
PERCENTS = (50, 95, 99)
# What 95 of 100 orders should stay below, in milliseconds. The whole answer has 2,500.
TARGETS = {
    "Received → decided, gated": 100,
    "Decided → sent": 100,
    "Sent → acknowledged": 500,
    "Acknowledged → filled": 500,
    "Receipt → fill": 1_000,
}
WHOLE = "Receipt → fill"
# The target stands at this part of a row's width, so that what is beyond it has room.
TARGET_AT = 50.0


@dataclass(frozen=True)
class Row:
    """One stage: its percentiles in milliseconds, and where they lie on a scale with the target at half."""

    name: str
    count: int
    found: Sequence[float | None]
    target: int

    @property
    def is_over(self) -> bool:
        p95 = self.found[1]
        return p95 is not None and p95 > self.target

    @property
    def marks(self) -> list[float]:
        return [min(99.0, time / self.target * TARGET_AT) for time in self.found if time is not None]


@dataclass(frozen=True)
class Day:
    """The stages of one trading day."""

    day: date
    rows: Sequence[Row]


@dataclass(frozen=True)
class Slow:
    """One alert that took long, with the stage that took most of it."""

    way: Way
    alert: Alert
    total_ms: float
    longest: str


def page(request: HttpRequest) -> HttpResponse:
    """Show how long each part of an order's way took."""
    if not request.user.has_perm("tradedesk.view_order"):
        raise PermissionDenied
    return frame.show(request, "latency", "Latency", latency_of(request))


def latency_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows of the days that its address asks for."""
    now = wiring.desk().now()
    shown = shown_by(request, list(bots_to_show()), now)
    text = request.GET.get("days", "")
    days = int(text) if text.isdigit() and int(text) in RANGES else 1
    start = shown.start - timedelta(days=days - 1)
    found = latency.ways(start, shown.end, **shown.keys)
    return {
        "now": now,
        "shown": shown,
        "days": days,
        "ranges": RANGES.items(),
        "rows": rows_of(found),
        "by_day": [
            Day(day, rows_of(list(ways)))
            for day, ways in groupby(reversed(found), key=lambda way: trade_date(way.received_at))
        ],
        "is_cut": len(found) == latency.MOST_ORDERS,
        "most": latency.MOST_ORDERS,
        "slowest": _slowest(found),
        "from_close": _percentiles(latency.from_bar_close(start, shown.end)),
        "target_at": TARGET_AT,
    }


def rows_of(found: Sequence[Way]) -> list[Row]:
    """Return a row for each stage, and one for the whole way."""
    named = [(stage.name, stage.times) for stage in latency.stages(found)]
    return [
        Row(name, len(times), _percentiles(times), TARGETS[name])
        for name, times in [*named, (WHOLE, latency.totals(found))]
    ]


def _percentiles(times: Sequence[float]) -> list[float | None]:
    return [latency.percentile(times, percent) for percent in PERCENTS]


def _slowest(found: Sequence[Way]) -> list[Slow]:
    ways = latency.slowest(found, SLOWEST)
    alerts = Alert.objects.defer("body").select_related("strategy").in_bulk([way.alert_id for way in ways])
    return [Slow(way, alerts[way.alert_id], way.total_ms or 0.0, _longest(way)) for way in ways]


def _longest(way: Way) -> str:
    """Return the name of the stage that took most of an alert's way."""
    return max(latency.stages([way]), key=lambda stage: max(stage.times, default=0.0)).name
