from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from tradedesk import wiring
from tradedesk.admin.audited import Audited
from tradedesk.admin.base import PanelAdmin
from tradedesk.models import Instrument
from tradedesk.services.terms import refresh_costs


@admin.register(Instrument)
class InstrumentAdmin(Audited, PanelAdmin[Instrument]):
    list_display = ("root", "name", "exchange", "tick_size", "point_value", "group", "pinned_contract")
    list_filter = ("settlement",)
    search_fields = ("root", "name")
    actions = ("read_costs",)

    @admin.action(description="Read fee and margin from the broker", permissions=["change"])
    def read_costs(self, request: HttpRequest, _chosen: QuerySet[Instrument]) -> None:
        """Read what every instrument in use costs; the chosen ones are among them, or nobody trades them."""
        unread = refresh_costs(wiring.desk())
        if unread:
            self.message_user(request, f"{unread} could not be read: see the log.", messages.ERROR)
        else:
            self.message_user(request, "Fee and margin of every instrument in use were read.")
