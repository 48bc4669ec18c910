"""What contracts cost at the broker, and what it enforces for an account. Dollars."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class ContractCosts:
    """Dollars for one contract: `fee` on each side, `initial_margin` overnight. None: not told."""

    fee: Decimal | None
    initial_margin: Decimal | None


@dataclass(frozen=True)
class OuterWall:
    """What the broker enforces though the desk is dead; None for what it does not.

    `daily_loss` is the dollars at which it liquidates, `position` the contracts that the whole
    account may hold either way.
    """

    daily_loss: Decimal | None
    position: int | None
