import logging

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class TradeDeskConfig(AppConfig):
    name = "tradedesk"
    verbose_name = "Desk"

    def ready(self) -> None:
        from tradedesk import checks  # noqa: F401, PLC0415 - registers the system checks
        from tradedesk.metrics import ErrorCounter  # noqa: PLC0415
        from tradedesk.services.people import roles  # noqa: PLC0415
        from tradedesk.stores import waits  # noqa: PLC0415

        connection_created.connect(waits.bound)
        post_migrate.connect(roles.ensure_roles, sender=self)
        logging.getLogger().addHandler(ErrorCounter(logging.ERROR))


class ThemeConfig(AppConfig):
    """Unfold's templates and static files; its own configuration would load all of it at the start."""

    name = "unfold"


class PanelConfig(SimpleAdminConfig):
    """Django's admin on Unfold's site, without a search for admin modules.

    Both come with the panel's addresses: an alert needs neither.
    """

    default_site = "unfold.sites.UnfoldAdminSite"
