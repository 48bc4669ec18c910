from django.core.validators import MinValueValidator
from django.db import models

from tradedesk.models.calendar import SessionRule
from tradedesk.models.ids import new_id
from tradedesk.models.limits import dollars


class Instrument(models.Model):
    """A futures root with its terms. Tick size in points, point value in dollars per point and contract."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.CharField(max_length=8, unique=True)
    name = models.CharField(max_length=64)
    exchange = models.CharField(max_length=16)
    tick_size = models.DecimalField(max_digits=12, decimal_places=6)
    point_value = models.DecimalField(max_digits=12, decimal_places=4)
    months = models.CharField(max_length=12, help_text="Letters of the months that are traded, such as HMUZ.")
    settlement = models.CharField(max_length=8, choices=[("cash", "Cash"), ("delivery", "Delivery")])
    last_trading_day = models.CharField(max_length=160, help_text="The exchange's rule in words.")
    session_rule = models.ForeignKey(
        SessionRule,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="instruments",
        help_text="When it trades; empty: not known, and never open on demo and live.",
    )
    pinned_contract = models.CharField(
        max_length=16, blank=True, help_text="Trade this contract, such as MESZ6, instead of the front month."
    )
    opening_days = models.PositiveSmallIntegerField(
        default=5,
        help_text="Business days before first notice or the last trading day from which nothing opens.",
    )
    flat_days = models.PositiveSmallIntegerField(
        default=3,
        help_text="Business days before first notice or the last trading day from which the desk closes what "
        "is still held.",
    )
    group = models.CharField(
        max_length=32,
        blank=True,
        help_text="Instruments that move together have one name here, such as SP500.",
    )
    group_weight = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Micros that one contract comes to: ES is 10 MES.",
    )
    initial_margin = dollars(
        "Dollars that the broker asks for one contract; empty: not known. Read daily where the broker tells."
    )
    fee = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Dollars that one contract costs on each side, all fees together; empty: not known. "
        "Read daily where the broker tells.",
    )

    class Meta:
        ordering = ["root"]
        constraints = [
            models.CheckConstraint(condition=models.Q(tick_size__gt=0), name="instrument_tick_above_zero"),
            models.CheckConstraint(condition=models.Q(point_value__gt=0), name="instrument_point_above_zero"),
            models.CheckConstraint(
                condition=models.Q(flat_days__lte=models.F("opening_days")),
                name="instrument_flat_after_last_opening",
            ),
        ]

    def __str__(self) -> str:
        return self.root
