"""What a fill does to a position: first-in-first-out pairs, net size, average price, realised profit."""

from collections import deque
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from broker.paper.market import dates
from broker.paper.market.products import Catalog
from broker.paper.records.rows import Action, Fill, FillPair, Position
from broker.paper.records.tables import Tables

ZERO = Decimal(0)


class Positions:
    """Positions of all accounts, kept as rows; open lots are found again from the fills."""

    def __init__(self, tables: Tables, catalog: Catalog) -> None:
        self._tables = tables
        self._catalog = catalog
        self._lots: dict[tuple[int, int], deque[int]] = {}
        self._by_contract: dict[tuple[int, int], int] = {}

    def restore(self) -> None:
        """Find the open lots in rows that came from the journal."""
        for fill in self._tables.fills:
            if fill.qty > fill.finally_paired:
                account_id = self._tables.orders[fill.order_id].account_id
                self._lots_of(account_id, fill.contract_id).append(fill.id)
        for position in self._tables.positions:
            self._by_contract[position.account_id, position.contract_id] = position.id

    def net(self, account_id: int, contract_id: int) -> int:
        """Return signed contracts held."""
        position_id = self._by_contract.get((account_id, contract_id))
        return self._tables.positions[position_id].net_pos if position_id else 0

    def apply(self, account_id: int, fill: Fill) -> Decimal:
        """Return what a new fill realises, in dollars before fees.

        It is paired with open lots of the other side, and its position moves.
        """
        self._tables.fills.put(fill)
        position = self._position(account_id, fill)
        points = self._pair(position, fill)
        position = _moved(position, fill)
        self._tables.positions.put(replace(position, net_price=self.average(account_id, fill.contract_id)))
        return points * self._catalog.terms(fill.contract_id).point_value

    def roll(self, now: datetime) -> None:
        """Carry the open positions over into the trade date."""
        today = dates.trade_date(now)
        for position in self._tables.positions:
            if position.net_pos and position.trade_date != today:
                self._tables.positions.put(replace(_rolled(position, today), timestamp=now))

    def average(self, account_id: int, contract_id: int) -> Decimal | None:
        """Return the average price of the open lots, None when flat."""
        lots = self._open_lots(account_id, contract_id)
        size = sum(abs(quantity) for quantity, _ in lots)
        return sum((abs(quantity) * price for quantity, price in lots), ZERO) / size if size else None

    def open_profit(self, position: Position, mark: Decimal) -> Decimal:
        """Return what closing a position at `mark` would realise, in dollars and before fees."""
        lots = self._open_lots(position.account_id, position.contract_id)
        points = sum((quantity * (mark - price) for quantity, price in lots), ZERO)
        return points * self._catalog.terms(position.contract_id).point_value

    def _position(self, account_id: int, fill: Fill) -> Position:
        key = account_id, fill.contract_id
        if position_id := self._by_contract.get(key):
            return _rolled(self._tables.positions[position_id], fill.trade_date)
        self._by_contract[key] = self._tables.new_id()
        return Position(
            id=self._by_contract[key],
            account_id=account_id,
            contract_id=fill.contract_id,
            timestamp=fill.timestamp,
            trade_date=fill.trade_date,
            net_pos=0,
            bought=0,
            bought_value=ZERO,
            sold=0,
            sold_value=ZERO,
            prev_pos=0,
        )

    def _pair(self, position: Position, fill: Fill) -> Decimal:
        """Close the oldest lots that face a fill, keep its rest as a lot, and return the points realised."""
        fills, points = self._tables.fills, ZERO
        lots = self._lots_of(position.account_id, fill.contract_id)
        while lots and fills[lots[0]].action is not fill.action and fill.finally_paired < fill.qty:
            lot = fills[lots[0]]
            quantity = min(lot.qty - lot.finally_paired, fill.qty - fill.finally_paired)
            lot = fills.put(replace(lot, finally_paired=lot.finally_paired + quantity))
            fill = fills.put(replace(fill, finally_paired=fill.finally_paired + quantity))
            if lot.finally_paired == lot.qty:
                lots.popleft()
            points += self._put_pair(position.id, lot, fill, quantity)
        if fill.finally_paired < fill.qty:
            lots.append(fill.id)
        return points

    def _put_pair(self, position_id: int, lot: Fill, fill: Fill, quantity: int) -> Decimal:
        buy, sell = (lot, fill) if lot.action is Action.BUY else (fill, lot)
        pair_id = self._tables.new_id()
        self._tables.fill_pairs.put(
            FillPair(pair_id, position_id, buy.id, sell.id, quantity, buy.price, sell.price, active=True)
        )
        return (sell.price - buy.price) * quantity

    def _lots_of(self, account_id: int, contract_id: int) -> deque[int]:
        return self._lots.setdefault((account_id, contract_id), deque())

    def _open_lots(self, account_id: int, contract_id: int) -> list[tuple[int, Decimal]]:
        fills = (self._tables.fills[fill_id] for fill_id in self._lots_of(account_id, contract_id))
        return [(fill.action.sign * (fill.qty - fill.finally_paired), fill.price) for fill in fills]


def _rolled(position: Position, trade_date: date) -> Position:
    """Return a position as the trade date opens with it: carried over, day counters at zero."""
    if position.trade_date == trade_date:
        return position
    return replace(
        position,
        trade_date=trade_date,
        bought=0,
        bought_value=ZERO,
        sold=0,
        sold_value=ZERO,
        prev_pos=position.net_pos,
        prev_price=position.net_price,
    )


def _moved(position: Position, fill: Fill) -> Position:
    buys = fill.action is Action.BUY
    bought, sold = (fill.qty, 0) if buys else (0, fill.qty)
    return replace(
        position,
        timestamp=fill.timestamp,
        net_pos=position.net_pos + bought - sold,
        bought=position.bought + bought,
        bought_value=position.bought_value + bought * fill.price,
        sold=position.sold + sold,
        sold_value=position.sold_value + sold * fill.price,
    )
