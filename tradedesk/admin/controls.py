from django.contrib import admin

from tradedesk.admin import words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import CreatedFilter
from tradedesk.models import FlattenWish, TradingState, TradingStateChange


@admin.register(TradingState)
class TradingStateAdmin(ReadOnly[TradingState]):
    list_display = ("scope", "mode", "cause", "by", "since_utc", "reason")
    list_filter = ("mode", "cause")
    sortable_by = ()
    fields = ("scope", "mode", "cause", "by", "since_both", "reason")
    summary_template = "panel/trading_state.html"

    @admin.display(description="Since (UTC)")
    def since_utc(self, state: TradingState) -> str:
        return words.utc(state.since)

    @admin.display(description="Since")
    def since_both(self, state: TradingState) -> str:
        return words.both_zones(state.since)


@admin.register(TradingStateChange)
class TradingStateChangeAdmin(ReadOnly[TradingStateChange]):
    when_empty = (
        "Each halt and each release is listed here. Try the kill switch once, before there is real money."
    )
    list_display = ("changed_utc", "scope", "old_mode", "new_mode", "cause", "by", "reason")
    list_filter = ("new_mode", "cause", CreatedFilter)
    search_fields = ("scope__exact",)
    search_help_text = "Scope in full, such as bot:mes-paper."
    sortable_by = ()
    ordering = ("-id",)
    fields = ("id", "scope", "old_mode", "new_mode", "cause", "by", "changed_both", "reason")

    @admin.display(description="Changed (UTC)")
    def changed_utc(self, change: TradingStateChange) -> str:
        return words.utc(change.created_at)

    @admin.display(description="Changed")
    def changed_both(self, change: TradingStateChange) -> str:
        return words.both_zones(change.created_at)


@admin.register(FlattenWish)
class FlattenWishAdmin(ReadOnly[FlattenWish]):
    when_empty = "A flatten closes what a scope holds. It is asked for on the page of the kill switch."
    list_display = ("since_utc", "scope", "by", "tries", "looked_utc", "ended_utc", "ending")
    list_filter = ("by",)
    search_fields = ("scope__exact",)
    search_help_text = "Scope in full, such as bot:mes-paper."
    sortable_by = ()
    ordering = ("-id",)
    fields = ("id", "scope", "by", "reason", "passes_halt", "tries", "seen", "ending")

    @admin.display(description="Since (UTC)")
    def since_utc(self, wish: FlattenWish) -> str:
        return words.utc(wish.since)

    @admin.display(description="Last look (UTC)")
    def looked_utc(self, wish: FlattenWish) -> str:
        return words.utc(wish.looked_at)

    @admin.display(description="Ended (UTC)")
    def ended_utc(self, wish: FlattenWish) -> str:
        return words.utc(wish.ended_at)
