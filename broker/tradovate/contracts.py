"""Contracts as the port sees them, joined from Tradovate's contract, maturity and product rows.

Rows that never change are read once. Which month is the front one changes: that is believed for ten minutes.
"""

from collections.abc import Callable
from copy import copy
from datetime import datetime, timedelta
from typing import Self

from broker.base import BrokerContract, BrokerRefused
from broker.tradovate.calls import Calls
from broker.tradovate.reads import (
    CONTRACT_DEPS,
    CONTRACT_FIND,
    CONTRACT_ITEM,
    MATURITY_DEPS,
    MATURITY_ITEM,
    PRODUCT_FIND,
    PRODUCT_ITEM,
)
from broker.tradovate.rows.contracts import Contract, ContractMaturity, Product

FRONT_MONTH_LASTS = timedelta(minutes=10)


class ContractBook:
    """Looks contracts up and remembers them. Threads may share it: at worst two of them ask the same."""

    def __init__(self, calls: Calls, now: Callable[[], datetime]) -> None:
        self._calls = calls
        self._now = now
        self._contracts: dict[str | int, Contract] = {}
        self._products: dict[str | int, Product] = {}
        self._maturities: dict[int, tuple[datetime, ContractMaturity]] = {}
        self._fronts: dict[str, tuple[datetime, BrokerContract]] = {}

    def asked_by(self, calls: Calls) -> Self:
        """Return this book, with what it remembers, for questions that other calls pay for."""
        book = copy(self)
        book._calls = calls
        return book

    def front(self, root: str, deadline: float) -> BrokerContract:
        """GET /product/find, /contractMaturity/deps, /contract/deps"""
        now = self._now()
        known = self._fronts.get(root)
        if known and now - known[0] < FRONT_MONTH_LASTS:
            return known[1]
        product = self.product(root, deadline)
        maturities = self._calls.many(MATURITY_DEPS, product.id, deadline=deadline)
        fronts = [maturity for maturity in maturities if maturity.is_front]
        if not fronts:
            raise BrokerRefused("", f"no front month of {root}")
        maturity = min(fronts, key=lambda front: front.expiration_date)
        contracts = self._calls.many(CONTRACT_DEPS, maturity.id, deadline=deadline)
        row = next((row for row in contracts if row.name.startswith(root)), None)
        if row is None:
            raise BrokerRefused("", f"no contract of {root} for its front month")
        contract = _join(self._keep(row), maturity, product)
        self._fronts[root] = (now, contract)
        self._maturities[maturity.id] = (now, maturity)
        return contract

    def named(self, name: str, deadline: float) -> BrokerContract:
        """GET /contract/find, then as `complete`"""
        row = self._contracts.get(name) or self._calls.one(CONTRACT_FIND, name, deadline=deadline)
        return self.complete(row, deadline)

    def numbered(self, contract_id: int, deadline: float) -> BrokerContract:
        """GET /contract/item, then as `complete`"""
        row = self._contracts.get(contract_id) or self._calls.one(
            CONTRACT_ITEM, contract_id, deadline=deadline
        )
        return self.complete(row, deadline)

    def complete(self, row: Contract, deadline: float) -> BrokerContract:
        """GET /contractMaturity/item, /product/item"""
        self._keep(row)
        maturity = self._maturity(row.contract_maturity_id, deadline)
        product = self._products.get(maturity.product_id)
        if product is None:
            product = self._calls.one(PRODUCT_ITEM, maturity.product_id, deadline=deadline)
            self._keep_product(product)
        return _join(row, maturity, product)

    def product(self, root: str, deadline: float) -> Product:
        """GET /product/find"""
        product = self._products.get(root)
        if product is None:
            product = self._calls.one(PRODUCT_FIND, root, deadline=deadline)
            self._keep_product(product)
        return product

    def _maturity(self, maturity_id: int, deadline: float) -> ContractMaturity:
        now = self._now()
        known = self._maturities.get(maturity_id)
        if known and now - known[0] < FRONT_MONTH_LASTS:
            return known[1]
        maturity = self._calls.one(MATURITY_ITEM, maturity_id, deadline=deadline)
        self._maturities[maturity_id] = (now, maturity)
        return maturity

    def _keep(self, row: Contract) -> Contract:
        self._contracts[row.id] = self._contracts[row.name] = row
        return row

    def _keep_product(self, product: Product) -> None:
        self._products[product.id] = self._products[product.name] = product


def _join(row: Contract, maturity: ContractMaturity, product: Product) -> BrokerContract:
    return BrokerContract(
        id=row.id,
        name=row.name,
        product=product.name,
        tick_size=product.tick_size,
        point_value=product.value_per_point,
        expires_on=maturity.expiration_date.date(),
        is_front=maturity.is_front,
        first_notice_on=maturity.first_intent_date.date() if maturity.first_intent_date else None,
    )
