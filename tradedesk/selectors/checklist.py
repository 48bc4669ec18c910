from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Q

from tradedesk.models import (
    Account,
    Bot,
    Cause,
    Decision,
    Environment,
    Fill,
    Strategy,
    TradingMode,
    TradingStateChange,
    WebhookToken,
)

PRACTICE = (Environment.PAPER, Environment.DEMO)


@dataclass(frozen=True)
class Progress:
    """Which steps of setting a desk up are done, by name, and the strategy that the next ones are about."""

    done: Sequence[tuple[str, bool]]
    strategy: Strategy | None

    @property
    def count(self) -> int:
        return sum(is_done for _, is_done in self.done)

    @property
    def is_complete(self) -> bool:
        return self.count == len(self.done)


def progress() -> Progress:
    """Return how far the desk is set up, by what it has seen, never by what somebody ticked. 10 queries."""
    accounts = list(Account.objects.filter(enabled=True))
    strategy = Strategy.objects.first()
    admins = get_user_model().objects.filter(is_active=True, is_staff=True)
    halts = TradingStateChange.objects.filter(new_mode=TradingMode.HALTED, cause=Cause.PERSON)
    steps = [
        ("person", admins.filter(Q(is_superuser=True) | Q(groups__name="admin")).exists()),
        ("account", bool(accounts)),
        ("broker", any(account.reconciled_at for account in accounts)),
        ("strategy", strategy is not None),
        ("bot", Bot.objects.filter(enabled=True).exists()),
        ("limits", any(account.is_limited("daily_loss", "drawdown", "max_position") for account in accounts)),
        ("token", WebhookToken.objects.filter(revoked_at=None).exists()),
        ("heartbeat", Strategy.objects.filter(heartbeat_at__isnull=False).exists()),
        ("alert", Decision.objects.exists()),
        ("fill", Fill.objects.filter(account__environment__in=PRACTICE).exists()),
        ("halt", halts.exists()),
    ]
    return Progress(steps, strategy)
