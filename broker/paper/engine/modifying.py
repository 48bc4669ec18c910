"""What a Modify command may change, and what it does."""

from dataclasses import replace
from datetime import datetime

from broker.paper.engine import terms
from broker.paper.engine.brackets import Brackets
from broker.paper.engine.matching import Market
from broker.paper.engine.orders import ALIVE, IN_MARKET, Orders
from broker.paper.engine.requests import Refusal
from broker.paper.engine.risk import Risk
from broker.paper.market.products import Catalog
from broker.paper.records.rows import CommandStatus, Order, OrderType, OrderVersion, TimeInForce

SIZE_ONLY = Refusal("TrailingStopNonOrderQtyModify", "Only the quantity of a trailing stop can be modified.")
NOTHING_LEFT = Refusal("OtherExecutionRelated", "The order has filled as much as that already.")
SAME_VALIDITY = Refusal("OtherExecutionRelated", "The time in force of a GTC order must be sent again.")
LEG_SIZE = Refusal("OtherExecutionRelated", "A bracket leg cannot be larger than what its entry holds open.")


class Modifying:
    """Carries Modify commands out. A refused one leaves the old terms in force."""

    def __init__(
        self, orders: Orders, brackets: Brackets, market: Market, risk: Risk, catalog: Catalog
    ) -> None:
        self._orders = orders
        self._brackets = brackets
        self._market = market
        self._risk = risk
        self._catalog = catalog

    def modify(self, command_id: int, order: Order, now: datetime) -> None:
        """Put the terms that a pending command asks for in force, or report why not."""
        version = self._orders.tables.drafts[command_id]
        status, refusal = self._refusal(order, version, now)
        if refusal:
            order = self._orders.settle_status(order)
            self._orders.report(command_id, status, order, now, refusal)
            return
        if version.order_type is not self._orders.version(order.id).order_type:
            progress = self._orders.progress(order.id)
            self._orders.keep_progress(replace(progress, triggered=False, stop=None))
        self._orders.replace_terms(command_id, version, now)
        if not self._orders.filled(order.id):
            self._resize_legs(order, version.order_qty, now)
        self._market.enter(order.id, now)

    def _resize_legs(self, order: Order, quantity: int, now: datetime) -> None:
        for leg in self._orders.legs(order.id):
            if leg.ord_status in ALIVE:
                self._orders.resize(leg.id, quantity, now)

    def _refusal(
        self, order: Order, version: OrderVersion, now: datetime
    ) -> tuple[CommandStatus, Refusal | None]:
        before = self._orders.version(order.id)
        tick = self._catalog.terms(order.contract_id).tick
        refusal = terms.refusal_of(version, tick) or self._size_refusal(order, version, before, now)
        if refusal:
            return CommandStatus.RISK_REJECTED, refusal
        return CommandStatus.EXECUTION_REJECTED, self._exchange_refusal(order, version, before)

    def _size_refusal(
        self, order: Order, version: OrderVersion, before: OrderVersion, now: datetime
    ) -> Refusal | None:
        filled = self._orders.filled(order.id)
        if order.parent_id is not None:
            return self._leg_refusal(order, order.parent_id, version, before)
        if version.order_qty <= before.order_qty:
            return None
        return self._risk.refusal(order, version.order_qty - filled, now)

    def _leg_refusal(
        self, leg: Order, entry_id: int, version: OrderVersion, before: OrderVersion
    ) -> Refusal | None:
        """Bind a leg's size to its entry: fixed while that is alive, then at most what is still open."""
        entry = self._orders.tables.orders[entry_id]
        if version.order_qty == before.order_qty:
            return None
        most = self._orders.filled(leg.id) + self._brackets.open_part(entry_id)
        return LEG_SIZE if entry.ord_status in ALIVE or version.order_qty > most else None

    def _exchange_refusal(self, order: Order, version: OrderVersion, before: OrderVersion) -> Refusal | None:
        if version.order_qty <= self._orders.filled(order.id):
            return NOTHING_LEFT
        trailing = OrderType.TRAILING_STOP in (version.order_type, before.order_type)
        if trailing and terms.changes_more_than_size(version, before):
            return SIZE_ONLY
        if before.time_in_force is TimeInForce.GTC and version.time_in_force is None:
            return SAME_VALIDITY
        waits = not self._orders.progress(order.id).triggered
        return self._market.refusal(order, version) if waits and order.ord_status in IN_MARKET else None
