from django.db import models

from tradedesk.models.bots import Strategy
from tradedesk.models.ids import new_id


class AlertOutcome(models.TextChoices):
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"


class Alert(models.Model):
    """One message from TradingView as it came in, its secret cut out. Never changed afterwards.

    A rejected one has no event key and says in `errors` which field was wrong.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Here as in the other rows of a trade: no index of its own where a constraint's begins with the column.
    strategy = models.ForeignKey(Strategy, models.PROTECT, db_index=False, related_name="alerts")
    event_key = models.CharField(max_length=128, null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=AlertOutcome)
    received_at = models.DateTimeField(db_index=True)
    source_address = models.CharField(max_length=45)
    action = models.CharField(max_length=16, blank=True)
    indicator = models.CharField(max_length=16, blank=True)
    symbol = models.CharField(max_length=32, blank=True)
    exchange = models.CharField(max_length=32, blank=True)
    timeframe = models.CharField(max_length=8, blank=True)
    contract = models.CharField(max_length=32, blank=True)
    bar_open = models.DateTimeField(null=True, blank=True)
    fired_at = models.DateTimeField(null=True, blank=True)
    effective_at = models.DateTimeField(null=True, blank=True)
    close = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    body = models.TextField(help_text="As received, the token cut out.")
    headers = models.JSONField(
        null=True, blank=True, help_text="Request line and a few headers, the token cut to its last four."
    )
    errors = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "event_key"], name="one_alert_per_event"),
        ]

    def __str__(self) -> str:
        return f"{self.action or 'unreadable'} {self.symbol}".strip()
