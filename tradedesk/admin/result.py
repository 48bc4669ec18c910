from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate

from strategy.lots import held
from tradedesk.admin import sparks
from tradedesk.admin.shown import Shown
from tradedesk.models import Account, Bot
from tradedesk.selectors import profit
from tradedesk.selectors.ledger import Entry, Total
from tradedesk.selectors.profit import Book
from tradedesk.services.contracts.cash import Kept

# Figures are read each ten minutes; what is much older is not the present.
CURRENT_FOR = timedelta(minutes=25)
MOST_POINTS = 1000
# So many of the last fills are points of their own on a curve; before them each day is one.
FINE = 400

type Marks = Mapping[str, tuple[Decimal, datetime]]


@dataclass(frozen=True)
class Held:
    """A bot's position with the newest price known, and the dollars it would bring before fees."""

    mark: Decimal | None
    marked_at: datetime | None
    open: Decimal | None


@dataclass(frozen=True)
class Result:
    """What the shown accounts and bots won or lost on a day, in dollars; None for what is not known.

    `open` is what positions would bring now: it counts for a day that is not over.
    """

    realised: Decimal
    open: Decimal | None
    equity: Decimal | None
    equity_read_at: datetime | None
    broker_profit: Decimal | None
    days: Mapping[date, Total]
    latest_entries: Sequence[Entry]
    today: Sequence[Entry]
    lacking: str
    is_today: bool = True

    @property
    def total(self) -> Decimal:
        return self.realised + (self.open or Decimal() if self.is_today else Decimal())

    @property
    def percent(self) -> Decimal | None:
        """The day's result in percent of the equity before it."""
        if self.equity is None or self.equity <= self.total or not self.is_today:
            return None
        return self.total / (self.equity - self.total) * 100

    @cached_property
    def net(self) -> Decimal:
        """What all fills came to after fees."""
        return sum((total.net for total in self.days.values()), Decimal())

    @cached_property
    def curve(self) -> list[tuple[int, float]]:
        """Equity after each day's fills and after each of the last ones, as Unix seconds and dollars.

        The result alone where equity is not known. What is open now is not in it.
        """
        running = Decimal() if self.equity is None else self.equity - (self.open or Decimal()) - self.net
        fine_from = self.latest_entries[0].day if self.latest_entries else date.max
        by_second: dict[int, float] = {}
        for day, total in self.days.items():
            if day < fine_from:
                running += total.net
                by_second[int(total.at.timestamp())] = float(running)
        for entry in self.latest_entries:
            running += entry.net
            by_second[int(entry.at.timestamp())] = float(running)
        return sparks.thinned(sorted(by_second.items()), MOST_POINTS)

    @property
    def latest(self) -> Decimal:
        """The value that the curve has come to, open positions included."""
        return self.equity if self.equity is not None else self.net + (self.open or Decimal())

    @property
    def drawdown(self) -> Decimal:
        """Dollars below the highest value of the curve, negative or 0."""
        return Decimal(str(min(0.0, float(self.latest) - self._highest())))

    @property
    def max_drawdown(self) -> Decimal:
        """The deepest fall of the curve from a highest value before it, negative or 0."""
        highest, deepest = float("-inf"), 0.0
        for _, value in [*self.curve, (0, float(self.latest))]:
            highest = max(highest, value)
            deepest = min(deepest, value - highest)
        return Decimal(str(round(deepest, 2)))

    @property
    def day_spark(self) -> str:
        """The day's result after each fill."""
        return sparks.line(list(accumulate((float(entry.net) for entry in self.today), initial=0.0)))

    @property
    def equity_spark(self) -> str:
        return sparks.line([value for _, value in self.curve])

    def _highest(self) -> float:
        return max([value for _, value in self.curve], default=float(self.latest))

    @property
    def won(self) -> int | None:
        """Percent of the closing fills that won after fees, None where nothing was closed."""
        closings = sum(total.closings for total in self.days.values())
        won = sum(total.won for total in self.days.values())
        return round(100 * won / closings) if closings else None


def held_by(bot: Bot, book: Book, marks: Marks) -> Held:
    """Return what a bot's position would bring at the newest price that an alert told.

    By the fills where they come to what is held; else, as after an adoption, by the average price.
    """
    state = bot.state
    mark, marked_at = marks.get(bot.instrument.root, (None, None))
    if not state.quantity:
        return Held(mark, marked_at, None)
    lots = book.lots.get((bot.account_id, state.contract), ())
    if held(lots) == state.quantity:
        open_now = profit.open_profit(lots, bot.instrument, mark)
    elif mark is None or state.average_price is None:
        open_now = None
    else:
        open_now = (mark - state.average_price) * state.quantity * bot.instrument.point_value
    return Held(mark, marked_at, open_now)


def result_of(shown: Shown, book: Book, held: Sequence[Held], now: datetime) -> Result:
    """Return what the shown accounts and bots came to. `held` are their positions."""
    today = book.of(shown.start, shown.end, **shown.keys)
    positions = [position.open for position in held if position.open is not None]
    told = Told() if shown.bot else _told(shown, now)
    return Result(
        realised=profit.net(today),
        open=sum(positions, Decimal()),
        equity=told.equity,
        equity_read_at=told.read_at,
        broker_profit=told.profit if shown.is_today else None,
        days=book.days(**shown.keys),
        latest_entries=_whole_days(book.of(**shown.keys)),
        today=today,
        lacking=_lacking(today),
        is_today=shown.is_today,
    )


def _whole_days(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the last fills, so many that the first of them is the first of its day."""
    if len(entries) <= FINE:
        return entries
    cut = entries[-FINE - 1].day
    return [entry for entry in entries[-FINE:] if entry.day > cut]


def _lacking(entries: Sequence[Entry]) -> str:
    """Return what the result of some entries leaves out."""
    if any(entry.gross is None for entry in entries):
        return "a gain is not known"
    return "fees not known yet" if any(entry.fee is None for entry in entries) else ""


@dataclass(frozen=True)
class Told:
    """What accounts are worth and won in this session by the broker's word, and when the oldest was read."""

    equity: Decimal | None = None
    profit: Decimal | None = None
    read_at: datetime | None = None


def _told(shown: Shown, now: datetime) -> Told:
    """Return the broker's figures of the shown accounts, nothing where one of them is not current."""
    accounts: list[Account] = [shown.account] if shown.account else shown.accounts
    reads = [account.cash_read_at for account in accounts if account.cash_read_at]
    if not accounts or len(reads) < len(accounts) or now - min(reads) > CURRENT_FOR:
        return Told()
    figures = [Kept.from_json(account.cash) for account in accounts]
    return Told(
        _sum([figure.net_liquidation for figure in figures]),
        _sum([figure.profit for figure in figures]),
        min(reads),
    )


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    return None if None in values else sum((value for value in values if value is not None), Decimal())
