from functools import partial

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from tradedesk.admin import (
    exports,
    frame,
    halt,
    kill_switch,
    latency,
    overview,
    planned,
    positions,
    profit,
    reasons,
    search,
)

guarded = admin.site.admin_view

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Before those of the admin site, whose start page and search they stand in for.
    path("admin/", guarded(frame.quiet(overview.page))),
    path("admin/search/", guarded(search.page)),
    path("admin/header/", guarded(frame.quiet(frame.header_poll)), name="header_poll"),
    path("admin/profit/", guarded(frame.quiet(profit.page)), name="profit"),
    path("admin/profit/trades/", guarded(profit.trades_file), name="trades_file"),
    path("admin/latency/", guarded(frame.quiet(latency.page)), name="latency"),
    path("admin/positions/reconcile/", guarded(positions.reconcile_now), name="reconcile_now"),
    path("admin/export/<str:name>/", guarded(exports.page), name="export"),
    path("admin/reasons/", guarded(reasons.index), name="reasons"),
    path("admin/reasons/<str:code>/", guarded(reasons.page), name="reason"),
    path("admin/kill-switch/", guarded(kill_switch.page), name="kill_switch"),
    path("admin/connections/", guarded(partial(planned.page, title="Connections")), name="connections"),
    path("admin/setup/", guarded(partial(planned.page, title="Checklist")), name="setup"),
    path("admin/limits/", guarded(partial(planned.page, title="Risk limits")), name="limits"),
    path("admin/", admin.site.urls),
    path("halt/", halt.emergency, name="halt"),
]
