from django.contrib import admin

from tradedesk.admin import alerts, bots, controls, decisions, incidents, notices, orders, people  # noqa: F401

admin.site.site_header = "TradeDesk"
admin.site.site_title = "TradeDesk"
admin.site.index_title = "Overview"
admin.site.site_url = None
