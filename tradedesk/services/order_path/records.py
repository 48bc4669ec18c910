from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q

from tradedesk.models import LEGS, Bot, Incident, Order, TradingMode, TradingState
from tradedesk.services.halting.trading_state import for_share, scopes_of, strictest
from tradedesk.stores import lease
from tradedesk.stores.rows import Statement


@dataclass(frozen=True)
class Records:
    """What the database says about a bot: the modes of its scopes, its orders without an end, legs aside,
    and the kinds of the incidents that are open.
    """

    modes: Sequence[str]
    unfinished: Collection[Order] = ()
    open_kinds: Collection[str] = ()

    @property
    def mode(self) -> TradingMode:
        return strictest(self.modes, SCOPES)


# As a rule trading is on and nothing is open. A decision begins with this, and the statement that writes it
# checks it.
SCOPES = 3
QUIET = Records([TradingMode.ACTIVE] * SCOPES)


def records_of(bot: Bot) -> Records:
    """Return the records of a bot as they are now, the modes in the order of its scopes.

    Raises NotHeld in a region that may not send: it decides nothing either.
    """
    lease.require()
    modes = dict(TradingState.objects.filter(scope__in=_scopes(bot)).values_list("scope", "mode"))
    incidents = Incident.objects.filter(Q(bot=bot) | Q(bot=None), account=bot.account, closed_at=None)
    return Records(
        [modes[scope] for scope in _scopes(bot) if scope in modes],
        list(Order.objects.unfinished().filter(bot=bot)),
        set(incidents.values_list("kind", flat=True)),
    )


def unchanged(bot: Bot, records: Records) -> Statement:
    """Return the SELECT that finds a row for each scope only while the records are as they were read.

    The rows stay locked until the transaction ends. A claim to send and the kill switch are thereby ordered:
    the switch waits for claims that read first, and later claims read what the switch wrote.
    """
    order, incident, state = (model._meta.db_table for model in (Order, Incident, TradingState))
    bot_id, account_id = (row._meta.pk.get_db_prep_value(row.pk, connection) for row in (bot, bot.account))
    scopes = list(zip(_scopes(bot), records.modes, strict=False))
    same_mode = " OR ".join(["scope = %s AND mode = %s"] * len(scopes)) or "FALSE"
    has_orders, has_incidents = (
        "" if found else "NOT " for found in (records.unfinished, records.open_kinds)
    )
    return Statement(
        f"SELECT 1 FROM {state} WHERE ({same_mode})"  # noqa: S608 - own tables
        f" AND {has_orders}EXISTS (SELECT 1 FROM {order} WHERE bot_id = %s AND settled_at IS NULL"
        f" AND purpose NOT IN ({', '.join(['%s'] * len(LEGS))}))"
        f" AND {has_incidents}EXISTS (SELECT 1 FROM {incident} WHERE account_id = %s AND closed_at IS NULL"
        f" AND (bot_id = %s OR bot_id IS NULL)){for_share()}",
        [*(value for pair in scopes for value in pair), bot_id, *LEGS, account_id, bot_id],
        rows=len(scopes),
    )


def _scopes(bot: Bot) -> list[str]:
    return scopes_of(bot.account, bot)
