from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from tradedesk.api import controls, views
from tradedesk.api.schema import Docs, Schema

router = SimpleRouter()
router.register("bots", views.Bots)
router.register("alerts", views.Alerts)
router.register("decisions", views.Decisions)
router.register("orders", views.Orders)
router.register("fills", views.Fills)
router.register("incidents", views.Incidents)

urlpatterns = [
    path("v1/", include(router.urls)),
    # With or without the slash: a redirect would turn a POST that stops trading into a GET that does not.
    re_path(r"^v1/kill-switch/?$", controls.KillSwitch.as_view()),
    re_path(r"^v1/flatten/?$", controls.Flatten.as_view()),
    re_path(r"^v1/reconcile/?$", controls.Reconcile.as_view()),
    re_path(r"^v1/incidents/(?P<pk>[0-9a-fA-F-]{32,36})/resolve/?$", controls.ResolveIncident.as_view()),
    path("schema/", Schema.as_view(), name="schema"),
    path("docs/", Docs.as_view(url_name="schema")),
]
