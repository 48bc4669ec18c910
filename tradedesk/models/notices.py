from uuid import UUID

from django.db import models
from django.db.models import Q

from tradedesk.models.ids import new_id


class NoticeKind(models.TextChoices):
    FILL = "fill", "Fill"
    ORDER = "order", "Order without a fill"
    REFUSAL = "refusal", "Alert refused"
    INCIDENT = "incident", "Incident opened"
    INCIDENT_CLOSED = "incident_closed", "Incident closed"
    TRADING_STATE = "trading_state", "Trading state changed"
    ALERT_STREAM = "alert_stream", "Alerts of TradingView"
    CALENDAR = "calendar", "Calendar"
    FLAT_BY = "flat_by", "Flat-by time"
    STATEMENT = "statement", "Daily statement"


class Notice(models.Model):
    """One thing that people are told of, written down with what it tells and sent later, once.

    `about` names what it tells: there is one notice per kind and thing. `message` is the message it went out
    in, which several share when they came in a burst.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=16, choices=NoticeKind)
    about = models.UUIDField()
    subject = models.CharField(max_length=160)
    text = models.TextField(blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    message = models.UUIDField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    reached = models.JSONField(default=list, blank=True, help_text="Fingerprints of the channels it reached.")
    given_up_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True, help_text="Names no address and no secret.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=Q(sent_at=None, given_up_at=None), name="notice_waiting"
            ),
            models.Index(fields=["kind", "sent_at"], name="notice_by_sending"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "about"], name="one_notice_per_kind_and_thing"),
        ]

    def __str__(self) -> str:
        return self.subject


class Watermark(models.Model):
    """How far a sweep over the rows of a table has come: the newest row that it has told of."""

    name = models.CharField(max_length=32, primary_key=True)
    last_id = models.UUIDField(default=UUID(int=0))

    def __str__(self) -> str:
        return f"{self.name}: {self.last_id}"
