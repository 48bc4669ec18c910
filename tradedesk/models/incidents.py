from django.db import models
from django.db.models import Q

from tradedesk.models.bots import Account, Bot
from tradedesk.models.ids import new_id


class IncidentKind(models.TextChoices):
    POSITION_MISMATCH = "POSITION_MISMATCH", "The broker holds another position than the desk booked"
    UNHELD_TARGET = "UNHELD_TARGET", "A position is held that the strategy has left"
    ORDER_UNCONFIRMED = "ORDER_UNCONFIRMED", "An order's outcome is not known"
    AMBIGUOUS_EVENTS = "AMBIGUOUS_EVENTS", "Two opposite events of one indicator have the same time"
    FOREIGN_ORDER = "FOREIGN_ORDER", "An order at the broker is not the desk's"
    ACCOUNT_CHANGED = "ACCOUNT_CHANGED", "The login leads to another account than was signed off"
    FOREIGN_POSITION = "FOREIGN_POSITION", "A position at the broker belongs to no bot"
    HEARTBEAT_MISSED = "HEARTBEAT_MISSED", "Two heartbeats of the alerts are missing"
    STOP_MISSING = "STOP_MISSING", "A position has no fitting stop at the broker"
    LEG_NOT_CANCELLED = "LEG_NOT_CANCELLED", "A stop or target that has to go may still be at the broker"
    ROLL_DUE = "ROLL_DUE", "A position is held in a month that the desk must leave"
    ROLL_HALF_DONE = "ROLL_HALF_DONE", "A roll closed the old month and opened nothing"
    STATEMENT_DIFFERS = "STATEMENT_DIFFERS", "A day's fills, fees or cash differ from the broker's list"
    OVERFILLED = "OVERFILLED", "The broker filled more than was ordered"
    RUNAWAY_ORDER = "RUNAWAY_ORDER", "An order at the broker has the desk's id, and the desk wrote none"
    VERSION_MISMATCH = "VERSION_MISMATCH", "Processes of different versions or settings run together"
    NOT_FLAT = "NOT_FLAT", "An account is not flat at its flat-by time"


class Incident(models.Model):
    """A difference or an unknown that a person must see. One stays open per kind and bot or account."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=24, choices=IncidentKind)
    account = models.ForeignKey(Account, models.PROTECT, related_name="incidents")
    bot = models.ForeignKey(Bot, models.PROTECT, null=True, blank=True, related_name="incidents")
    subject = models.CharField(
        max_length=160, help_text="What it is about; one is open per kind and subject."
    )
    seen = models.JSONField(default=dict, help_text="What was seen, in figures.")
    blocks = models.CharField(
        max_length=160, help_text="What it stops, in words; empty: nothing.", blank=True
    )
    remedy = models.CharField(max_length=300)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)
    closing_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(closed_at=None), name="one_open_incident_per_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"
