from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from tradedesk.admin import arrivals, frame, positions, words
from tradedesk.admin.audited import why_it_stays
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.confirming import Confirmed
from tradedesk.admin.forms import BotForm
from tradedesk.admin.limit_uses import ABOUT_LIMITS, with_uses
from tradedesk.admin.tabbed import ALERTS, GENERAL, HISTORY, LIMITS, Tabbed, fieldset
from tradedesk.models import Bot, BotState, Incident, TradingMode, WebhookToken
from tradedesk.models.limits import ORDER_LIMITS, TRADE_LIMITS
from tradedesk.services.halting.trading_state import effective_mode, effective_modes
from tradedesk.stores.positions import Snapshot


@admin.register(Bot)
class BotAdmin(Confirmed, Tabbed[Bot]):
    when_empty = "A bot is one strategy on one account. Add an account and a strategy first, then the bot."
    form = BotForm
    list_display = ("slug", "strategy", "account", "contract", "position", "in_words", "mode", "enabled")
    list_filter = ("enabled",)
    list_select_related = ("strategy", "account", "instrument", "state")
    tabs = (GENERAL, ALERTS, LIMITS, HISTORY)
    fieldsets = (
        fieldset(GENERAL, "slug", "strategy", "account", "size", "enabled"),
        fieldset(GENERAL, "stop_points", "target_points", "risk_percent", title="Stop and risk"),
        fieldset(
            LIMITS,
            *("max_position", "daily_loss", *ORDER_LIMITS, *TRADE_LIMITS, "rejections_in_a_row"),
            title="Limits",
            about=ABOUT_LIMITS,
        ),
    )
    summary_template = "panel/bot.html"
    goes_along = frozenset({"trading state", "bot state"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bot]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_form(
        self, request: HttpRequest, obj: Bot | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return with_uses(super().get_form(request, obj, change, **kwargs), obj)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        bots = list(page.result_list)
        modes = effective_modes(bots)
        for bot in bots:
            bot.mode = modes[bot.slug]  # for the column of that name
        page.result_list = bots
        return page

    def get_readonly_fields(self, request: HttpRequest, obj: Bot | None = None) -> tuple[str, ...]:
        # A position belongs to an account: another one, or other alerts, want another bot.
        return ("strategy", "account") if obj is not None and why_it_stays(obj) else ()

    def summary(self, request: HttpRequest, row: Bot) -> dict[str, Any]:
        snapshot = Snapshot.from_row(row.state)
        open_incidents = Incident.objects.filter(account=row.account, closed_at=None)
        return {
            **arrivals.arrivals_of(request, row.strategy),
            "bot": row,
            "snapshot": snapshot,
            "state": snapshot.public(),
            "in_words": words.bot_in_words(snapshot),
            "mode": effective_mode(f"bot:{row.slug}"),
            "incidents": [found for found in open_incidents if found.bot_id in (None, row.pk)],
            "recent": list(row.decisions.select_related("alert").defer("alert__body").order_by("-id")[:10]),
        }

    @admin.display(description="Contract")
    def contract(self, bot: Bot) -> str:
        return bot.state.contract or bot.instrument.pinned_contract or f"{bot.instrument.root}, front month"

    @admin.display(description="Position")
    def position(self, bot: Bot) -> str:
        return words.signed(bot.state.quantity)

    @admin.display(description="State")
    def in_words(self, bot: Bot) -> str:
        return words.bot_in_words(Snapshot.from_row(bot.state))

    @admin.display(description="Trading")
    def mode(self, bot: Bot) -> str:
        return str(TradingMode(vars(bot)["mode"]).label)


@admin.register(BotState)
class BotStateAdmin(ReadOnly[BotState]):
    list_select_related = ("bot",)
    fields = ("bot", "quantity", "contract", "average_price", "version", "updated_both", "memory")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # The list of positions is a page of its own.
        return frame.says_unread(frame.quiet(positions.page))(request)

    @admin.display(description="Updated")
    def updated_both(self, state: BotState) -> str:
        return words.both_zones(state.updated_at)


@admin.register(WebhookToken)
class WebhookTokenAdmin(ReadOnly[WebhookToken]):
    when_empty = (
        "A token lets alerts of one strategy in. The page of the strategy makes it and shows it once."
    )
    list_display = ("ending", "strategy", "created_utc", "revoked_utc")
    list_select_related = ("strategy",)
    sortable_by = ()
    fields = ("id", "strategy", "ending", "created_utc", "revoked_utc")

    @admin.display(description="Token")
    def ending(self, token: WebhookToken) -> str:
        return str(token)

    @admin.display(description="Made (UTC)")
    def created_utc(self, token: WebhookToken) -> str:
        return words.utc(token.created_at)

    @admin.display(description="Revoked (UTC)")
    def revoked_utc(self, token: WebhookToken) -> str:
        return words.utc(token.revoked_at)
