from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest

from tradedesk.admin import words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, CreatedFilter, OutcomeFilter, ReasonFilter
from tradedesk.admin.outcomes import outcome_of
from tradedesk.models import Decision, Order

# So many events the page shows up to the decision's own: a colour and a crossing rule the state.
KNOWN = 8


@admin.register(Decision)
class DecisionAdmin(ReadOnly[Decision]):
    change_list_template = "panel/decisions/list.html"
    list_filter = (BotFilter, OutcomeFilter, ReasonFilter, CreatedFilter)
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
        known = Decision.objects.filter(bot=row.bot_id, id__lte=row.pk).select_related("alert")
        return {
            "decision": row,
            "outcome": outcome_of(row),
            "known": known.defer("alert__body", "state_before", "state_after", "detail")[:KNOWN],
        }

    @admin.display(description="Decided")
    def created_both(self, decision: Decision) -> str:
        return words.both_zones(decision.created_at)
