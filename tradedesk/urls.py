from django.urls import URLResolver, re_path
from django.urls.resolvers import RoutePattern

from tradedesk.webhook.views import TradingViewWebhook

# What stands here by its name is loaded when no address above it is meant: an alert needs neither API nor
# panel, which take a tenth of a cold start. `include` would load them at once.
urlpatterns = [
    # Everything below the address belongs to the webhook: an odd token is a wrong token, not an unknown page.
    re_path(r"^webhooks/tradingview(?:/(?P<token>[\s\S]*?))?/?$", TradingViewWebhook.as_view()),
    URLResolver(RoutePattern(""), "tradedesk.api.urls"),
    URLResolver(RoutePattern(""), "tradedesk.admin.urls"),
]
handler403 = "tradedesk.api.failures.not_allowed"
handler404 = "tradedesk.api.failures.not_found"
handler500 = "tradedesk.api.failures.server_error"
