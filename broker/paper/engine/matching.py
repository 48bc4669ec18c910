"""The market as orders meet it: what fills when, at which price, in which parts, and what follows."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from broker.paper.engine import triggers
from broker.paper.engine.brackets import Brackets
from broker.paper.engine.money import Money
from broker.paper.engine.orders import IN_MARKET, Orders, Trade
from broker.paper.engine.positions import Positions
from broker.paper.engine.requests import Refusal
from broker.paper.market import dates
from broker.paper.market.prices import Prices
from broker.paper.records.rows import (
    CommandStatus,
    Fill,
    Order,
    OrderType,
    OrderVersion,
    OrdStatus,
    Progress,
    TimeInForce,
)

AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
THROUGH = Refusal("InvalidPrice", "The stop price is already through the market.")


class Market:
    """Fills orders at the last price of their product, and keeps those that rest indexed by product.

    A market order moves the market one step and trades there. A stop trades where the market stands when it
    is reached, a resting limit order at its limit, one that can trade on arrival at the better market price.
    """

    def __init__(
        self, orders: Orders, brackets: Brackets, positions: Positions, money: Money, prices: Prices
    ) -> None:
        self._orders = orders
        self._brackets = brackets
        self._positions = positions
        self._money = money
        self._prices = prices
        self._resting: dict[int, dict[int, None]] = {}

    def refusal(self, order: Order, version: OrderVersion) -> Refusal | None:
        """Return why the exchange would not take an order with a stop: it must not be reached already."""
        stop = version.stop_price
        if version.order_type not in triggers.STOPS or stop is None:
            return None
        reached = triggers.is_reached(order.action, stop, self._prices.last(order.contract_id))
        return THROUGH if reached else None

    def enter(self, order_id: int, now: datetime) -> None:
        """Let an order meet the market, or meet it again under other terms; what does not fill rests."""
        order = self._orders.tables.orders[order_id]
        if order.ord_status not in IN_MARKET:
            return
        before = self._prices.last(order.contract_id)
        self._meet(order, now, arriving=True)
        product_id = self._prices.product_id(order.contract_id)
        if self._is_in_market(order_id):
            self._resting.setdefault(product_id, {})[order_id] = None
        if self._prices.last(order.contract_id) != before:
            self.run(product_id, now, besides=order_id)

    def resume(self, order_id: int, now: datetime) -> None:
        """Bring an order from the journal back: it meets the market unless it has begun to fill."""
        order = self._orders.tables.orders[order_id]
        if self._orders.filled(order_id):
            self._resting.setdefault(self._prices.product_id(order.contract_id), {})[order_id] = None
        else:
            self.enter(order_id, now)

    def run(self, product_id: int, now: datetime, besides: int | None = None) -> None:
        """Let the resting orders of a product see its last price, the oldest first."""
        resting = self._resting.get(product_id)
        if not resting:
            return
        for order_id in sorted(resting):
            if not self._is_in_market(order_id):
                resting.pop(order_id, None)
            elif order_id != besides:
                self._meet(self._orders.tables.orders[order_id], now, arriving=False)

    def release(self, order_id: int, quantity: int | None, now: datetime) -> None:
        """Let an order go on that is held or comes in parts: by a quantity, or without one as far as it goes.

        A quantity fills whatever the market's price; without one the order meets the market unheld.
        """
        order, progress = self._orders.tables.orders[order_id], self._orders.progress(order_id)
        if quantity is None:
            self._orders.keep_progress(replace(progress, held=False))
            self.enter(order_id, now)
        elif order.ord_status in IN_MARKET:
            limit = triggers.limit_of(self._orders.version(order_id))
            price = self._prices.last(order.contract_id) if limit is None else limit
            self._fill(order, min(quantity, self._orders.remaining(order_id)), price, now)

    def _is_in_market(self, order_id: int) -> bool:
        return self._orders.tables.orders[order_id].ord_status in IN_MARKET

    def _meet(self, order: Order, now: datetime, *, arriving: bool) -> None:
        version = self._orders.version(order.id)
        progress = self._follow(order, version)
        if progress.held:
            return
        price = self._price(order, version, progress, arriving=arriving)
        if price is not None:
            self._take(order, version, price, now)
        elif version.time_in_force in AT_ONCE:
            self._give_up(order, now)

    def _follow(self, order: Order, version: OrderVersion) -> Progress:
        """Draw a trailing stop along and note a stop that is reached."""
        progress = self._orders.progress(order.id)
        if progress.triggered or version.order_type not in triggers.WAITING:
            return progress
        last = self._prices.last(order.contract_id)
        stop = version.stop_price
        if version.peg_difference is not None:
            stop = triggers.trailed(order.action, progress.stop or stop, abs(version.peg_difference), last)
            progress = replace(progress, stop=stop)
        progress = replace(
            progress, triggered=triggers.is_triggered(order.action, version, stop, last) and not progress.held
        )
        self._orders.keep_progress(progress)
        return progress

    def _price(
        self, order: Order, version: OrderVersion, progress: Progress, *, arriving: bool
    ) -> Decimal | None:
        """Return the price an order trades at now, None where it does not."""
        if version.order_type is OrderType.MARKET and arriving:
            return self._prices.trade(order.contract_id)
        last, limit = self._prices.last(order.contract_id), triggers.limit_of(version)
        if version.order_type in triggers.WAITING and not progress.triggered:
            return None
        if limit is None:
            return last
        if not triggers.is_met(order.action, limit, last):
            return None
        return last if arriving or version.order_type is OrderType.STOP_LIMIT else limit

    def _take(self, order: Order, version: OrderVersion, price: Decimal, now: datetime) -> None:
        """Fill an order at a price, whole or its next part; what must fill at once gives up the rest."""
        progress = self._orders.progress(order.id)
        left = self._orders.remaining(order.id)
        quantity = min(progress.parts[0], left) if progress.parts else left
        if version.time_in_force is TimeInForce.FOK and quantity < left:
            self._give_up(order, now)
            return
        if progress.parts:
            self._orders.keep_progress(replace(progress, parts=progress.parts[1:]))
        self._fill(order, quantity, price, now)
        if version.time_in_force in AT_ONCE and quantity < left:
            self._give_up(self._orders.tables.orders[order.id], now)

    def _give_up(self, order: Order, now: datetime) -> None:
        if order.ord_status in IN_MARKET:
            origin = self._orders.origin(order.id)
            order = self._orders.cancel(self._orders.new_command(order.id, "Cancel", origin, now), now)
            self._brackets.ended(order, now)

    def _fill(self, order: Order, quantity: int, price: Decimal, now: datetime) -> None:
        tables = self._orders.tables
        before = tables.fills.of(order.id)
        filled = quantity + sum(fill.qty for fill in before)
        value = quantity * price + sum((fill.qty * fill.price for fill in before), Decimal(0))
        fill = Fill(
            id=tables.new_id(),
            order_id=order.id,
            contract_id=order.contract_id,
            timestamp=now,
            trade_date=dates.trade_date(now),
            action=order.action,
            qty=quantity,
            price=price,
            active=True,
            finally_paired=0,
        )
        if filled == self._orders.version(order.id).order_qty:
            order = self._orders.set_status(order, OrdStatus.FILLED)
        self._orders.execution(order.id, "Trade", order, now, Trade(quantity, price, filled, value / filled))
        self._money.book(order.account_id, fill, self._positions.apply(order.account_id, fill))
        self._let_in(self._brackets.filled(order, quantity, now), now)

    def _let_in(self, leg_ids: list[int], now: datetime) -> None:
        """Let bracket legs into the market, all of them before any meets it."""
        for leg_id in leg_ids:
            refusal = self.refusal(self._orders.tables.orders[leg_id], self._orders.version(leg_id))
            if refusal:
                self._orders.reject(leg_id, CommandStatus.EXECUTION_REJECTED, refusal, now)
            else:
                self._orders.start(leg_id, now)
        for leg_id in leg_ids:
            self.enter(leg_id, now)
