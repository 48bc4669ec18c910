from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from tradedesk import wiring
from tradedesk.admin.audited import Audited
from tradedesk.admin.tabbed import GENERAL, Tabbed, fieldset
from tradedesk.models import Instrument
from tradedesk.services.contracts.next_days import next_days
from tradedesk.services.contracts.terms import refresh_costs


@admin.register(Instrument)
class InstrumentAdmin(Audited, Tabbed[Instrument]):
    list_display = ("root", "name", "exchange", "tick_size", "point_value", "group", "pinned_contract")
    list_filter = ("settlement",)
    search_fields = ("root", "name")
    actions = ("read_costs",)
    fieldsets = (
        fieldset(GENERAL, "root", "name", "exchange"),
        fieldset(GENERAL, "tick_size", "point_value", "initial_margin", "fee", title="What a move is worth"),
        fieldset(
            GENERAL,
            *("months", "settlement", "last_trading_day", "pinned_contract", "opening_days", "flat_days"),
            title="Contracts and roll",
        ),
        fieldset(GENERAL, "session_rule", title="Sessions"),
        fieldset(GENERAL, "group", "group_weight", title="Moves together with"),
    )
    summary_template = "panel/instrument.html"

    def summary(self, request: HttpRequest, row: Instrument) -> dict[str, Any]:
        rule = row.session_rule
        days = next_days(rule, wiring.desk().now()) if rule else None
        return {
            "instrument": row,
            "rule": rule,
            "tick_value": row.tick_size * row.point_value,
            "session": next((day.session for day in days or () if day.session), None),
            "unconfirmed": sum(not day.is_confirmed for day in days or ()),
            "bots": list(row.bots.select_related("account", "state")),
        }

    @admin.action(description="Read fee and margin from the broker", permissions=["change"])
    def read_costs(self, request: HttpRequest, _chosen: QuerySet[Instrument]) -> None:
        """Read what every instrument in use costs; the chosen ones are among them, or nobody trades them."""
        unread = refresh_costs(wiring.desk())
        if unread:
            self.message_user(request, f"{unread} could not be read: see the log.", messages.ERROR)
        else:
            self.message_user(request, "Fee and margin of every instrument in use were read.")
