import logging

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class TradeDeskConfig(AppConfig):
    name = "tradedesk"
    verbose_name = "Desk"

    def ready(self) -> None:
        from tradedesk import checks  # noqa: F401, PLC0415 - registers the system checks
        from tradedesk.metrics import ErrorCounter  # noqa: PLC0415
        from tradedesk.services import roles  # noqa: PLC0415
        from tradedesk.stores import waits  # noqa: PLC0415

        connection_created.connect(waits.bound)
        post_migrate.connect(roles.ensure_roles, sender=self)
        logging.getLogger().addHandler(ErrorCounter(logging.ERROR))
