"""What an order asks of the market."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(StrEnum):
    """How long an order stands: the session, until cancelled, until a moment, at once or never."""

    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


PRICES_OF: Mapping[OrderType, frozenset[str]] = {
    OrderType.MARKET: frozenset(),
    OrderType.LIMIT: frozenset({"price"}),
    OrderType.STOP: frozenset({"stop_price"}),
    OrderType.STOP_LIMIT: frozenset({"price", "stop_price"}),
    OrderType.TRAILING_STOP: frozenset({"stop_price", "trail"}),
}


@dataclass(frozen=True)
class Terms:
    """A type with the prices that belong to it (`PRICES_OF`), in points and on the tick grid.

    `trail` is the distance that a trailing stop keeps, in points. `expires_at` belongs to GTD only and is
    aware. Raises ValueError where a price is missing, superfluous or no number.
    """

    type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        prices = {"price": self.price, "stop_price": self.stop_price, "trail": self.trail}
        given = {name: price for name, price in prices.items() if price is not None}
        if given.keys() != PRICES_OF[self.type]:
            needed = " and ".join(sorted(PRICES_OF[self.type])) or "no price"
            raise ValueError(f"{self.type} takes {needed}, not {' and '.join(sorted(given)) or 'none'}")
        for name, price in given.items():
            if not price.is_finite():
                raise ValueError(f"{name} is no number: {price}")
        if (self.time_in_force is TimeInForce.GTD) != (self.expires_at is not None):
            raise ValueError("GTD, and nothing else, takes expires_at")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at has no time zone")


AT_MARKET = Terms()
