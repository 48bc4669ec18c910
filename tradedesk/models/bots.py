from datetime import time
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from tradedesk.models.controls import TradingMode, TradingState
from tradedesk.models.ids import new_id
from tradedesk.models.instruments import Instrument
from tradedesk.models.limits import ACCOUNT_DEFAULTS, BOT_DEFAULTS, Limits, dollars, points, whole


class Environment(models.TextChoices):
    PAPER = "paper", "Paper"
    DEMO = "demo", "Demo"
    LIVE = "live", "Live"


# Two minutes before the strictest of the firms that want their accounts flat overnight.
FLAT_BY_AT_FIRST = time(15, 8)


class Account(Limits):
    """One broker account. Credentials stay in the environment; the row only names them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.SlugField(unique=True, max_length=64)
    environment = models.CharField(max_length=8, choices=Environment, default=Environment.PAPER)
    broker_account = models.CharField(
        max_length=64, blank=True, help_text="Name of the account at the broker; empty: the first active one."
    )
    credentials = models.CharField(
        max_length=64,
        blank=True,
        help_text="Prefix of the environment variables with the login, such as TRADOVATE; empty for paper.",
    )
    broker_account_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The broker's id of the account as signed off."
    )
    broker_account_name = models.CharField(max_length=64, blank=True, editable=False)
    armed_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Openings of a live account leave until then."
    )
    enabled = models.BooleanField(default=True)
    flat_by = models.TimeField(
        null=True,
        blank=True,
        help_text="Flat each day by this time, in exchange time (Chicago). Empty: off. "
        "A new demo or live account begins with 15:08.",
    )
    reconciled_at = models.DateTimeField(null=True, blank=True, editable=False)
    differences = models.JSONField(
        default=dict, editable=False, help_text="When each present difference with the broker was first seen."
    )
    daily_loss = dollars("Dollars lost in a session, open positions included, after which only exits pass.")
    drawdown = dollars("Dollars below the highest value since this was set, after which only exits pass.")
    max_position = whole("Contracts over all instruments.")
    max_group_position = whole("Contracts of instruments that move together, in micros.")
    margin_factor = models.DecimalField(
        max_digits=4,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Available margin must be so many times what a new position takes.",
    )
    max_clock_offset_s = whole("Seconds that the broker's clock and ours may be apart.")
    claims = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Openings sent while one of the two largest positions was set."
    )
    cash = models.JSONField(
        default=dict, editable=False, help_text="The broker's figures in dollars, as last read."
    )
    cash_read_at = models.DateTimeField(null=True, blank=True, editable=False)
    wall = models.JSONField(
        default=dict, editable=False, help_text="What the broker itself enforces, as last read."
    )
    wall_read_at = models.DateTimeField(null=True, blank=True, editable=False)
    statement_cash = models.DecimalField(
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        editable=False,
        help_text="The broker's cash in dollars when it was last compared, flat.",
    )
    statement_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse an account at Tradovate without a login, and another environment for a history."""
        if self._is_moved():
            raise ValidationError({"environment": "This account has orders: make a new one instead."})
        if self.environment != Environment.PAPER and not self.credentials:
            raise ValidationError({"credentials": "Name the environment variables with the login."})

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and give a new account its trading state; a live one is halted when it becomes that.

        One that is not paper any more, or never was, begins with the default limits, and so do its bots.
        Raises ValueError for an account with orders whose environment is another than before.
        """
        if self._is_moved():
            raise ValueError("the environment of an account with orders")
        is_new = self._state.adding
        is_new_to_live = self.environment == Environment.LIVE and not self._is_live_already()
        is_new_to_tradovate = self.environment != Environment.PAPER and not self._is_at_tradovate()
        if is_new_to_tradovate:
            self.begin_with(ACCOUNT_DEFAULTS)
        if is_new and self.flat_by is None and self.environment != Environment.PAPER:
            self.flat_by = FLAT_BY_AT_FIRST
        super().save(*args, **kwargs)
        for bot in self.bots.all() if is_new_to_tradovate else ():
            bot.begin_with(BOT_DEFAULTS)
            bot.save()
        state = TradingState.ensure(f"account:{self.name}", is_new=is_new, account=self)
        if is_new_to_live and state.mode == TradingMode.ACTIVE:
            TradingState.objects.filter(pk=state.pk).update(
                mode=TradingMode.HALTED, reason="A live account begins halted."
            )

    def _is_live_already(self) -> bool:
        return Account.objects.filter(pk=self.pk, environment=Environment.LIVE).exists()

    def _is_moved(self) -> bool:
        known = Account.objects.filter(pk=self.pk).exclude(environment=self.environment)
        return known.filter(orders__isnull=False).exists()

    def _is_at_tradovate(self) -> bool:
        return Account.objects.filter(pk=self.pk).exclude(environment=Environment.PAPER).exists()


class Strategy(models.Model):
    """One stream of alerts, told apart by its webhook token."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(unique=True, max_length=64)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="strategies")
    trend_timeframe = models.CharField(max_length=8, default="10", help_text="As TradingView writes it.")
    di_timeframe = models.CharField(max_length=8, default="15", help_text="As TradingView writes it.")
    filter_timeframe = models.CharField(
        max_length=8,
        blank=True,
        help_text="A longer timeframe, such as 60, whose trend must have the colour of what opens. "
        "Exits are never filtered. Empty: no filter.",
    )
    bar_close_only = models.BooleanField(
        default=False, help_text="Refuse alerts fired before their bar closed."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat_timeframe = models.CharField(max_length=8, blank=True, editable=False)
    watch_heartbeat = models.BooleanField(
        default=True,
        help_text="On demo and live: once heartbeats came, two that are missing stop openings.",
    )
    alerts_expire_on = models.DateField(
        null=True,
        blank=True,
        help_text="The day on which the first of the alerts ends in TradingView; a notice comes 7 days and "
        "1 day before. Empty: they do not end.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        verbose_name_plural = "strategies"

    def __str__(self) -> str:
        return self.slug


class WebhookToken(models.Model):
    """A token that lets alerts of one strategy in. Only its SHA-256 is kept; the token is shown once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    strategy = models.ForeignKey(Strategy, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"…{self.last_four}"


class Bot(Limits):
    """One strategy on one account. The broker nets, so an account has one bot per instrument."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(unique=True, max_length=64)
    strategy = models.ForeignKey(Strategy, models.PROTECT, related_name="bots")
    account = models.ForeignKey(Account, models.PROTECT, related_name="bots")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="bots")
    size = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Contracts per opening."
    )
    max_position = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: the same as size."
    )
    stop_points = points(
        "Points from the alert's close to the stop that goes to the broker with each opening. Empty: no stop."
    )
    target_points = points("Points from the alert's close to a target that goes with the stop. Empty: none.")
    risk_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(100)],
        help_text="Percent of the account's value that the stop may cost. It sets the contracts of an "
        "opening, up to the largest position. Empty: the size.",
    )
    daily_loss = dollars("Dollars lost by round trips since 17:00 Chicago, after which nothing opens.")
    rejections_in_a_row = whole("Orders that the broker rejects one after another, which halt the bot.")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"], name="one_bot_per_account_and_instrument"
            ),
            models.CheckConstraint(condition=models.Q(size__gte=1), name="bot_size_at_least_one"),
            models.CheckConstraint(
                condition=models.Q(stop_points__isnull=False)
                | models.Q(target_points__isnull=True, risk_percent__isnull=True),
                name="bot_stop_before_target_and_risk",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Refuse a target or a risk without a stop, and to give a stop up while one waits at the broker."""
        if self.stop_points is not None:
            return
        if self.target_points is not None or self.risk_percent is not None:
            raise ValidationError({"stop_points": "A target and a risk need a stop."})
        if self.orders.open_legs().exists():
            raise ValidationError({"stop_points": "A stop waits at the broker: close the position first."})

    @property
    def position_limit(self) -> int:
        """Largest |position| in contracts that an opening of this bot may reach."""
        return self.size if self.max_position is None else self.max_position

    @property
    def has_stop(self) -> bool:
        """Tell whether openings of this bot go out with a protective stop."""
        return self.stop_points is not None

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and give a new bot its trading state and its empty position.

        A new one at Tradovate begins with the default limits.
        """
        is_new = self._state.adding
        if is_new and self.account.environment != Environment.PAPER:
            self.begin_with(BOT_DEFAULTS)
        super().save(*args, **kwargs)
        TradingState.ensure(f"bot:{self.slug}", is_new=is_new, bot=self)
        BotState.objects.get_or_create(bot=self)


class BotState(models.Model):
    """What a bot remembers and holds. Redis keeps a copy; this row is the one that counts.

    `version` grows with every change: a writer names the version it read, and loses when it is stale.
    """

    bot = models.OneToOneField(Bot, models.CASCADE, primary_key=True, related_name="state")
    version = models.PositiveBigIntegerField(default=0)
    quantity = models.IntegerField(
        default=0, help_text="Contracts held by the broker's word; short is negative."
    )
    average_price = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    contract = models.CharField(max_length=16, blank=True)
    memory = models.TextField(blank=True, help_text="The events the bot remembers, as JSON.")
    updated_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.bot_id} v{self.version}"
