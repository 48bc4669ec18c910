from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models

from strategy import sessions
from tradedesk.models.ids import new_id


def _is_week(text: str) -> None:
    try:
        sessions.parse_week(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _is_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError("It is no time zone, such as America/Chicago.")


class SessionRule(models.Model):
    """The regular week of a group of markets that open and close together, in exchange time."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=64, unique=True)
    zone = models.CharField(max_length=48, default="America/Chicago", validators=[_is_zone])
    week = models.TextField(
        validators=[_is_week], help_text="One session a line, such as Sun 17:00 - Mon 16:00."
    )
    confirmed_through = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="Until when a person compared days and hours with the exchange.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Holiday(models.Model):
    """A trade date on which markets close early, or have no session."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    rule = models.ForeignKey(SessionRule, models.CASCADE, related_name="holidays")
    date = models.DateField(help_text="The trade date: the day that its session closes on.")
    name = models.CharField(max_length=64)
    closes_at = models.TimeField(
        null=True, blank=True, help_text="Early close in exchange time; empty: no session at all."
    )
    confirmed = models.BooleanField(
        default=False, help_text="A person compared it with the exchange's own announcement."
    )
    source = models.CharField(max_length=160, blank=True)

    class Meta:
        ordering = ["date", "rule"]
        constraints = [models.UniqueConstraint(fields=["rule", "date"], name="one_holiday_per_rule_and_date")]

    def __str__(self) -> str:
        return f"{self.date} {self.name}"


class FlatDay(models.Model):
    """How far an account came in being flat by its time on a trade date. One row per account and date.

    `steps` counts what was done: closed three minutes before, looked at one minute before and one after.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey("tradedesk.Account", models.CASCADE, related_name="flat_days")
    trade_date = models.DateField()
    flat_at = models.DateTimeField()
    steps = models.PositiveSmallIntegerField(default=0)
    is_flat = models.BooleanField(default=False)
    tried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "trade_date"], name="one_flat_day_per_account_and_date"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.trade_date}"
