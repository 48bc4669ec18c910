from django.contrib import admin
from django.urls import path

from tradedesk.admin import halt, kill_switch

urlpatterns = [
    path("admin/kill-switch/", admin.site.admin_view(kill_switch.page), name="kill_switch"),
    path("admin/", admin.site.urls),
    path("halt/", halt.emergency, name="halt"),
]
