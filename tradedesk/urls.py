from django.urls import include, path, re_path
from django.views.generic import RedirectView

from tradedesk.api.health import Metrics, healthz, readyz
from tradedesk.webhook.views import TradingViewWebhook

urlpatterns = [
    # Everything below the address belongs to the webhook: an odd token is a wrong token, not an unknown page.
    re_path(r"^webhooks/tradingview(?:/(?P<token>[\s\S]*?))?/?$", TradingViewWebhook.as_view()),
    path("api/", include("tradedesk.api.urls")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", Metrics.as_view()),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("tradedesk.admin.urls")),
]
handler404 = "tradedesk.api.errors.not_found"
handler500 = "tradedesk.api.errors.server_error"
