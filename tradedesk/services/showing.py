from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from tradedesk.models import Bot, Incident
from tradedesk.services.halting.trading_state import effective_modes
from tradedesk.stores.positions import Snapshot


@dataclass(frozen=True)
class BotRow:
    """A bot as the API shows it: its four state fields, what it should hold and what it holds."""

    slug: str
    strategy: str
    account: str
    instrument: str
    current_position: str
    trend_color: str | None
    waiting_for_reentry: str
    last_updated: str | None
    target: str
    quantity: int
    contract: str
    average_price: Decimal | None
    trading_state: str
    open_incidents: int


def bots_to_show() -> QuerySet[Bot]:
    """Return the bots with all that a row shows, in one query, the open incidents counted.

    An incident of the account that names no bot concerns every bot on it.
    """
    concerns = Q(bot=OuterRef("pk")) | Q(bot=None, account=OuterRef("account"))
    counted = (
        Incident.objects.filter(concerns, closed_at=None)
        .order_by()
        .annotate(one=Value(1))
        .values("one")
        .annotate(count=Count("pk"))
        .values("count")
    )
    related = Bot.objects.select_related("strategy", "account", "instrument", "state")
    return related.annotate(open_incidents=Coalesce(Subquery(counted, IntegerField()), 0)).order_by("slug")


def bot_rows(bots: Sequence[Bot]) -> list[BotRow]:
    """Return what is shown of bots that came from `bots_to_show`. One query, for the trading states."""
    modes = effective_modes(list(bots))
    return [_row(bot, modes[bot.slug].value) for bot in bots]


def _row(bot: Bot, trading_state: str) -> BotRow:
    snapshot = Snapshot.from_row(bot.state)
    return BotRow(
        slug=bot.slug,
        strategy=bot.strategy.slug,
        account=bot.account.name,
        instrument=bot.instrument.root,
        **snapshot.public(),
        target=snapshot.state.position.value,
        quantity=snapshot.quantity,
        contract=snapshot.contract,
        average_price=snapshot.average_price,
        trading_state=trading_state,
        open_incidents=getattr(bot, "open_incidents", 0),
    )
