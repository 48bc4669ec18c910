from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q

from strategy import trades
from strategy.gate import Limit, Usage
from strategy.sessions import session_start
from strategy.trades import Execution, RoundTrip
from tradedesk.models import LEGS, Account, Bot, Fill, Order, OrderSide, OrderStatus
from tradedesk.models.limits import ORDER_LIMITS, TRADE_LIMITS

# Where more fills than this belong to one session, what they come to counts as not readable.
MOST_FILLS = 1000
NOT_SENT = (OrderStatus.PENDING, OrderStatus.DENIED)
FILL_COLUMNS = (
    *("bot_id", "order_id", "order__position_before", "contract", "side", "quantity", "price"),
    *("filled_at", "broker_fill_id", "bot__instrument__point_value"),
)


class FillRow(NamedTuple):
    """What limits need of a fill; in the order of `FILL_COLUMNS`."""

    bot_id: UUID
    order_id: UUID
    held_before: int | None
    contract: str
    side: str
    quantity: int
    price: Decimal
    filled_at: datetime
    broker_fill_id: int
    point_value: Decimal


def usage_of(bot: Bot, account_loss: Decimal | None, now: datetime) -> tuple[Usage, Usage]:
    """Return how much of its limits the bot has used up, and its account.

    `account_loss` is by the broker's word. What no limit asks for is not read: without any, no query.
    """
    orders = _orders(bot, now) if _is_limited(bot, ORDER_LIMITS) else {}
    fills = None
    if _is_limited(bot, TRADE_LIMITS) or bot.daily_loss is not None:
        fills = _fills(bot, session_start(now))
    own = None if fills is None else [fill for fill in fills if fill.bot_id == bot.pk]
    own_loss = None if own is None else loss_since(own, session_start(now))
    return (
        _usage(bot, "bot", orders, own, own_loss, now),
        _usage(bot.account, "account", orders, fills, account_loss, now),
    )


def _is_limited(bot: Bot, names: Sequence[str]) -> bool:
    return bot.is_limited(*names) or bot.account.is_limited(*names)


def _usage(
    owner: Bot | Account,
    name: str,
    orders: Mapping[str, int],
    fills: Sequence[FillRow] | None,
    loss: Decimal | None,
    now: datetime,
) -> Usage:
    trips = None if fills is None else trips_since(fills, session_start(now))
    return Usage(
        minute=Limit(owner.orders_per_minute, orders.get(f"{name}_minute")),
        day=Limit(owner.orders_per_day, orders.get(f"{name}_day")),
        session=Limit(owner.orders_per_session, orders.get(f"{name}_session")),
        trades=Limit(owner.trades_per_session, None if trips is None else len(trips)),
        losers=Limit(owner.losing_streak, None if trips is None else trades.losers_in_a_row(trips)),
        loss=Limit(owner.daily_loss, loss),
    )


def _orders(bot: Bot, now: datetime) -> dict[str, int]:
    """Return how many orders the bot and its account sent, by owner and period, legs aside. One query."""
    since = {
        "minute": now - timedelta(minutes=1),
        "day": now - timedelta(days=1),
        "session": session_start(now),
    }
    owners = {"bot": Q(bot=bot), "account": Q()}
    counts = {
        f"{owner}_{period}": Count("pk", filter=condition & Q(created_at__gte=start))
        for owner, condition in owners.items()
        for period, start in since.items()
    }
    left = Order.objects.filter(account=bot.account, created_at__gte=min(since.values()))
    return left.exclude(status__in=NOT_SENT).exclude(purpose__in=LEGS).aggregate(**counts)


def _fills(bot: Bot, since: datetime) -> list[FillRow] | None:
    """Return the account's latest fills of bots in order of time, None where a session has too many.

    Only those of the bot where no limit of the account asks for the others'. Older ones come along, for a
    round trip may have begun before the session.
    """
    account = bot.account
    of_whom = Q(account=account, bot__isnull=False) if account.is_limited(*TRADE_LIMITS) else Q(bot=bot)
    return latest_fills(of_whom, MOST_FILLS, since)


def latest_fills(of_whom: Q, most: int, since: datetime) -> list[FillRow] | None:
    """Return the latest fills in order of time, None where they do not reach back to `since`. One query."""
    rows = Fill.objects.filter(of_whom).order_by("-id").values_list(*FILL_COLUMNS)[:most]
    fills = sorted((FillRow(*row) for row in rows), key=lambda fill: (fill.filled_at, fill.broker_fill_id))
    return None if len(fills) == most and fills[0].filled_at >= since else fills


def trips_since(fills: Sequence[FillRow], since: datetime) -> list[RoundTrip]:
    """Return the round trips that the fills closed since then."""
    return [trip for trip in trades.round_trips(_executions(fills)) if trip.closed_at >= since]


def loss_since(fills: Sequence[FillRow], since: datetime) -> Decimal:
    """Return the dollars that round trips since then lost on balance, 0 after a gain. Fees are not in it."""
    point_values = {fill.contract: fill.point_value for fill in fills}
    gained = sum((trip.points * point_values[trip.contract] for trip in trips_since(fills, since)), Decimal())
    return max(-gained, Decimal())


def _executions(fills: Sequence[FillRow]) -> list[Execution]:
    orders_seen: set[UUID] = set()
    executions = []
    for fill in fills:
        is_first = fill.order_id not in orders_seen
        orders_seen.add(fill.order_id)
        executions.append(
            Execution(
                contract=fill.contract,
                quantity=fill.quantity if fill.side == OrderSide.BUY else -fill.quantity,
                price=fill.price,
                filled_at=fill.filled_at,
                held_before=fill.held_before if is_first else None,
            )
        )
    return executions
