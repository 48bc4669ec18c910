from typing import Self

from django.db import models
from django.db.models import Q

from tradedesk.models.bots import Account, Bot
from tradedesk.models.decisions import Decision
from tradedesk.models.ids import new_id


class OrderStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    SENT = "sent", "Sent"
    WORKING = "working", "Working"
    FILLED = "filled", "Filled"
    PARTIALLY_FILLED = "partially_filled", "Partially filled"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    LOST = "lost", "Lost"
    DENIED = "denied", "Denied"


# What may still reach the broker or change there.
OPEN_STATUSES = (
    OrderStatus.PENDING,
    OrderStatus.SENT,
    OrderStatus.WORKING,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.UNCONFIRMED,
)


class OrderSide(models.TextChoices):
    BUY = "BUY", "Buy"
    SELL = "SELL", "Sell"


class OrderPurpose(models.TextChoices):
    OPEN = "open", "Open"
    CLOSE = "close", "Close"
    REVERSE = "reverse", "Reverse"
    FLATTEN = "flatten", "Flatten"
    STOP = "stop", "Stop"
    TARGET = "target", "Target"


# Orders that wait at the broker to close a position. They come and go with it, and open nothing.
LEGS = (OrderPurpose.STOP, OrderPurpose.TARGET)


class Orders(models.QuerySet["Order"]):
    def unfinished(self) -> Self:
        """Return the orders without an end, but for legs: those wait for as long as a position is held."""
        return self.filter(settled_at=None).exclude(purpose__in=LEGS)

    def open_legs(self) -> Self:
        """Return the stops and targets that may still fill, oldest first."""
        return self.filter(settled_at=None, purpose__in=LEGS).order_by("id")


class Order(models.Model):
    """Our one request to the broker. Written before anything is sent; `client_order_id` is computed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, db_index=False, related_name="orders")
    bot = models.ForeignKey(Bot, models.PROTECT, null=True, blank=True, related_name="orders")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, blank=True, related_name="orders")
    entry = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="legs",
        help_text="The opening whose position a stop or a target closes.",
    )
    purpose = models.CharField(max_length=8, choices=OrderPurpose)
    contract = models.CharField(max_length=16)
    side = models.CharField(max_length=4, choices=OrderSide)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(
        max_digits=20,
        decimal_places=8,
        null=True,
        blank=True,
        help_text="Points at which a stop or a target waits; empty: at market.",
    )
    client_order_id = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=OrderStatus)
    broker_order_id = models.BigIntegerField(null=True, blank=True)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    note = models.TextField(
        blank=True, help_text="Why it was refused or is unknown, in the broker's words or ours."
    )
    position_before = models.IntegerField(
        null=True, blank=True, help_text="Contracts that the broker held when the order was sized, signed."
    )
    looks = models.PositiveIntegerField(default=0, help_text="How often the broker was asked in vain for it.")
    first_look_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = Orders.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["bot"], condition=Q(settled_at=None), name="order_open_by_bot"),
            models.Index(fields=["entry"], condition=Q(entry__isnull=False), name="order_by_entry"),
            models.Index(fields=["account", "broker_order_id"], name="order_by_broker_id"),
            models.Index(fields=["account", "created_at"], name="order_by_time"),
            # Most orders are filled; the others are few, and looked for.
            models.Index(fields=["status", "id"], condition=~Q(status="filled"), name="order_not_filled"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["client_order_id"], name="one_order_per_client_order_id"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="order_quantity_at_least_one"),
            models.CheckConstraint(
                condition=Q(filled_quantity__lte=models.F("quantity")), name="order_never_overfilled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.contract}"

    @property
    def is_leg(self) -> bool:
        return self.purpose in LEGS

    @property
    def signed_quantity(self) -> int:
        """Contracts with the order's direction: a buy is positive, a sale negative."""
        return self.quantity if self.side == OrderSide.BUY else -self.quantity

    @property
    def signed_filled(self) -> int:
        """Contracts that filled, with the order's direction."""
        return self.filled_quantity if self.side == OrderSide.BUY else -self.filled_quantity

    @property
    def signed_remainder(self) -> int:
        """Contracts that may still fill, with the order's direction."""
        left = self.quantity - self.filled_quantity
        return left if self.side == OrderSide.BUY else -left


class Fill(models.Model):
    """One execution by the broker's word, applied once. Never changed afterwards."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, db_index=False, related_name="fills")
    bot = models.ForeignKey(Bot, models.PROTECT, null=True, blank=True, related_name="fills")
    order = models.ForeignKey(Order, models.PROTECT, related_name="fills")
    broker_fill_id = models.BigIntegerField()
    contract = models.CharField(max_length=16)
    side = models.CharField(max_length=4, choices=OrderSide)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=20, decimal_places=8)
    filled_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "broker_fill_id"], name="one_row_per_fill"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="fill_quantity_at_least_one"),
        ]

    @property
    def signed_quantity(self) -> int:
        """Contracts with the fill's direction: bought is positive, sold negative."""
        return self.quantity if self.side == OrderSide.BUY else -self.quantity

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.contract} at {self.price.normalize():f}"
