from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, CreatedFilter, OutcomeFilter, ReasonFilter
from tradedesk.admin.outcomes import outcome_of
from tradedesk.models import Decision, Order, Reason


@admin.register(Decision)
class DecisionAdmin(ReadOnly[Decision]):
    list_display = ("created", "bot", "alert_in_words", "action_in_words", "outcome_chip", "why", "order")
    list_filter = (OutcomeFilter, CreatedFilter, BotFilter, ReasonFilter)
    sortable_by = ()
    ordering = ("-id",)
    fields = ("id", "alert", "bot", "action", "reason", "created_both")
    summary_template = "panel/decision.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        orders = Prefetch("orders", Order.objects.order_by("id"))
        return (
            super()
            .get_queryset(request)
            .select_related("alert", "bot")
            .defer("alert__body", "alert__errors")
            .prefetch_related(orders)
        )

    def heading(self, row: Decision) -> str:
        return f"{words.ACTIONS.get(row.action, row.action)}, {row.bot.slug}"

    def summary(self, request: HttpRequest, row: Decision) -> dict[str, Any]:
        return {"decision": row, "outcome": outcome_of(row)}

    @admin.display(description="Decided (UTC)")
    def created(self, decision: Decision) -> str:
        return words.utc(decision.created_at)

    @admin.display(description="Alert")
    def alert_in_words(self, decision: Decision) -> SafeString:
        return cells.link(decision.alert, words.alert_in_words(decision.alert))

    @admin.display(description="Action")
    def action_in_words(self, decision: Decision) -> str:
        return words.ACTIONS.get(decision.action, decision.action)

    @admin.display(description="Outcome")
    def outcome_chip(self, decision: Decision) -> SafeString:
        return cells.chip(outcome_of(decision))

    @admin.display(description="Why")
    def why(self, decision: Decision) -> str:
        return str(Reason(decision.reason).label)

    @admin.display(description="Order")
    def order(self, decision: Decision) -> SafeString:
        return cells.lines(cells.link(order, words.order_in_words(order)) for order in decision.orders.all())

    @admin.display(description="Decided")
    def created_both(self, decision: Decision) -> str:
        return words.both_zones(decision.created_at)
