from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from tradedesk.api import controls, views
from tradedesk.api.health import Metrics, healthz, readyz
from tradedesk.api.schema import Docs, Schema

router = SimpleRouter()
router.register("bots", views.Bots)
router.register("alerts", views.Alerts)
router.register("decisions", views.Decisions)
router.register("orders", views.Orders)
router.register("fills", views.Fills)
router.register("incidents", views.Incidents)

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", Metrics.as_view()),
    path("api/v1/", include(router.urls)),
    # With or without the slash: a redirect would turn a POST that stops trading into a GET that does not.
    re_path(r"^api/v1/kill-switch/?$", controls.KillSwitch.as_view()),
    re_path(r"^api/v1/flatten/?$", controls.Flatten.as_view()),
    re_path(r"^api/v1/reconcile/?$", controls.Reconcile.as_view()),
    re_path(r"^api/v1/incidents/(?P<pk>[0-9a-fA-F-]{32,36})/resolve/?$", controls.ResolveIncident.as_view()),
    path("api/schema/", Schema.as_view(), name="schema"),
    path("api/docs/", Docs.as_view(url_name="schema")),
]
