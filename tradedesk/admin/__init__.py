from django.contrib import admin

from tradedesk.admin import (  # noqa: F401
    alerts,
    bots,
    calendar,
    controls,
    decisions,
    incidents,
    instruments,
    notices,
    orders,
    people,
)

admin.site.site_header = "TradeDesk"
admin.site.site_title = "TradeDesk"
admin.site.index_title = "Overview"
admin.site.site_url = None
