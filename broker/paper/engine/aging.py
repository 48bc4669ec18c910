"""What time does to the book: sessions end and begin, orders expire, contracts are settled, days roll."""

from datetime import datetime

from broker.paper.engine.brackets import Brackets
from broker.paper.engine.matching import Market
from broker.paper.engine.money import Money
from broker.paper.engine.orders import IN_MARKET, Orders
from broker.paper.engine.positions import Positions
from broker.paper.market import dates, hours
from broker.paper.market.products import Catalog
from broker.paper.records.rows import CommandStatus, Order, OrdStatus, TimeInForce


class Aging:
    """Decides by rows and clock alone, so that a broker that was down catches up when it comes back."""

    def __init__(
        self,
        orders: Orders,
        brackets: Brackets,
        positions: Positions,
        money: Money,
        market: Market,
        catalog: Catalog,
        *,
        sessions: bool,
    ) -> None:
        self._orders = orders
        self._brackets = brackets
        self._positions = positions
        self._money = money
        self._market = market
        self._catalog = catalog
        self._sessions = sessions

    def is_closed(self, now: datetime) -> bool:
        """Say whether the exchange takes no orders now."""
        return self._sessions and not hours.is_open(now)

    def pass_time(self, now: datetime) -> None:
        """Bring days and orders up to date."""
        self._positions.roll(now)
        self._money.roll(now)
        for order in self._orders.alive():
            self._age(self._orders.tables.orders[order.id], now)

    def expired_positions(self, now: datetime) -> list[tuple[int, int, int]]:
        """Return account, contract and signed size of what is still held in contracts that trade no more."""
        return [
            (position.account_id, position.contract_id, position.net_pos)
            for position in self._orders.tables.positions
            if position.net_pos
            and self._catalog.is_expired(self._catalog.contracts[position.contract_id], now)
        ]

    def _age(self, order: Order, now: datetime) -> None:
        if order.ord_status is not OrdStatus.SUSPENDED and order.ord_status not in IN_MARKET:
            return
        if self._is_over(order, now):
            self._brackets.ended(self._orders.expire(order.id, now), now)
        elif self._sessions and not self._waits_for_entry(order):
            self._keep_hours(order, now)

    def _is_over(self, order: Order, now: datetime) -> bool:
        version = self._orders.version(order.id)
        if self._catalog.is_expired(self._catalog.contracts[order.contract_id], now):
            return True
        if version.time_in_force is TimeInForce.GTD:
            return version.expire_time is not None and version.expire_time <= now
        if not self._sessions or version.time_in_force is TimeInForce.GTC or self._waits_for_entry(order):
            return False
        return not hours.is_open(now) or dates.trade_date(self._since(order)) < dates.trade_date(now)

    def _keep_hours(self, order: Order, now: datetime) -> None:
        is_open, suspended = hours.is_open(now), order.ord_status is OrdStatus.SUSPENDED
        if is_open and suspended:
            self._orders.start(order.id, now)
            self._market.enter(order.id, now)
        elif not is_open and not suspended:
            self._orders.suspend(order.id, CommandStatus.EXECUTION_SUSPENDED, now)

    def _waits_for_entry(self, order: Order) -> bool:
        return order.parent_id is not None and not self._orders.filled(order.parent_id)

    def _since(self, order: Order) -> datetime:
        """Return when an order came to work: a leg does with the last fill of its entry."""
        if order.parent_id is None:
            return order.timestamp
        return self._orders.tables.fills.last_of(order.parent_id).timestamp
