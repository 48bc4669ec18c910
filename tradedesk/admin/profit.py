"""P&L and equity: by day, bot and symbol, each trade, and what the broker itself says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from strategy.sessions import session_start
from strategy.symbols import root_of
from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.csv_files import Columns, stream
from tradedesk.admin.overview import RANGES
from tradedesk.admin.result import Held, held_by, result_of
from tradedesk.admin.shown import Shown, shown_by
from tradedesk.models import Account, Bot
from tradedesk.selectors import profit
from tradedesk.selectors.ledger import Entry, Key, Total
from tradedesk.selectors.trades import Trade, trades
from tradedesk.services.contracts.cash import Kept
from tradedesk.services.showing import bots_to_show

MOST_DAYS, MOST_TRADES = 60, 50
MIDDLE = 50.0


@dataclass(frozen=True)
class Bar:
    """One day's net result as a bar from the middle of a box of 100: above it a gain, below it a loss."""

    day: date
    total: Total
    x: float
    width: float
    y: float
    height: float

    @property
    def tone(self) -> str:
        return "good" if self.total.net >= 0 else "loss"


@dataclass(frozen=True)
class Share:
    """What one bot or symbol came to."""

    name: str
    total: Total

    @property
    def won(self) -> int | None:
        """Percent of the closing fills that won after fees."""
        return round(100 * self.total.won / self.total.closings) if self.total.closings else None


@dataclass(frozen=True)
class Beside:
    """Our own figure of the session beside the broker's, in dollars, open positions included."""

    account: Account
    ours: Decimal
    theirs: Decimal | None
    equity: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        return None if self.theirs is None else self.ours - self.theirs


def page(request: HttpRequest) -> HttpResponse:
    """Show what was won and lost."""
    _require(request)
    return frame.show(request, "profit", "P&L and equity", profit_of(request))


def profit_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows of the accounts and bots that its address asks for."""
    now, bots = wiring.desk().now(), list(bots_to_show())
    shown, book = shown_by(request, bots, now), profit.book()
    listed = [bot for bot in bots if shown.shows(bot)]
    marks = profit.marks(now) if listed else {}
    held = {bot: held_by(bot, book, marks) for bot in listed}
    result = result_of(shown, book, list(held.values()), now)
    month = [total for day, total in result.days.items() if day.replace(day=1) == shown.day.replace(day=1)]
    slugs: dict[UUID | None, str] = {bot.pk: bot.slug for bot in bots}
    return {
        "now": now,
        "shown": shown,
        "ranges": RANGES,
        "result": result,
        "month": _sum(month, now),
        "whole": _sum(result.days.values(), now),
        "bars": bars_of(result.days),
        "by_bot": _by(book, shown, lambda key: slugs.get(key.bot_id, "by hand")),
        "by_symbol": _by(book, shown, _symbol_of(bots)),
        "trades": [
            (trade, slugs.get(trade.bot_id, "by hand")) for trade in _latest_trades(book.of(**shown.keys))
        ],
        "beside": [] if shown.bot else [_beside(account, book, held, now) for account in _accounts(shown)],
        "session_from": session_start(now).astimezone(UTC),
    }


def trades_file(request: HttpRequest) -> HttpResponseBase:
    """Return all trades of the accounts and bots that the address asks for as a CSV file, oldest first."""
    _require(request)
    bots = list(bots_to_show())
    shown = shown_by(request, bots, wiring.desk().now())
    slugs: dict[UUID | None, str] = {bot.pk: bot.slug for bot in bots}
    accounts = {bot.account_id: bot.account.name for bot in bots}
    columns: Columns = (
        ("closed_at", lambda trade: trade.closed_at),
        ("account", lambda trade: accounts.get(trade.account_id, "")),
        ("bot", lambda trade: slugs.get(trade.bot_id, "")),
        ("contract", lambda trade: trade.contract),
        ("quantity", lambda trade: trade.quantity),
        ("entry_price", lambda trade: trade.entry_price),
        ("exit_price", lambda trade: trade.exit_price),
        ("gross_usd", lambda trade: trade.gross),
        ("fees_usd", lambda trade: trade.fees),
        ("net_usd", lambda trade: trade.net),
    )
    book = profit.book()
    count = sum(total.closings for total in book.days(**shown.keys).values())
    return stream("trades", columns, trades(book.of(**shown.keys)), str(count))


def bars_of(days: Mapping[date, Total]) -> list[Bar]:
    """Return the last days with a fill as bars on one scale."""
    latest = list(days.items())[-MOST_DAYS:]
    most = max((abs(total.net) for _, total in latest), default=Decimal()) or Decimal(1)
    width = 100 / max(len(latest), 20)
    bars = []
    for number, (day, total) in enumerate(latest):
        height = max(float(abs(total.net) / most) * (MIDDLE - 2), 0.5)
        y = MIDDLE - height if total.net >= 0 else MIDDLE
        bars.append(Bar(day, total, number * width, width * 0.7, y, height))
    return bars


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm("tradedesk.view_fill"):
        raise PermissionDenied


def _sum(totals: Iterable[Total], now: datetime) -> Total:
    whole = Total(now)
    for total in totals:
        whole.add(total)
    return whole


def _by(book: profit.Book, shown: Shown, name_of: Callable[[Key], str]) -> list[Share]:
    """Return the totals by a name of each key, the largest result first."""
    found: dict[str, Total] = {}
    for key, total in book.totals.items():
        if shown.keys["account_id"] in (None, key.account_id) and shown.keys["bot_id"] in (None, key.bot_id):
            found.setdefault(name_of(key), Total(total.at)).add(total)
    return sorted((Share(name, total) for name, total in found.items()), key=lambda share: -share.total.net)


def _symbol_of(bots: Sequence[Bot]) -> Callable[[Key], str]:
    roots = {bot.instrument.root for bot in bots}
    return lambda key: root_of(key.contract, roots) or key.contract


def _latest_trades(entries: Sequence[Entry]) -> list[Trade]:
    return list(islice(trades(reversed(entries)), MOST_TRADES))


def _accounts(shown: Shown) -> list[Account]:
    return [shown.account] if shown.account else shown.accounts


def _beside(account: Account, book: profit.Book, held: Mapping[Bot, Held], now: datetime) -> Beside:
    today = profit.net(book.of(session_start(now), account_id=account.pk))
    opened = (found.open for bot, found in held.items() if bot.account_id == account.pk and found.open)
    kept = Kept.from_json(account.cash)
    ours = today + sum(opened, Decimal())
    return Beside(account, ours, kept.profit, kept.net_liquidation)
