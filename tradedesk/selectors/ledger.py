"""What each fill of the desk brought, oldest contracts closed first. Read once, then continued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from strategy.lots import Lot, held, match
from strategy.rolls import trade_date
from strategy.symbols import root_of
from tradedesk.models import Fill, OrderSide
from tradedesk.models.ids import earlier

COLUMNS = (
    *("id", "account_id", "bot_id", "order_id", "order__position_before", "contract"),
    *("side", "quantity", "price", "filled_at", "broker_fill_id"),
)
# A transaction that made its fill's id may commit so many seconds after one that made a later id.
COMMITS_WITHIN_S = 60
ORDER = ("filled_at", "broker_fill_id")


class Terms(NamedTuple):
    """What turns an instrument's points into dollars; the fee is for one contract and side."""

    point_value: Decimal
    fee: Decimal | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one fill brought: `gross` dollars by what it closed, less its own `fee`.

    `quantity` is signed, `closed` the contracts of it that closed something. `gross` is None where the price
    of what was closed is not known, `fee` where the instrument has none.
    """

    fill_id: UUID
    at: datetime
    day: date
    account_id: UUID
    bot_id: UUID | None
    order_id: UUID
    contract: str
    quantity: int
    price: Decimal
    closed: int
    points: Decimal | None
    gross: Decimal | None
    fee: Decimal | None

    @property
    def net(self) -> Decimal:
        """Dollars after fees; what is not known counts as nothing."""
        return (self.gross or Decimal()) - (self.fee or Decimal())


@dataclass(slots=True)
class Total:
    """What the fills of a trading day came to, in dollars; what is not known counts as nothing."""

    at: datetime
    gross: Decimal = Decimal()
    fees: Decimal = Decimal()
    fills: int = 0
    closings: int = 0
    won: int = 0
    is_whole: bool = True
    has_all_fees: bool = True

    @property
    def net(self) -> Decimal:
        return self.gross - self.fees

    @property
    def known_fees(self) -> Decimal | None:
        """The fees of all fills, None where one of them is not known."""
        return self.fees if self.has_all_fees else None

    def add(self, other: "Total") -> None:
        """Take another total in."""
        self.at = max(self.at, other.at)
        self.gross += other.gross
        self.fees += other.fees
        self.fills += other.fills
        self.closings += other.closings
        self.won += other.won
        self.is_whole &= other.is_whole
        self.has_all_fees &= other.has_all_fees

    def count(self, entry: Entry) -> None:
        """Take one more fill in."""
        self.at = entry.at
        self.gross += entry.gross or 0
        self.fees += entry.fee or 0
        self.fills += 1
        if entry.closed and entry.gross is not None:
            self.closings += 1
            self.won += entry.net > 0
        self.is_whole &= entry.gross is not None and entry.fee is not None
        self.has_all_fees &= entry.fee is not None


class Key(NamedTuple):
    """Whose total it is, and of which trading day."""

    day: date
    account_id: UUID
    bot_id: UUID | None
    contract: str


@dataclass
class Ledger:
    """All entries in order of time, the totals of each day, what is still held by account and contract."""

    terms: Mapping[str, Terms]
    oldest: UUID | None
    entries: list[Entry] = field(default_factory=list)
    totals: dict[Key, Total] = field(default_factory=dict)
    lots: dict[tuple[UUID, str], tuple[Lot, ...]] = field(default_factory=dict)
    newest: UUID | None = None
    _recent: set[UUID] = field(default_factory=set)
    _orders: set[UUID] = field(default_factory=set)
    _last: Any = None
    _day: tuple[date, datetime] | None = None
    _terms_of: dict[str, Terms | None] = field(default_factory=dict)

    def book(self, rows: Sequence[Any]) -> None:
        """Go on with one or more fills that are newer than all before, in order of time."""
        for row in rows:
            self._book(*row[:-1])
        self._last = rows[-1][-2:]
        self._recent.update(row[0] for row in rows)
        self.newest = max(self._recent, default=None)
        if self.newest:
            bound = earlier(self.newest, COMMITS_WITHIN_S)
            self._recent = {identity for identity in self._recent if identity > bound}

    def news(self) -> list[Any] | None:
        """Return the fills that are not booked yet, None where all must be read anew. One query."""
        if self.newest is None:
            return []
        after = earlier(self.newest, COMMITS_WITHIN_S)
        rows = list(Fill.objects.filter(id__gt=after).order_by(*ORDER).values_list(*COLUMNS))
        fresh = [row for row in rows if row[0] not in self._recent]
        is_late = bool(fresh) and fresh[0][-2:] < self._last
        return None if is_late or not self._recent <= {row[0] for row in rows} else fresh

    def _book(
        self,
        fill_id: UUID,
        account_id: UUID,
        bot_id: UUID | None,
        order_id: UUID,
        position_before: int | None,
        contract: str,
        side: str,
        quantity: int,
        price: Decimal,
        filled_at: datetime,
    ) -> None:
        key = (account_id, contract)
        before = self.lots.get(key, ())
        is_first = order_id not in self._orders
        self._orders.add(order_id)
        if is_first and position_before not in (None, held(before)):
            # A person traded, or the first fills are gone: nobody here knows what that cost.
            before = (Lot(position_before, None),) if position_before else ()
        signed = quantity if side == OrderSide.BUY else -quantity
        matched = match(before, signed, price)
        if matched.lots:
            self.lots[key] = matched.lots
        else:
            self.lots.pop(key, None)
        if contract not in self._terms_of:
            root = root_of(contract, self.terms)
            self._terms_of[contract] = self.terms[root] if root else None
        terms = self._terms_of[contract]
        entry = Entry(
            fill_id=fill_id,
            at=filled_at,
            day=self._day_of(filled_at),
            account_id=account_id,
            bot_id=bot_id,
            order_id=order_id,
            contract=contract,
            quantity=signed,
            price=price,
            closed=matched.closed,
            points=matched.points,
            gross=None if matched.points is None or terms is None else matched.points * terms.point_value,
            fee=None if terms is None or terms.fee is None else terms.fee * quantity,
        )
        self.entries.append(entry)
        self.totals.setdefault(Key(entry.day, account_id, bot_id, contract), Total(filled_at)).count(entry)

    def _day_of(self, at: datetime) -> date:
        """Return the trading day of a fill; the calendar is asked once for each hour's fills."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        if self._day is None or self._day[1] != hour:
            self._day = (trade_date(at), hour)
        return self._day[0]


_lock = Lock()
_kept: Ledger | None = None


def ledger(terms: Mapping[str, Terms]) -> Ledger:
    """Return the ledger with every fill in it. It is continued in place: a reader takes copies.

    Two queries while the fills are as before or newer ones came. All of them are read again when one came
    late or is gone, and when an instrument's terms changed.
    """
    global _kept  # noqa: PLW0603 - one per process
    with _lock:
        oldest = Fill.objects.order_by("id").values_list("id", flat=True).first()
        is_same = _kept is not None and _kept.terms == terms and _kept.oldest == oldest
        fresh = _kept.news() if _kept is not None and is_same else None
        if _kept is None or fresh is None:
            _kept = Ledger(dict(terms), oldest)
            fresh = list(Fill.objects.order_by(*ORDER).values_list(*COLUMNS)) if oldest else []
        if fresh:
            _kept.book(fresh)
        return _kept
