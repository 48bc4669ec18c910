import logging

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class TradeDeskConfig(AppConfig):
    name = "tradedesk"
    verbose_name = "Desk"

    def ready(self) -> None:
        from tradedesk import checks  # noqa: F401, PLC0415 - registers the system checks
        from tradedesk.metrics import ErrorCounter  # noqa: PLC0415
        from tradedesk.stores import waits  # noqa: PLC0415

        connection_created.connect(waits.bound)
        logging.getLogger().addHandler(ErrorCounter(logging.ERROR))
