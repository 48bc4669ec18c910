"""Profit and loss by the desk's own fills: oldest contracts closed first, fees taken off, in dollars."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from uuid import UUID

from django.db.models import OuterRef, Subquery

from strategy.lots import Lot, points_open
from tradedesk.models import Alert, AlertOutcome, Fill, Instrument, Strategy
from tradedesk.selectors.ledger import Entry, Key, Terms, Total, ledger

# What was told longer ago is no price of today: a long weekend fits in.
MARK_FOR = timedelta(days=7)

AT = attrgetter("at")


@dataclass(frozen=True)
class Book:
    """All entries in order of time, the totals of each day, and what is held by account and contract."""

    entries: Sequence[Entry] = ()
    totals: Mapping[Key, Total] = field(default_factory=dict)
    lots: Mapping[tuple[UUID, str], tuple[Lot, ...]] = field(default_factory=dict)
    _days: dict[tuple[UUID | None, UUID | None], dict[date, Total]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def entry_of(self, fill: Fill) -> Entry | None:
        """Return what a fill brought; None for one that came after the book was read."""
        first = bisect_left(self.entries, fill.filled_at, key=AT)
        last = bisect_right(self.entries, fill.filled_at, key=AT)
        return next((entry for entry in self.entries[first:last] if entry.fill_id == fill.pk), None)

    def since(self, start: datetime) -> Sequence[Entry]:
        return self.entries[bisect_left(self.entries, start, key=AT) :]

    def of(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        account_id: UUID | None = None,
        bot_id: UUID | None = None,
    ) -> Sequence[Entry]:
        """Return the entries from `start` until before `end`, of one account or bot where it is named."""
        first = 0 if start is None else bisect_left(self.entries, start, key=AT)
        last = len(self.entries) if end is None else bisect_left(self.entries, end, key=AT)
        found = self.entries[first:last]
        if account_id is None and bot_id is None:
            return found
        return [
            entry
            for entry in found
            if account_id in (None, entry.account_id) and bot_id in (None, entry.bot_id)
        ]

    def days(self, *, account_id: UUID | None = None, bot_id: UUID | None = None) -> dict[date, Total]:
        """Return the total of each trading day with a fill, the first day first. Reckoned once."""
        asked = (account_id, bot_id)
        if asked not in self._days:
            self._days[asked] = self._totals_of(account_id, bot_id)
        return self._days[asked]

    def _totals_of(self, account_id: UUID | None, bot_id: UUID | None) -> dict[date, Total]:
        found: dict[date, Total] = {}
        for key, total in self.totals.items():
            if account_id in (None, key.account_id) and bot_id in (None, key.bot_id):
                found.setdefault(key.day, Total(total.at)).add(total)
        return dict(sorted(found.items()))


def net(entries: Iterable[Entry]) -> Decimal:
    """Return what some entries come to in dollars, after fees."""
    return sum((entry.net for entry in entries), Decimal())


def is_whole(entries: Iterable[Entry]) -> bool:
    """Tell whether gains and fees of all entries are known."""
    return all(entry.gross is not None and entry.fee is not None for entry in entries)


_book = Book()
_of: object = None


def book() -> Book:
    """Return what every fill brought. Three queries, one more where the fills are read from the first on."""
    global _book, _of  # noqa: PLW0603 - one per process
    found = ledger(terms())
    state = (id(found), found.newest, len(found.entries))
    if state != _of:
        _book = Book(list(found.entries), dict(found.totals), dict(found.lots))
        _of = state
    return _book


def open_profit(lots: tuple[Lot, ...], instrument: Instrument, mark: Decimal | None) -> Decimal | None:
    """Return the dollars that lots would bring at a price, before fees; None where a price is not known."""
    points = None if mark is None else points_open(lots, mark)
    return None if points is None else points * instrument.point_value


def marks(now: datetime) -> dict[str, tuple[Decimal, datetime]]:
    """Return the newest close that an alert of the last week told for each root, and when. One query."""
    told = Alert.objects.filter(
        strategy=OuterRef("pk"),
        outcome=AlertOutcome.ACCEPTED,
        close__isnull=False,
        received_at__gt=now - MARK_FOR,
    ).order_by("-received_at", "-id")
    newest = Strategy.objects.annotate(
        told=Subquery(told.values("close")[:1]), told_at=Subquery(told.values("received_at")[:1])
    ).filter(told__isnull=False)
    rows = newest.order_by("told_at").values_list("instrument__root", "told", "told_at")
    return {root: (close, at) for root, close, at in rows}


def terms() -> dict[str, Terms]:
    """Return what a point and a contract's fee are worth for each root. One query."""
    rows = Instrument.objects.values_list("root", "point_value", "fee")
    return {root: Terms(value, fee) for root, value, fee in rows}
