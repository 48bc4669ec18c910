from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Q

from strategy import trades
from strategy.sessions import session_start
from tradedesk.models import LEGS, Account, Bot, Order
from tradedesk.services.contracts import cash
from tradedesk.services.order_path.usage import (
    MOST_FILLS,
    NOT_SENT,
    FillRow,
    latest_fills,
    loss_since,
    trips_since,
)

type Amount = int | Decimal | None
type Orders = Mapping[UUID, Counter[str]]


@dataclass(frozen=True)
class Use:
    """How much of one limit is used up. `found` is None where it is not known, `most` where it is off."""

    name: str
    found: Amount
    most: Amount

    @property
    def percent(self) -> int | None:
        """Used percent, at most 100; None without a limit, or where the use could not be read."""
        if self.found is None or self.most is None:
            return None
        return min(100, max(0, round(100 * self.found / self.most)))


def uses_of(accounts: Sequence[Account], bots: Sequence[Bot], now: datetime) -> dict[UUID, list[Use]]:
    """Return what accounts and bots have used up of each limit, set or not, by their ids. Two queries.

    `bots` are all bots of the accounts, with `state` and `instrument`.
    """
    orders, fills = _orders(accounts, now), _fills(accounts, session_start(now))
    uses = {account.pk: _of_account(account, bots, orders, fills, now) for account in accounts}
    return uses | {bot.pk: _of_bot(bot, orders, fills, now) for bot in bots}


def _of_account(
    account: Account, bots: Iterable[Bot], orders: Orders, fills: Sequence[FillRow] | None, now: datetime
) -> list[Use]:
    own = [bot for bot in bots if bot.account_id == account.pk]
    ids = {bot.pk for bot in own}
    figures = cash.kept(account, now)
    return [
        Use("max_position", sum(abs(bot.state.quantity) for bot in own), account.max_position),
        Use("max_group_position", _largest_group(own), account.max_group_position),
        Use("daily_loss", figures.loss, account.daily_loss),
        Use("drawdown", figures.fall, account.drawdown),
        *_counted(
            account, orders, None if fills is None else [fill for fill in fills if fill.bot_id in ids], now
        ),
    ]


def _of_bot(bot: Bot, orders: Orders, fills: Sequence[FillRow] | None, now: datetime) -> list[Use]:
    own = None if fills is None else [fill for fill in fills if fill.bot_id == bot.pk]
    return [
        Use("max_position", abs(bot.state.quantity), bot.position_limit),
        Use("daily_loss", None if own is None else loss_since(own, session_start(now)), bot.daily_loss),
        *_counted(bot, orders, own, now),
    ]


def _counted(
    owner: Account | Bot, orders: Orders, fills: Sequence[FillRow] | None, now: datetime
) -> list[Use]:
    sent = orders[owner.pk]
    trips = None if fills is None else trips_since(fills, session_start(now))
    return [
        Use("orders_per_minute", sent["minute"], owner.orders_per_minute),
        Use("orders_per_day", sent["day"], owner.orders_per_day),
        Use("orders_per_session", sent["session"], owner.orders_per_session),
        Use("trades_per_session", None if trips is None else len(trips), owner.trades_per_session),
        Use("losing_streak", None if trips is None else trades.losers_in_a_row(trips), owner.losing_streak),
    ]


def _largest_group(bots: Iterable[Bot]) -> int:
    """Return the contracts, in micros, of the group that holds most."""
    held: Counter[str] = Counter()
    for bot in bots:
        held[bot.instrument.group or bot.instrument.root] += bot.state.quantity * bot.instrument.group_weight
    return max(map(abs, held.values()), default=0)


def _orders(accounts: Sequence[Account], now: datetime) -> Orders:
    """Return how many orders left by account and by bot, legs aside, by period. One query."""
    since = {
        "minute": now - timedelta(minutes=1),
        "day": now - timedelta(days=1),
        "session": session_start(now),
    }
    counts = {name: Count("pk", filter=Q(created_at__gte=start)) for name, start in since.items()}
    sent = Order.objects.filter(account__in=accounts, created_at__gte=min(since.values()))
    sent = sent.exclude(status__in=NOT_SENT).exclude(purpose__in=LEGS)
    orders: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    rows = sent.order_by().values("account_id", "bot_id").annotate(**counts)
    for account_id, bot_id, *found in rows.values_list("account_id", "bot_id", *since):
        for owner in {account_id, bot_id} - {None}:
            orders[owner].update(dict(zip(since, found, strict=True)))
    return orders


def _fills(accounts: Sequence[Account], since: datetime) -> list[FillRow] | None:
    of_whom = Q(account__in=accounts, bot__isnull=False)
    return latest_fills(of_whom, MOST_FILLS * max(1, len(accounts)), since)
