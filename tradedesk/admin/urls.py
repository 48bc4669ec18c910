from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import path
from django.views.generic import RedirectView

from tradedesk.admin import (
    arming,
    checklist,
    connections,
    exports,
    frame,
    halt,
    kill_switch,
    latency,
    limit_uses,
    overview,
    positions,
    profit,
    reasons,
    resume,
    search,
    second_factor,
    trial,
)

guarded = admin.site.admin_view


def shown(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return a page of the panel behind its login, with a word of its own where it cannot be read."""
    return guarded(frame.says_unread(page))


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Before those of the admin site, whose start page and search they stand in for.
    path("admin/", shown(frame.quiet(overview.page))),
    path("admin/search/", guarded(search.page)),
    path("admin/header/", guarded(frame.quiet(frame.header_poll)), name="header_poll"),
    path("admin/profit/", shown(frame.quiet(profit.page)), name="profit"),
    path("admin/profit/trades/", guarded(profit.trades_file), name="trades_file"),
    path("admin/latency/", shown(frame.quiet(latency.page)), name="latency"),
    path("admin/positions/reconcile/", guarded(positions.reconcile_now), name="reconcile_now"),
    path("admin/export/<str:name>/", guarded(exports.page), name="export"),
    path("admin/reasons/", shown(reasons.index), name="reasons"),
    path("admin/reasons/<str:code>/", shown(reasons.page), name="reason"),
    path("admin/kill-switch/", guarded(kill_switch.page), name="kill_switch"),
    path("admin/kill-switch/resume/", guarded(resume.page), name="resume"),
    path("admin/kill-switch/arm/<slug:name>/", shown(arming.page), name="arming"),
    path("admin/connections/", shown(connections.page), name="connections"),
    path("admin/second-factor/", shown(second_factor.page), name="second_factor"),
    path("admin/setup/", shown(checklist.page), name="setup"),
    path("admin/setup/test/<uuid:strategy_id>/", shown(trial.page), name="try_alert"),
    path("admin/setup/test/<uuid:strategy_id>/<uuid:alert_id>/", shown(trial.result), name="tried_alert"),
    path("admin/limits/", shown(limit_uses.page), name="limits"),
    path("admin/", admin.site.urls),
    path("halt/", halt.emergency, name="halt"),
]
