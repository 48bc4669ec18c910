"""Every page of the panel, for tests that look at all of them."""

from datetime import date

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import resolve, reverse
from knox.models import AuthToken

from tests.builders import (
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_incident,
    make_notice,
    make_order,
    make_rejected_alert,
    make_session_rule,
    make_token,
)
from tests.fakes import START
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.cells import url_of
from tradedesk.models import (
    Account,
    Alert,
    AuditEntry,
    BotState,
    Cause,
    Environment,
    FlattenWish,
    Holiday,
    Strategy,
    TradingMode,
    TradingStateChange,
)

# Each address of admin/urls.py that is a page of its own, with the name by which it is reversed.
OWN: dict[str, str] = {
    "admin/": "admin:index",
    "admin/profit/": "profit",
    "admin/latency/": "latency",
    "admin/reasons/": "reasons",
    "admin/reasons/<str:code>/": "reason",
    "admin/kill-switch/": "kill_switch",
    "admin/kill-switch/resume/": "resume",
    "admin/kill-switch/arm/<slug:name>/": "arming",
    "admin/connections/": "connections",
    "admin/second-factor/": "second_factor",
    "admin/setup/": "setup",
    "admin/setup/test/<uuid:strategy_id>/": "try_alert",
    "admin/setup/test/<uuid:strategy_id>/<uuid:alert_id>/": "tried_alert",
    "admin/limits/": "limits",
}
# And those that are none: parts of pages, files, and what is only posted to.
NO_PAGES = {
    "admin/search/",
    "admin/header/",
    "admin/profit/trades/",
    "admin/positions/reconcile/",
    "admin/export/<str:name>/",
}
OF_THE_SITE = ["/admin/tradedesk/", "/admin/auth/", "/admin/knox/", "/admin/password_change/"]


def make_rows(user: User) -> list[Model]:
    """Return one row of every kind that the panel shows, tied together as one alert's story."""
    bot = make_bot()
    alert = make_alert(bot.strategy)
    decision = make_decision(alert, bot)
    order = make_order(bot, decision=decision)
    rule = make_session_rule()
    change = TradingStateChange.objects.create(
        scope="all",
        old_mode=TradingMode.ACTIVE,
        new_mode=TradingMode.HALTED,
        cause=Cause.PERSON,
        by="ada",
        created_at=START,
    )
    entry = AuditEntry.objects.create(by="ada", action="flatten", subject="all", created_at=START)
    token, _ = AuthToken.objects.create(user)
    return [
        bot,
        bot.account,
        bot.instrument,
        bot.strategy,
        rule,
        Holiday.objects.get_or_create(rule=rule, date=date(2026, 12, 25), defaults={"name": "Christmas"})[0],
        bot.state,
        make_token(bot.strategy),
        alert,
        make_rejected_alert(bot.strategy),
        decision,
        order,
        make_fill(order),
        make_incident(bot),
        make_notice(),
        bot.trading_state,
        change,
        entry,
        user,
        Group.objects.create(name="operators"),
        FlattenWish.objects.create(
            scope="all", passes_halt=True, by="ada", since=START, next_try_at=START, ended_at=START
        ),
        token,
    ]


def standing_pages() -> list[str]:
    """Return the addresses that need no row: the panel's own pages, those of the site, and all lists."""
    own = [reverse(name) for route, name in OWN.items() if "<" not in route]
    return [*own, reverse("reason", args=["TREND_BLUE"]), *OF_THE_SITE, *map(list_of, admin.site._registry)]


def all_pages(rows: list[Model]) -> list[str]:
    """Return the addresses of all pages, those of each row and a live account's arming included."""
    strategy = next(row for row in rows if isinstance(row, Strategy))
    alert = next(row for row in rows if isinstance(row, Alert))
    live = Account.objects.filter(environment=Environment.LIVE).first()
    live = live or make_account("live", environment=Environment.LIVE)
    own = [
        reverse("arming", args=[live.name]),
        reverse("try_alert", args=[strategy.pk]),
        reverse("tried_alert", args=[strategy.pk, alert.pk]),
    ]
    added = [f"{list_of(model)}add/" for model in admin.site._registry if _can_be_added(model)]
    return [*standing_pages(), *own, *added, *map(url_of, rows)]


def is_own(path: str) -> bool:
    """Tell whether a page is one of the panel's own and no list, row or form of the site."""
    return path == list_of(BotState) or resolve(path).route in OWN


def list_of(model: type[Model]) -> str:
    """Return the address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _can_be_added(model: type[Model]) -> bool:
    return not isinstance(admin.site._registry[model], ReadOnly)
