"""Orders with more than one leg, and orders as the broker has them with all that belongs to them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from broker.base import BrokerFill, BrokerOrderStatus, Side
from broker.terms import Terms


@dataclass(frozen=True)
class Leg:
    """An order that depends on another one and takes its account, contract and quantity."""

    side: Side
    terms: Terms
    client_order_id: str


@dataclass(frozen=True)
class PlacedBracket:
    """The broker's ids of an entry and its legs, in their order; none where the broker does not tell them."""

    entry_id: int
    leg_ids: tuple[int, ...]


@dataclass(frozen=True)
class BrokerOrder:
    """An order joined from all the broker's rows about it.

    `quantity` and `terms` are those in force; None where the broker does not tell them, and `terms` also
    where they are of a kind that this desk does not know. `contract_id` is None for a spread. `parent_id` is
    the entry of a leg, `oco_id` the order that cancels this one. `fills` are the standing ones, oldest first.
    """

    id: int
    account_id: int
    contract_id: int | None
    side: Side
    status: BrokerOrderStatus
    created_at: datetime
    quantity: int | None
    terms: Terms | None
    client_order_id: str
    fills: tuple[BrokerFill, ...] = ()
    reject_reason: str = ""
    parent_id: int | None = None
    oco_id: int | None = None
    linked_id: int | None = None

    @property
    def filled_quantity(self) -> int:
        return sum(fill.quantity for fill in self.fills)

    @property
    def average_price(self) -> Decimal | None:
        """The mean price of the fills, weighted by quantity; None before the first."""
        if not self.fills:
            return None
        return sum(fill.quantity * fill.price for fill in self.fills) / Decimal(self.filled_quantity)


class CommandState(StrEnum):
    """`UNKNOWN` covers words that say neither done nor refused: look at the order."""

    PENDING = "pending"
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CommandOutcome:
    """What became of a modification or a cancellation, with the broker's reason if it was refused."""

    state: CommandState
    reason: str = ""
