"""The desk that every story begins with: one strategy, and a bot on each of two paper accounts."""

from django.db.models import Model

from tests.builders import make_account, make_bot, make_instrument, make_strategy, make_token
from tests.fakes import START
from tradedesk.models import (
    Account,
    Alert,
    AuditEntry,
    Bot,
    BotState,
    Decision,
    Fill,
    Incident,
    Notice,
    Order,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.stores.positions import Snapshot

HISTORY: tuple[type[Model], ...] = (
    Fill,
    Order,
    Decision,
    Alert,
    Incident,
    Notice,
    AuditEntry,
    TradingStateChange,
)


def build() -> None:
    """Make the accounts, the strategy and its bots. The second bot trades two contracts."""
    TradingState.objects.get_or_create(scope="all")
    make_instrument()
    strategy = make_strategy()
    make_token(strategy)
    for number in (1, 2):
        account = make_account(f"paper-{number}", broker_account=f"PAPER-{number}")
        make_bot(f"mes-{number}", strategy=strategy, account=account, size=number)


def wipe() -> None:
    """Forget all that happened, so that the next story begins where this one did."""
    for model in HISTORY:
        model._base_manager.all()._raw_delete("default")
    for bot in Bot.objects.all():
        BotState.objects.filter(bot=bot).update(**Snapshot(bot.id).as_row())
    TradingState.objects.update(mode=TradingMode.ACTIVE, cause="person", reason="", by="", since=None)
    Account.objects.update(reconciled_at=START, differences={}, claims=0, enabled=True)
