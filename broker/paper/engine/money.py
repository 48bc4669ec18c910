"""The money of accounts: cash after fees, realised and open profit, margin. Decimal throughout."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from broker.paper.engine.positions import Positions
from broker.paper.market import costs, dates
from broker.paper.market.prices import Prices
from broker.paper.market.products import USD, Catalog
from broker.paper.records.accounts import OPENED, STARTING_CASH
from broker.paper.records.risk_rows import MarginSnapshot
from broker.paper.records.rows import Account, CashBalance, Fill
from broker.paper.records.tables import Tables

FIRST_CASH_ID = 660_000_000_000
RISK_TIME_PERIOD = 1
ZERO = Decimal(0)


class Money:
    """Cash and margin of all accounts, kept as rows."""

    def __init__(self, tables: Tables, catalog: Catalog, positions: Positions, prices: Prices) -> None:
        self._tables = tables
        self._catalog = catalog
        self._positions = positions
        self._prices = prices

    def open(self, account: Account) -> None:
        """Give an account its first rows."""
        cash_id, day = FIRST_CASH_ID + account.id, dates.trade_date(OPENED)
        self._tables.cash_balances.load(
            CashBalance(cash_id, account.id, OPENED, day, USD, STARTING_CASH, ZERO, ZERO, STARTING_CASH)
        )
        self._tables.margins.load(
            MarginSnapshot(account.id, OPENED, RISK_TIME_PERIOD, ZERO, ZERO, ZERO, ZERO, ZERO)
        )

    def cash(self, account_id: int, now: datetime) -> CashBalance:
        """Return an account's money with the counters of today's trade date and week."""
        today, row = dates.trade_date(now), self._tables.cash_balances[FIRST_CASH_ID + account_id]
        if row.trade_date == today:
            return row
        same_week = _week(row.trade_date) == _week(today)
        return replace(
            row,
            timestamp=now,
            trade_date=today,
            realized_pnl=ZERO,
            week_realized_pnl=row.week_realized_pnl if same_week else ZERO,
            amount_sod=row.amount,
        )

    def book(self, account_id: int, fill: Fill, realised: Decimal) -> None:
        """Book what a fill realised, take its fees from cash, and measure the margin again."""
        root = self._catalog.terms(fill.contract_id).root
        fee = self._tables.fill_fees.put(costs.fill_fee(fill.id, root, fill.qty))
        before = self.cash(account_id, fill.timestamp)
        self._tables.cash_balances.put(
            replace(
                before,
                timestamp=fill.timestamp,
                amount=before.amount + realised - costs.total(fee),
                realized_pnl=before.realized_pnl + realised,
                week_realized_pnl=before.week_realized_pnl + realised,
            )
        )
        self._measure(account_id, fill.timestamp)

    def roll(self, now: datetime) -> None:
        """Start the trade date in the cash of every account."""
        for row in self._tables.cash_balances:
            rolled = self.cash(row.account_id, now)
            if rolled is not row:
                self._tables.cash_balances.put(rolled)

    def start_afresh(self, account_id: int, now: datetime) -> None:
        """Give an account the cash it began with."""
        row = replace(self.cash(account_id, now), timestamp=now, amount=STARTING_CASH, realized_pnl=ZERO)
        self._tables.cash_balances.put(replace(row, week_realized_pnl=ZERO, amount_sod=STARTING_CASH))

    def open_profit(self, account_id: int) -> Decimal:
        """Return what closing every position of an account at the last prices would realise."""
        return sum(
            (
                self._positions.open_profit(position, self._prices.last(position.contract_id))
                for position in self._tables.positions.of(account_id)
                if position.net_pos
            ),
            ZERO,
        )

    def day_margin(self, contract_id: int, quantity: int) -> Decimal:
        """Return the margin that a number of contracts needs during the day."""
        return costs.COSTS[self._catalog.terms(contract_id).root].day_margin * quantity

    def _measure(self, account_id: int, now: datetime) -> None:
        day = full = ZERO
        for position in self._tables.positions.of(account_id):
            if size := abs(position.net_pos):
                each = costs.COSTS[self._catalog.terms(position.contract_id).root]
                day += each.day_margin * size
                full += each.initial_margin * size
        self._tables.margins.put(
            MarginSnapshot(
                id=account_id,
                timestamp=now,
                risk_time_period_id=RISK_TIME_PERIOD,
                initial_margin=day,
                maintenance_margin=day,
                total_used_margin=day,
                full_initial_margin=full,
                position_margin=day,
            )
        )


def _week(day: date) -> tuple[int, int]:
    calendar = day.isocalendar()
    return calendar.year, calendar.week
