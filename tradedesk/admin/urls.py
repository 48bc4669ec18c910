from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from tradedesk.admin import halt, kill_switch

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/kill-switch/", admin.site.admin_view(kill_switch.page), name="kill_switch"),
    path("admin/", admin.site.urls),
    path("halt/", halt.emergency, name="halt"),
]
