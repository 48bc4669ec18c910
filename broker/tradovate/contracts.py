"""Contracts as the port sees them, joined from Tradovate's contract, maturity and product rows.

Rows that never change are read once. Which month is the front one changes: that is believed for ten minutes.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from broker.base import BrokerContract, BrokerRefused
from broker.tradovate import parse

FRONT_MONTH_LASTS = timedelta(minutes=10)


class ContractBook:
    """Looks contracts up and remembers them. Threads may share it: at worst two of them ask the same."""

    def __init__(self, read: Callable[[str, float], Any], now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._contracts: dict[str | int, parse.Contract] = {}
        self._products: dict[str | int, parse.Product] = {}
        self._maturities: dict[int, tuple[datetime, parse.Maturity]] = {}
        self._fronts: dict[str, tuple[datetime, BrokerContract]] = {}

    def front(self, root: str, deadline: float) -> BrokerContract:
        """GET /product/find, /contractMaturity/deps, /contract/deps"""
        now = self._now()
        known = self._fronts.get(root)
        if known and now - known[0] < FRONT_MONTH_LASTS:
            return known[1]
        product = self._product(root, f"/product/find?name={quote(root)}", deadline)
        maturities = parse.rows(
            self._read(f"/contractMaturity/deps?masterid={product.id}", deadline), parse.maturity
        )
        fronts = [maturity for maturity in maturities if maturity.is_front]
        if not fronts:
            raise BrokerRefused("", f"no front month of {root}")
        maturity = min(fronts, key=lambda front: front.expires_on)
        contracts = parse.rows(self._read(f"/contract/deps?masterid={maturity.id}", deadline), parse.contract)
        row = next((row for row in contracts if row.name.startswith(root)), None)
        if row is None:
            raise BrokerRefused("", f"no contract of {root} for its front month")
        contract = _join(self._keep(row), maturity, product)
        self._fronts[root] = (now, contract)
        self._maturities[maturity.id] = (now, maturity)
        return contract

    def named(self, name: str, deadline: float) -> BrokerContract:
        """GET /contract/find, then as `numbered`"""
        row = self._contracts.get(name)
        if row is None:
            row = self._keep(parse.contract(self._read(f"/contract/find?name={quote(name)}", deadline)))
        return self._complete(row, deadline)

    def numbered(self, contract_id: int, deadline: float) -> BrokerContract:
        """GET /contract/item, /contractMaturity/item, /product/item"""
        row = self._contracts.get(contract_id)
        if row is None:
            row = self._keep(parse.contract(self._read(f"/contract/item?id={contract_id}", deadline)))
        return self._complete(row, deadline)

    def _complete(self, row: parse.Contract, deadline: float) -> BrokerContract:
        maturity = self._maturity(row.maturity_id, deadline)
        product = self._product(maturity.product_id, f"/product/item?id={maturity.product_id}", deadline)
        return _join(row, maturity, product)

    def _maturity(self, maturity_id: int, deadline: float) -> parse.Maturity:
        now = self._now()
        known = self._maturities.get(maturity_id)
        if known and now - known[0] < FRONT_MONTH_LASTS:
            return known[1]
        maturity = parse.maturity(self._read(f"/contractMaturity/item?id={maturity_id}", deadline))
        self._maturities[maturity_id] = (now, maturity)
        return maturity

    def _product(self, key: str | int, path: str, deadline: float) -> parse.Product:
        product = self._products.get(key)
        if product is None:
            product = parse.product(self._read(path, deadline))
            self._products[product.id] = self._products[product.name] = product
        return product

    def _keep(self, row: parse.Contract) -> parse.Contract:
        self._contracts[row.id] = self._contracts[row.name] = row
        return row


def _join(row: parse.Contract, maturity: parse.Maturity, product: parse.Product) -> BrokerContract:
    return BrokerContract(
        id=row.id,
        name=row.name,
        product=product.name,
        tick_size=product.tick_size,
        point_value=product.point_value,
        expires_on=maturity.expires_on,
        is_front=maturity.is_front,
    )
