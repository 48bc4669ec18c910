from typing import Self

from django.db import models
from django.db.models import Q

from tradedesk.models.ids import new_id


class TradingMode(models.TextChoices):
    """From free to strict. REDUCING lets only orders toward flat out, HALTED none."""

    ACTIVE = "ACTIVE", "Trading on"
    REDUCING = "REDUCING", "Entries blocked"
    HALTED = "HALTED", "Halted"

    @property
    def strictness(self) -> int:
        return list(TradingMode).index(self)


class Cause(models.TextChoices):
    PERSON = "person", "A person"
    INCIDENT = "incident", "An incident"
    LIMIT = "limit", "A limit"
    FLATTEN = "flatten", "A flatten"


class TradingState(models.Model):
    """The mode of one scope: `all`, `account:NAME` or `bot:SLUG`. The strictest of a bot's three counts."""

    scope = models.CharField(max_length=80, primary_key=True)
    account = models.OneToOneField(
        "tradedesk.Account", models.CASCADE, null=True, blank=True, related_name="trading_state"
    )
    bot = models.OneToOneField(
        "tradedesk.Bot", models.CASCADE, null=True, blank=True, related_name="trading_state"
    )
    mode = models.CharField(max_length=8, choices=TradingMode, default=TradingMode.ACTIVE)
    cause = models.CharField(max_length=8, choices=Cause, default=Cause.PERSON)
    reason = models.CharField(max_length=500, blank=True)
    by = models.CharField(max_length=150, blank=True)
    since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["scope"]
        permissions = [("release_tradingstate", "Can let trading go on")]

    def __str__(self) -> str:
        return f"{self.scope}: {self.mode}"

    @classmethod
    def ensure(cls, scope: str, *, is_new: bool, **owner: models.Model) -> Self:
        """Return the state that belongs to an account or bot, made active for a new one, renamed with it.

        One that is missing counts as halted, and is made halted.
        """
        made = {} if is_new else {"mode": TradingMode.HALTED, "reason": "Its trading state was missing."}
        state, created = cls.objects.get_or_create(**owner, defaults={"scope": scope, **made})
        if not created and state.scope != scope:
            cls.objects.filter(pk=state.pk).update(scope=scope)
            FlattenWish.objects.filter(scope=state.scope, ended_at=None).update(scope=scope)
            state.scope = scope
        return state


class FlattenWish(models.Model):
    """What a person or a rule wants flat, kept until it is: the desk goes on with it across restarts.

    One is open per scope. `seen` has what was held at the last look, or what kept the desk from looking.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(max_length=80)
    passes_halt = models.BooleanField(help_text="A person asked: it closes what is halted, too.")
    reason = models.CharField(max_length=500, blank=True)
    by = models.CharField(max_length=150)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text="Given up then; empty: never.")
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)
    seen = models.JSONField(default=list, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "flatten"
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=Q(ended_at=None), name="one_open_flatten_per_scope"
            ),
        ]

    def __str__(self) -> str:
        return f"Flatten {self.scope}"


class TradingStateChange(models.Model):
    """One change of a trading state: who, when, why, from what to what."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(max_length=80)
    old_mode = models.CharField(max_length=8, choices=TradingMode)
    new_mode = models.CharField(max_length=8, choices=TradingMode)
    cause = models.CharField(max_length=8, choices=Cause)
    reason = models.CharField(max_length=500, blank=True)
    by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.scope}: {self.old_mode} to {self.new_mode}"


class AuditEntry(models.Model):
    """What a person changed: who, what, when, why and from where."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    by = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=120)
    detail = models.JSONField(default=dict, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    source_address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
