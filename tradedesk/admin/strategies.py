from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from tradedesk.admin import arrivals, tokens, words
from tradedesk.admin.audited import Audited, why_it_stays
from tradedesk.admin.forms import StrategyForm
from tradedesk.admin.tabbed import ALERTS, GENERAL, HISTORY, Tabbed, fieldset
from tradedesk.models import Strategy


@admin.register(Strategy)
class StrategyAdmin(Audited, Tabbed[Strategy]):
    when_empty = (
        "A strategy is one stream of alerts: the symbol, the timeframes of trend and DI. "
        "Its page has the messages to paste."
    )
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
    tabs = (GENERAL, ALERTS, HISTORY)
    fieldsets = (
        fieldset(GENERAL, "slug", "instrument"),
        fieldset(
            GENERAL,
            *("trend_timeframe", "di_timeframe", "filter_timeframe", "bar_close_only"),
            title="Charts",
        ),
        fieldset(GENERAL, "watch_heartbeat", "heartbeat_both", "alerts_expire_on", title="When alerts stop"),
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
            path("<uuid:strategy_id>/arrivals/", guarded(arrivals.page), name="tradedesk_strategy_arrivals"),
            *super().get_urls(),
        ]

    def summary(self, request: HttpRequest, row: Strategy) -> dict[str, Any]:
        return {
            **arrivals.arrivals_of(request, row),
            "tokens": list(row.tokens.all()[:10]),
            "bots": list(row.bots.select_related("account")),
            "may_change_tokens": request.user.has_perm(tokens.MAY_CHANGE),
        }

    @admin.display(description="Last heartbeat (UTC)")
    def heartbeat_utc(self, strategy: Strategy) -> str:
        return words.utc(strategy.heartbeat_at)

    @admin.display(description="Last heartbeat")
    def heartbeat_both(self, strategy: Strategy) -> str:
        return words.both_zones(strategy.heartbeat_at)
