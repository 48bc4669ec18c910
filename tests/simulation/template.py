"""The desk that every story begins with."""

from random import Random

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
    FlattenWish,
    Incident,
    Notice,
    Order,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.stores.positions import Snapshot

# So many stories have a second bot, which copies the first one's trades on an account of its own.
TWO_BOTS = 0.2
HISTORY: tuple[type[Model], ...] = (
    Fill,
    Order,
    Decision,
    Alert,
    Incident,
    Notice,
    AuditEntry,
    TradingStateChange,
    FlattenWish,
)


def build() -> None:
    """Make the strategy, and a bot on a paper account."""
    TradingState.objects.get_or_create(scope="all")
    make_instrument()
    make_token(make_strategy())
    _add_bot(1)


def begin(random: Random) -> list[Bot]:
    """Forget all that happened, and return the bots of the next story: one, or two on an account each."""
    for model in HISTORY:
        model._base_manager.all()._raw_delete("default")
    second = Account.objects.filter(name="paper-2")
    if second.exists():
        TradingState.objects.filter(scope__endswith="-2").delete()
        BotState.objects.filter(bot__account__in=second).delete()
        Bot.objects.filter(account__in=second)._raw_delete("default")
        second._raw_delete("default")
    TradingState.objects.update(mode=TradingMode.ACTIVE, cause="person", reason="", by="", since=None)
    Account.objects.update(reconciled_at=START, differences={}, claims=0, cash={}, cash_read_at=None)
    Bot.objects.update(size=random.choice([1, 1, 2]))
    for bot in Bot.objects.all():
        BotState.objects.filter(bot=bot).update(**Snapshot(bot.id).as_row())
    if random.random() < TWO_BOTS:
        _add_bot(2)
    return list(Bot.objects.select_related("account", "instrument", "strategy__instrument"))


def _add_bot(number: int) -> None:
    account = make_account(f"paper-{number}", broker_account=f"PAPER-{number}")
    make_bot(f"mes-{number}", account=account)
