from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

# What bots and accounts at Tradovate, demo or live, begin with. Paper begins with none.
# Loss and drawdown have no default: only the owner of the money can say, and live opens nothing without.
BOT_DEFAULTS: dict[str, Any] = {
    "orders_per_minute": 6,
    "orders_per_day": 40,
    "orders_per_session": 12,
    "trades_per_session": 10,
    "losing_streak": 4,
    "rejections_in_a_row": 3,
}
ACCOUNT_DEFAULTS: dict[str, Any] = {
    "max_position": 3,
    "max_group_position": 3,
    "margin_factor": Decimal("1.5"),
    "max_clock_offset_s": 2,
}
ORDER_LIMITS = ("orders_per_minute", "orders_per_day", "orders_per_session")
TRADE_LIMITS = ("trades_per_session", "losing_streak")
SHARED_CAPS = ("max_position", "max_group_position")


def whole(help_text: str, *, at_least: int = 1) -> "models.PositiveIntegerField[int | None, int | None]":
    """Return the field of a limit that counts something; empty is off."""
    return models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(at_least)], help_text=help_text
    )


def dollars(help_text: str) -> "models.DecimalField[Decimal | None, Decimal | None]":
    """Return the field of a limit in dollars; empty is off."""
    return models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=help_text,
    )


def points(help_text: str) -> "models.DecimalField[Decimal | None, Decimal | None]":
    """Return the field of a distance in points; empty is off."""
    return models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.000001"))],
        help_text=help_text,
    )


class Limits(models.Model):
    """What a bot, or all bots of an account together, may use up. Empty is off.

    Both have a `daily_loss` too, each in its own sense.
    """

    orders_per_minute = whole("Orders in 60 seconds, exits included. One more halts the bot.")
    orders_per_day = whole("Orders in 24 hours, exits included. One more halts the bot.")
    orders_per_session = whole(
        "Orders since 17:00 Chicago, exits included. One more halts the bot until it is released."
    )
    trades_per_session = whole("Round trips since 17:00 Chicago, after which nothing opens any more.")
    losing_streak = whole("Losing round trips in a row since 17:00 Chicago, after which nothing opens.")

    class Meta:
        abstract = True

    def is_limited(self, *names: str) -> bool:
        """Tell whether one of the limits is set."""
        return any(getattr(self, name) is not None for name in names)

    def begin_with(self, defaults: dict[str, Any]) -> None:
        """Take the defaults for the limits that are not set."""
        for name, value in defaults.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
