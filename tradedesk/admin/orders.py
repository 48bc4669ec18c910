from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, CreatedFilter
from tradedesk.admin.outcomes import outcome_of_order
from tradedesk.models import Fill, Order, OrderStatus

NEXT_STEPS = {
    OrderStatus.PENDING: "It was not sent yet; recovery sends or denies it.",
    OrderStatus.SENT: "It is on its way.",
    OrderStatus.WORKING: "The broker has it; it is not filled yet.",
    OrderStatus.UNCONFIRMED: "We do not know yet. It is looked up until found or lost, never sent twice.",
    OrderStatus.LOST: "Three looks at the broker, or a person, found no trace of it.",
    OrderStatus.REJECTED: "Read the broker's words: margin, limits, or a closed session.",
}


@admin.register(Order)
class OrderAdmin(ReadOnly[Order]):
    list_display = (
        "created",
        "bot_or_account",
        "order",
        "purpose",
        "state",
        "filled",
        "average",
        "broker_order_id",
        "note_start",
    )
    list_filter = ("status", CreatedFilter, BotFilter, "purpose", "side")
    search_fields = ("client_order_id__exact", "contract__exact")
    search_help_text = "Client order id or contract, in full."
    sortable_by = ()
    ordering = ("-id",)
    summary_template = "panel/order.html"
    fields = (
        *("id", "account", "bot", "decision", "entry", "purpose", "price"),
        *("client_order_id", "broker_order_id", "note"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).select_related("account", "bot")

    def heading(self, row: Order) -> str:
        return words.order_in_words(row)

    def summary(self, request: HttpRequest, row: Order) -> dict[str, Any]:
        decision = row.decision
        return {
            "order": row,
            "outcome": outcome_of_order(row),
            "decision": decision,
            "alert": decision.alert if decision else None,
            "fills": list(row.fills.order_by("id")),
            "next_step": NEXT_STEPS.get(OrderStatus(row.status), ""),
        }

    @admin.display(description="Created (UTC)")
    def created(self, order: Order) -> str:
        return words.utc(order.created_at)

    @admin.display(description="Bot")
    def bot_or_account(self, order: Order) -> str:
        return order.bot.slug if order.bot else order.account.name

    @admin.display(description="Order")
    def order(self, order: Order) -> str:
        return str(order)

    @admin.display(description="Status")
    def state(self, order: Order) -> SafeString:
        return cells.order_chip(order)

    @admin.display(description="Filled")
    def filled(self, order: Order) -> str:
        return f"{order.filled_quantity} of {order.quantity}"

    @admin.display(description="Average")
    def average(self, order: Order) -> str:
        return words.price(order.average_price)

    @admin.display(description="Note")
    def note_start(self, order: Order) -> str:
        return order.note[:80]


@admin.register(Fill)
class FillAdmin(ReadOnly[Fill]):
    list_display = ("filled", "bot_or_account", "trade", "at_price", "order_link", "broker_fill_id")
    list_filter = (CreatedFilter, BotFilter, "side")
    sortable_by = ()
    ordering = ("-id",)
    summary_template = "panel/fill.html"
    fields = ("id", "account", "bot", "order", "broker_fill_id", "contract", "side", "quantity", "booked")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fill]:
        return super().get_queryset(request).select_related("account", "bot", "order")

    def heading(self, row: Fill) -> str:
        return f"{row.get_side_display()} {row.quantity} {row.contract} @ {words.price(row.price)}"

    def summary(self, request: HttpRequest, row: Fill) -> dict[str, Any]:
        return {"fill": row}

    @admin.display(description="Filled (UTC)")
    def filled(self, fill: Fill) -> str:
        return words.utc(fill.filled_at)

    @admin.display(description="Bot")
    def bot_or_account(self, fill: Fill) -> str:
        return fill.bot.slug if fill.bot else fill.account.name

    @admin.display(description="Fill")
    def trade(self, fill: Fill) -> str:
        return f"{fill.get_side_display()} {fill.quantity} {fill.contract}"

    @admin.display(description="Price")
    def at_price(self, fill: Fill) -> str:
        return words.price(fill.price)

    @admin.display(description="Order")
    def order_link(self, fill: Fill) -> SafeString:
        return cells.link(fill.order)

    @admin.display(description="Booked")
    def booked(self, fill: Fill) -> str:
        return words.both_zones(fill.created_at)
