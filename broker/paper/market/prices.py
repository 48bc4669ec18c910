"""The market that the paper broker makes up: one seeded random walk for each product, in whole ticks."""

from decimal import Decimal, InvalidOperation
from hashlib import blake2b

from broker.paper.market.products import Catalog
from broker.paper.records.rows import Price
from broker.paper.records.tables import Table

MOST_TICKS_A_STEP = 2
HIGHEST_PRICE = Decimal(10_000_000)


class Prices:
    """Last prices of all products. The n-th step of a product depends on seed, product and n alone."""

    def __init__(self, seed: int, catalog: Catalog, table: Table[Price]) -> None:
        self._seed = seed
        self._catalog = catalog
        self._table = table

    def product_id(self, contract_id: int) -> int:
        """Return the product of a contract: its months share one price."""
        return self._catalog.product_id(contract_id)

    def last(self, contract_id: int) -> Decimal:
        """Return the last price of the contract's product."""
        return self._last(self._catalog.product_id(contract_id))

    def move_to(self, product_id: int, price: Decimal) -> None:
        """Set the last price of a product, snapped to its tick."""
        self._store(product_id, price, steps=0)

    def trade(self, contract_id: int) -> Decimal:
        """Walk one step and return the price that an order gets there."""
        return self.walk(self._catalog.product_id(contract_id))

    def walk(self, product_id: int) -> Decimal:
        """Move a product's market one step and return its price."""
        row = self._table.get(product_id)
        ticks = self._step(product_id, row.step + 1 if row else 1)
        tick = self._catalog.product_terms(product_id).tick
        return self._store(product_id, self._last(product_id) + ticks * tick, steps=1)

    def _last(self, product_id: int) -> Decimal:
        row = self._table.get(product_id)
        return row.last if row else self._catalog.product_terms(product_id).base_price

    def _store(self, product_id: int, price: Decimal, steps: int) -> Decimal:
        tick = self._catalog.product_terms(product_id).tick
        last = max(tick, (price / tick).to_integral_value() * tick)
        row = self._table.get(product_id)
        self._table.put(Price(product_id, last, (row.step if row else 0) + steps))
        return last

    def _step(self, product_id: int, number: int) -> int:
        digest = blake2b(f"{self._seed}/{product_id}/{number}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % (2 * MOST_TICKS_A_STEP + 1) - MOST_TICKS_A_STEP


def parse_price(text: str | None) -> Decimal | None:
    """Return the price in a header, or None where it is missing, no number or out of all reason."""
    try:
        price = Decimal(text or "")
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 < price < HIGHEST_PRICE else None
