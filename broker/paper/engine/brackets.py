"""Orders tied to each other: bracket legs follow their entry's fills, one of a pair gives way to the other.

The sizes of legs are not documented by Tradovate. Here they protect what the entry has filled and never
more: they grow with it, and a leg that fills takes as much from its sibling. When a leg has closed all that
is filled of an entry that still works, the rest of the entry is cancelled: it would fill unprotected.
"""

from datetime import datetime

from broker.paper.engine.orders import ALIVE, Orders
from broker.paper.engine.requests import Refusal
from broker.paper.records.rows import CommandStatus, Order, OrdStatus

PARENT_REJECTED = Refusal("ParentRejected", "The order that this one was tied to was rejected.")


class Brackets:
    """What a fill or the end of an order does to the orders tied to it."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def filled(self, order: Order, quantity: int, now: datetime) -> list[int]:
        """Carry a fill on to the tied orders and return the legs that it lets into the market."""
        if order.parent_id is not None:
            self._leg_filled(order, order.parent_id, now)
        elif order.oco_id is not None:
            self._one_filled(order, order.oco_id, quantity, now)
        return self._protect(order, now)

    def ended(self, order: Order, now: datetime) -> None:
        """End the legs of an entry that was cancelled, rejected or expired before any fill."""
        if self._orders.filled(order.id):
            return
        for leg in self._orders.legs(order.id):
            if leg.ord_status not in ALIVE:
                continue
            if order.ord_status is OrdStatus.REJECTED:
                self._orders.reject(leg.id, CommandStatus.RISK_REJECTED, PARENT_REJECTED, now)
            else:
                self._cancel(leg.id, now)

    def open_part(self, entry_id: int) -> int:
        """Return how much of what an entry filled its legs have not closed yet."""
        closed = sum(self._orders.filled(leg.id) for leg in self._orders.legs(entry_id))
        return self._orders.filled(entry_id) - closed

    def _protect(self, entry: Order, now: datetime) -> list[int]:
        released = []
        for leg in self._orders.legs(entry.id):
            if leg.ord_status in ALIVE:
                size = self._orders.filled(leg.id) + self.open_part(entry.id)
                self._orders.resize(leg.id, size, now)
                if leg.ord_status is OrdStatus.SUSPENDED:
                    released.append(leg.id)
        return released

    def _leg_filled(self, leg: Order, entry_id: int, now: datetime) -> None:
        left = self.open_part(entry_id)
        if not left:
            self._cancel(entry_id, now)
        if leg.oco_id is None:
            return
        room = self._orders.filled(leg.oco_id) + left
        self._shrink(leg.oco_id, min(room, self._orders.version(leg.oco_id).order_qty), now)

    def _one_filled(self, order: Order, other_id: int, quantity: int, now: datetime) -> None:
        over = order.ord_status is OrdStatus.FILLED
        self._shrink(other_id, 0 if over else self._orders.version(other_id).order_qty - quantity, now)

    def _shrink(self, order_id: int, quantity: int, now: datetime) -> None:
        if quantity <= self._orders.filled(order_id):
            self._cancel(order_id, now)
        elif self._orders.tables.orders[order_id].ord_status in ALIVE:
            self._orders.resize(order_id, quantity, now)

    def _cancel(self, order_id: int, now: datetime) -> None:
        if self._orders.tables.orders[order_id].ord_status in ALIVE:
            self._orders.cancel(
                self._orders.new_command(order_id, "Cancel", self._orders.origin(order_id), now), now
            )
