"""Profit and loss by the desk's own fills: oldest contracts closed first, fees taken off, in dollars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from strategy.lots import Lot, held, match, points_open
from strategy.symbols import root_of
from tradedesk.models import Alert, AlertOutcome, Fill, Instrument, OrderSide, Strategy

COLUMNS = (
    *("account_id", "bot_id", "order_id", "order__position_before", "contract"),
    *("side", "quantity", "price", "filled_at"),
)
BOOKS_KEPT = 8


class Terms(NamedTuple):
    """What turns an instrument's points into dollars; the fee is for one contract and side."""

    point_value: Decimal
    fee: Decimal | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one fill brought: `gross` dollars by what it closed, less its own `fee`.

    `gross` is None where the price of what was closed is not known, `fee` where the instrument has none.
    """

    at: datetime
    account_id: UUID
    bot_id: UUID | None
    contract: str
    closed: int
    gross: Decimal | None
    fee: Decimal | None

    @property
    def net(self) -> Decimal:
        """Dollars after fees; what is not known counts as nothing."""
        return (self.gross or Decimal()) - (self.fee or Decimal())


@dataclass(frozen=True)
class Book:
    """All entries in order of time, and what is still held by account and contract."""

    entries: Sequence[Entry] = ()
    lots: Mapping[tuple[UUID, str], tuple[Lot, ...]] | None = None

    def since(self, start: datetime) -> list[Entry]:
        return [entry for entry in self.entries if entry.at >= start]

    def of(self, *, account_id: UUID | None = None, bot_id: UUID | None = None) -> list[Entry]:
        """Return the entries of an account and of a bot, where one is named."""
        return [
            entry
            for entry in self.entries
            if account_id in (None, entry.account_id) and bot_id in (None, entry.bot_id)
        ]


def net(entries: Iterable[Entry]) -> Decimal:
    """Return what some entries come to in dollars, after fees."""
    return sum((entry.net for entry in entries), Decimal())


def is_whole(entries: Iterable[Entry]) -> bool:
    """Tell whether gains and fees of all entries are known."""
    return all(entry.gross is not None and entry.fee is not None for entry in entries)


def book() -> Book:
    """Return what every fill brought. Four queries at most; fills are read anew when there is one more."""
    newest = Fill.objects.order_by("-id").values_list("id", flat=True).first()
    return _book(newest, Fill.objects.count(), tuple(sorted(_terms().items())))


def open_profit(lots: tuple[Lot, ...], instrument: Instrument, mark: Decimal | None) -> Decimal | None:
    """Return the dollars that lots would bring at a price, before fees; None where a price is not known."""
    points = None if mark is None else points_open(lots, mark)
    return None if points is None else points * instrument.point_value


def marks() -> dict[str, tuple[Decimal, datetime]]:
    """Return the newest close that an alert told for each instrument's root, and when. One query."""
    told = Alert.objects.filter(
        strategy=OuterRef("pk"), outcome=AlertOutcome.ACCEPTED, close__isnull=False
    ).order_by("-id")
    newest = Strategy.objects.annotate(
        told=Subquery(told.values("close")[:1]), told_at=Subquery(told.values("received_at")[:1])
    ).filter(told__isnull=False)
    rows = newest.order_by("told_at").values_list("instrument__root", "told", "told_at")
    return {root: (close, at) for root, close, at in rows}


def _terms() -> dict[str, Terms]:
    rows = Instrument.objects.values_list("root", "point_value", "fee")
    return {root: Terms(value, fee) for root, value, fee in rows}


@lru_cache(maxsize=BOOKS_KEPT)
def _book(_newest: UUID | None, _count: int, terms: tuple[tuple[str, Terms], ...]) -> Book:
    by_root = dict(terms)
    lots: dict[tuple[UUID, str], tuple[Lot, ...]] = {}
    entries, orders_seen = [], set()
    for row in Fill.objects.order_by("filled_at", "broker_fill_id").values_list(*COLUMNS, named=True):
        key = (row.account_id, row.contract)
        before = lots.get(key, ())
        is_first = row.order_id not in orders_seen
        orders_seen.add(row.order_id)
        if is_first and row.order__position_before not in (None, held(before)):
            # A person traded, or the first fills are gone: nobody here knows what that cost.
            before = (Lot(row.order__position_before, None),) if row.order__position_before else ()
        signed = row.quantity if row.side == OrderSide.BUY else -row.quantity
        matched = match(before, signed, row.price)
        lots[key] = matched.lots
        root = root_of(row.contract, by_root)
        of_root = by_root[root] if root else None
        entries.append(
            Entry(
                at=row.filled_at,
                account_id=row.account_id,
                bot_id=row.bot_id,
                contract=row.contract,
                closed=matched.closed,
                gross=_gross(matched.points, of_root),
                fee=None if of_root is None or of_root.fee is None else of_root.fee * row.quantity,
            )
        )
    return Book(entries, {key: held_now for key, held_now in lots.items() if held_now})


def _gross(points: Decimal | None, terms: Terms | None) -> Decimal | None:
    return None if points is None or terms is None else points * terms.point_value
