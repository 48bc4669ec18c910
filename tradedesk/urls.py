from django.contrib import admin
from django.urls import path, re_path

from tradedesk.webhook.views import TradingViewWebhook

urlpatterns = [
    # Everything below the address belongs to the webhook: an odd token is a wrong token, not an unknown page.
    re_path(r"^webhooks/tradingview(?:/(?P<token>[\s\S]*?))?/?$", TradingViewWebhook.as_view()),
    path("admin/", admin.site.urls),
]
