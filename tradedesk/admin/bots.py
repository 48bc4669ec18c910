from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path

from tradedesk.admin import frame, positions, tokens, words
from tradedesk.admin.alert_messages import messages_for
from tradedesk.admin.audited import Audited, why_it_stays
from tradedesk.admin.base import PanelAdmin, ReadOnly
from tradedesk.admin.forms import AccountForm, BotForm, StrategyForm
from tradedesk.models import Account, Bot, BotState, Incident, Strategy, TradingMode, WebhookToken
from tradedesk.models.limits import ORDER_LIMITS, TRADE_LIMITS
from tradedesk.services.cash import Kept
from tradedesk.services.trading_state import effective_mode, effective_modes
from tradedesk.stores.positions import Snapshot

ABOUT_LIMITS = "Empty is off. What a limit cannot read stops openings; exits always pass."


@admin.register(Account)
class AccountAdmin(Audited, PanelAdmin[Account]):
    form = AccountForm
    list_display = ("name", "environment", "broker_account", "enabled", "reconciled_utc")
    list_filter = ("environment", "enabled")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "environment",
                    "broker_account",
                    "credentials",
                    "signed_off",
                    "sign_off_anew",
                    "enabled",
                    "flat_by",
                    "reconciled_both",
                )
            },
        ),
        (
            "Limits",
            {
                "fields": (
                    *("daily_loss", "drawdown", "max_position", "max_group_position"),
                    *("margin_factor", "max_clock_offset_s", *ORDER_LIMITS, *TRADE_LIMITS, "figures"),
                ),
                "description": ABOUT_LIMITS,
            },
        ),
    )
    readonly_fields = ("signed_off", "reconciled_both", "figures")
    goes_along = frozenset({"trading state"})

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        # What was traded with paper money must not turn into a live account's history.
        fixed = ("environment",) if obj is not None and why_it_stays(obj) else ()
        return (*fixed, *self.readonly_fields)

    @admin.display(description="Signed off")
    def signed_off(self, account: Account) -> str:
        name, number = account.broker_account_name, account.broker_account_id
        return f"{name} ({number})" if number else "not yet"

    @admin.display(description="Reconciled (UTC)")
    def reconciled_utc(self, account: Account) -> str:
        return words.utc(account.reconciled_at)

    @admin.display(description="Reconciled")
    def reconciled_both(self, account: Account) -> str:
        return words.both_zones(account.reconciled_at)

    @admin.display(description="Broker's figures")
    def figures(self, account: Account) -> str:
        """Show what the broker last said of the account's money, and when."""
        money = Kept.from_json(account.cash)
        return (
            f"value {words.price(money.net_liquidation)}, profit of the session {words.price(money.profit)}, "
            f"margin in use {words.price(money.margin_used)}, highest value {words.price(money.peak)}; "
            f"read {words.both_zones(account.cash_read_at)}"
        )


@admin.register(Strategy)
class StrategyAdmin(Audited, PanelAdmin[Strategy]):
    form = StrategyForm
    list_display = (
        "slug",
        "instrument",
        "trend_timeframe",
        "di_timeframe",
        "filter_timeframe",
        "bar_close_only",
        "alerts_expire_on",
        "heartbeat_utc",
    )
    list_select_related = ("instrument",)
    fields = (
        "slug",
        "instrument",
        "trend_timeframe",
        "di_timeframe",
        "filter_timeframe",
        "bar_close_only",
        "alerts_expire_on",
        "watch_heartbeat",
        "heartbeat_both",
    )
    summary_template = "panel/strategy.html"
    goes_along = frozenset({"webhook token"})

    def get_readonly_fields(self, request: HttpRequest, obj: Strategy | None = None) -> tuple[str, ...]:
        fixed = ("instrument",) if obj is not None and why_it_stays(obj) else ()
        return (*fixed, "heartbeat_both")

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:strategy_id>/tokens/", guarded(tokens.make_token), name="tradedesk_strategy_make_token"
            ),
            path(
                "<uuid:strategy_id>/tokens/<uuid:token_id>/revoke/",
                guarded(tokens.revoke),
                name="tradedesk_strategy_revoke_token",
            ),
            *super().get_urls(),
        ]

    def summary(self, request: HttpRequest, row: Strategy) -> dict[str, Any]:
        return {
            "strategy": row,
            "tokens": list(row.tokens.all()[:10]),
            "address": tokens.webhook_address(request, "TOKEN"),
            "alert_messages": messages_for(row),
            "may_change_tokens": request.user.has_perm(tokens.MAY_CHANGE),
        }

    @admin.display(description="Last heartbeat (UTC)")
    def heartbeat_utc(self, strategy: Strategy) -> str:
        return words.utc(strategy.heartbeat_at)

    @admin.display(description="Last heartbeat")
    def heartbeat_both(self, strategy: Strategy) -> str:
        return words.both_zones(strategy.heartbeat_at)


@admin.register(Bot)
class BotAdmin(Audited, PanelAdmin[Bot]):
    form = BotForm
    list_display = ("slug", "strategy", "account", "contract", "position", "in_words", "mode", "enabled")
    list_filter = ("enabled",)
    list_select_related = ("strategy", "account", "instrument", "state")
    fieldsets = (
        (None, {"fields": ("slug", "strategy", "account", "size", "max_position", "enabled")}),
        ("Stop and risk", {"fields": ("stop_points", "target_points", "risk_percent")}),
        (
            "Limits",
            {
                "fields": (*ORDER_LIMITS, *TRADE_LIMITS, "daily_loss", "rejections_in_a_row"),
                "description": ABOUT_LIMITS,
            },
        ),
    )
    summary_template = "panel/bot.html"
    goes_along = frozenset({"trading state", "bot state"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bot]:
        return super().get_queryset(request).select_related(*self.list_select_related)

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
        return frame.quiet(positions.page)(request)

    @admin.display(description="Updated")
    def updated_both(self, state: BotState) -> str:
        return words.both_zones(state.updated_at)


@admin.register(WebhookToken)
class WebhookTokenAdmin(ReadOnly[WebhookToken]):
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
