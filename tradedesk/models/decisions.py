from django.db import models

from strategy.types import Action
from tradedesk.models.alerts import Alert
from tradedesk.models.bots import Bot
from tradedesk.models.ids import new_id
from tradedesk.models.reasons import Reason


class Decision(models.Model):
    """What one bot made of one alert, doing nothing included. Never changed afterwards."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    alert = models.ForeignKey(Alert, models.PROTECT, db_index=False, related_name="decisions")
    bot = models.ForeignKey(Bot, models.PROTECT, related_name="decisions")
    action = models.CharField(max_length=16, choices=[(action.value, action.value) for action in Action])
    reason = models.CharField(max_length=24, choices=Reason)
    detail = models.JSONField(default=dict, blank=True, help_text="The figures behind the reason.")
    state_before = models.JSONField()
    state_after = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        # The panel looks for a reason among any number of decisions, newest first.
        indexes = [models.Index(fields=["reason", "id"], name="decision_by_reason")]
        constraints = [
            models.UniqueConstraint(fields=["alert", "bot"], name="one_decision_per_alert_and_bot"),
        ]

    def __str__(self) -> str:
        return f"{self.action} ({self.reason})"
