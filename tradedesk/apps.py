from django.apps import AppConfig


class TradeDeskConfig(AppConfig):
    name = "tradedesk"
    verbose_name = "Desk"

    def ready(self) -> None:
        from tradedesk import checks  # noqa: F401, PLC0415 - registers the system checks
