from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q

from tradedesk.models import Bot, Incident, Order, TradingMode, TradingState
from tradedesk.services.trading_state import for_share, scopes_of, strictest
from tradedesk.stores.rows import Statement


@dataclass(frozen=True)
class Records:
    """What the database says about a bot: its mode, its orders without an end, its open incidents' kinds."""

    mode: TradingMode
    unfinished: Collection[Order] = ()
    open_kinds: Collection[str] = ()

    def agree_with(self, found: list[tuple[str, bool, bool]], bot: Bot) -> bool:
        """Tell whether what `query` found is what these records say."""
        expected = {(bool(self.unfinished), bool(self.open_kinds))}
        mode = strictest([row[0] for row in found], len(scopes_of(bot.account, bot)))
        return mode is self.mode and {(bool(row[1]), bool(row[2])) for row in found} == expected


# As a rule trading is on and nothing is open. A decision begins with this, and the transaction that writes
# it checks it.
QUIET = Records(TradingMode.ACTIVE)


def records_of(bot: Bot) -> Records:
    """Return the records of a bot as they are now."""
    scopes = scopes_of(bot.account, bot)
    modes = TradingState.objects.filter(scope__in=scopes).values_list("mode", flat=True)
    incidents = Incident.objects.filter(Q(bot=bot) | Q(bot=None), account=bot.account, closed_at=None)
    return Records(
        strictest(list(modes), len(scopes)),
        list(Order.objects.filter(bot=bot, settled_at=None)),
        set(incidents.values_list("kind", flat=True)),
    )


def query(bot: Bot) -> Statement:
    """Return the SELECT of the modes that rule a bot, and for each whether orders or incidents are open.

    The modes stay locked until the transaction ends. A claim to send and the kill switch are thereby
    ordered: the switch waits for claims that read first, and later claims read what the switch wrote.
    """
    order, incident, state = (model._meta.db_table for model in (Order, Incident, TradingState))
    bot_id, account_id = (row._meta.pk.get_db_prep_value(row.pk, connection) for row in (bot, bot.account))
    return Statement(
        f"SELECT mode, EXISTS (SELECT 1 FROM {order} WHERE bot_id = %s AND settled_at IS NULL),"  # noqa: S608 - own tables
        f" EXISTS (SELECT 1 FROM {incident} WHERE account_id = %s AND closed_at IS NULL"
        f" AND (bot_id = %s OR bot_id IS NULL))"
        f" FROM {state} WHERE scope IN (%s, %s, %s){for_share()}",
        [bot_id, account_id, bot_id, *scopes_of(bot.account, bot)],
    )
