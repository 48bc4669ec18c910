from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, CreatedFilter
from tradedesk.admin.order_story import reply_of, request_of, steps_of
from tradedesk.admin.outcomes import outcome_of_order
from tradedesk.models import Fill, Order, OrderStatus
from tradedesk.selectors import profit
from tradedesk.selectors.ledger import Entry
from tradedesk.selectors.trades import trades

MOST_PINNED = 10

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
    when_empty = (
        "An order is made where an alert leads to one. Send a test alert from the checklist to see the first."
    )
    list_display = ("created", "order", "purpose", "bot_or_account", "state", "filled", "average", "answer")
    list_filter = ("status", CreatedFilter, BotFilter, "purpose", "side")
    search_fields = ("client_order_id__exact", "contract__exact")
    search_help_text = "Client order id or contract, in full."
    sortable_by = ()
    ordering = ("-id",)
    summary_template = "panel/order.html"
    list_before_template = "panel/unresolved_orders.html"
    fields = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).select_related("account", "bot", "decision__alert")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        unresolved = Order.objects.filter(settled_at=None, status=OrderStatus.UNCONFIRMED)
        pinned = unresolved.select_related("account", "bot").order_by("id")[:MOST_PINNED]
        return super().changelist_view(request, {"unresolved": list(pinned), **(extra_context or {})})

    def heading(self, row: Order) -> str:
        return words.order_in_words(row)

    def summary(self, request: HttpRequest, row: Order) -> dict[str, Any]:
        decision, fills = row.decision, list(row.fills.order_by("filled_at", "id"))
        return {
            "order": row,
            "outcome": outcome_of_order(row),
            "decision": decision,
            "alert": decision.alert if decision else None,
            "fills": fills,
            "steps": steps_of(row, fills),
            "request_sent": request_of(row),
            "reply": reply_of(row),
            "legs": list(row.legs.order_by("id")),
            "next_step": NEXT_STEPS.get(OrderStatus(row.status), ""),
        }

    @admin.display(description="Created (UTC)")
    def created(self, order: Order) -> SafeString:
        return cells.moment(order.created_at)

    @admin.display(description="Bot")
    def bot_or_account(self, order: Order) -> str:
        return order.bot.slug if order.bot else order.account.name

    @admin.display(description="Order")
    def order(self, order: Order) -> str:
        return words.order_asked(order)

    @admin.display(description="Status")
    def state(self, order: Order) -> SafeString:
        return cells.order_chip(order)

    @admin.display(description="Filled")
    def filled(self, order: Order) -> str:
        return f"{order.filled_quantity} of {order.quantity}"

    @admin.display(description="Average")
    def average(self, order: Order) -> str:
        return words.price(order.average_price)

    @admin.display(description="Reply in")
    def answer(self, order: Order) -> SafeString:
        # The broker's words belong where the eye already is: at the order that did not fill.
        took = words.span(order.sent_at, order.acknowledged_at)
        return cells.lines([took, order.note[:80]] if order.note else [took])


@admin.register(Fill)
class FillAdmin(ReadOnly[Fill]):
    when_empty = (
        "A fill comes from the broker once an order traded. "
        "Send a test alert from the checklist to see the first."
    )
    list_display = ("filled", "trade", "at_price", "bot_or_account", "brought", "fee", "order_link")
    list_filter = (CreatedFilter, BotFilter, "side")
    sortable_by = ()
    ordering = ("-id",)
    summary_template = "panel/fill.html"
    fields = ("id", "broker_fill_id", "booked")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fill]:
        return super().get_queryset(request).select_related("account", "bot", "order")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        fills, book = list(page.result_list), profit.book()
        for fill in fills:
            fill.entry = book.entry_of(fill)  # for the columns of gain and fee
        page.result_list = fills
        return page

    def heading(self, row: Fill) -> str:
        return f"{row.get_side_display()} {row.quantity} {row.contract} @ {words.price(row.price)}"

    def summary(self, request: HttpRequest, row: Fill) -> dict[str, Any]:
        entry = profit.book().entry_of(row)
        return {"fill": row, "entry": entry, "trade": next(trades([entry]), None) if entry else None}

    @admin.display(description="Filled (UTC)")
    def filled(self, fill: Fill) -> SafeString:
        return cells.moment(fill.filled_at)

    @admin.display(description="Bot")
    def bot_or_account(self, fill: Fill) -> str:
        return fill.bot.slug if fill.bot else fill.account.name

    @admin.display(description="Fill")
    def trade(self, fill: Fill) -> str:
        return f"{fill.get_side_display()} {fill.quantity} {fill.contract}"

    @admin.display(description="Price")
    def at_price(self, fill: Fill) -> str:
        return words.price(fill.price)

    @admin.display(description="Gain before fees, USD")
    def brought(self, fill: Fill) -> SafeString:
        entry = self._entry(fill)
        return cells.gain(entry.gross if entry and entry.closed else None)

    @admin.display(description="Fee, USD")
    def fee(self, fill: Fill) -> str:
        entry = self._entry(fill)
        return words.money(entry.fee if entry else None)

    def _entry(self, fill: Fill) -> Entry | None:
        """Return what a fill of the list brought; the list read it with its rows."""
        found: Entry | None = vars(fill).get("entry")
        return found

    @admin.display(description="Order")
    def order_link(self, fill: Fill) -> SafeString:
        return cells.link(fill.order)

    @admin.display(description="Booked")
    def booked(self, fill: Fill) -> str:
        return words.both_zones(fill.created_at)
