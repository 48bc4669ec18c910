"""Round trips by the desk's own fills: each fill that closed something, with what it closed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tradedesk.selectors.ledger import Entry

SIDES = 2


@dataclass(frozen=True)
class Trade:
    """Contracts that one fill closed. Prices in points, dollars with their sign; None for what is not known.

    `quantity` is what was held: long is positive. `fees` are those of both sides.
    """

    closed_at: datetime
    account_id: UUID
    bot_id: UUID | None
    order_id: UUID
    contract: str
    quantity: int
    entry_price: Decimal | None
    exit_price: Decimal
    gross: Decimal | None
    fees: Decimal | None

    @property
    def net(self) -> Decimal | None:
        """Dollars after the fees of both sides."""
        return None if self.gross is None else self.gross - (self.fees or Decimal())


def trades(entries: Iterable[Entry]) -> Iterator[Trade]:
    """Yield the trades that some entries closed, in their order."""
    for entry in entries:
        if entry.closed:
            yield _trade(entry)


def _trade(entry: Entry) -> Trade:
    side = -1 if entry.quantity > 0 else 1
    entry_price = None if entry.points is None else entry.price - side * entry.points / entry.closed
    fee = None if entry.fee is None else entry.fee / abs(entry.quantity)
    return Trade(
        closed_at=entry.at,
        account_id=entry.account_id,
        bot_id=entry.bot_id,
        order_id=entry.order_id,
        contract=entry.contract,
        quantity=side * entry.closed,
        entry_price=entry_price,
        exit_price=entry.price,
        gross=entry.gross,
        fees=None if fee is None else fee * entry.closed * SIDES,
    )
