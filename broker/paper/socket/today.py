"""Which rows are of today: user sync starts with those, however long the history is."""

from collections.abc import Callable
from datetime import date
from typing import Any

from broker.paper.engine.orders import ALIVE
from broker.paper.market import dates
from broker.paper.market.products import Catalog
from broker.paper.records.tables import Tables


class Today:
    """Orders that live or were made on a trade date, what belongs to them, and the contracts in use."""

    def __init__(self, tables: Tables, catalog: Catalog, day: date) -> None:
        self._tables = tables
        self._orders = {
            order.id
            for order in tables.orders
            if order.ord_status in ALIVE or dates.trade_date(order.timestamp) == day
        }
        contract_ids = {position.contract_id for position in tables.positions}
        contract_ids |= {tables.orders[order_id].contract_id for order_id in self._orders}
        contracts = [catalog.contracts[contract_id] for contract_id in contract_ids]
        maturities = {contract.contract_maturity_id for contract in contracts}
        in_use = {
            "contract": contract_ids,
            "contractMaturity": maturities,
            "product": {catalog.maturities[maturity_id].product_id for maturity_id in maturities},
        }
        self._tests: dict[str, Callable[[Any], bool]] = {
            "order": lambda row: row.id in self._orders,
            "orderVersion": self._is_of_order,
            "command": self._is_of_order,
            "executionReport": self._is_of_order,
            "fill": self._is_of_order,
            "commandReport": lambda row: self._is_of_order(tables.commands[row.command_id]),
            "fillFee": lambda row: self._is_of_order(tables.fills[row.id]),
            "fillPair": lambda row: any(
                self._is_of_order(tables.fills[fill_id]) for fill_id in (row.buy_fill_id, row.sell_fill_id)
            ),
            **{kind: _id_test(ids) for kind, ids in in_use.items()},
        }

    def has(self, kind: str, row: Any) -> bool:
        """Say whether a row is current. Kinds without a rule always are."""
        test = self._tests.get(kind)
        return test is None or test(row)

    def _is_of_order(self, row: Any) -> bool:
        return row.order_id in self._orders


def _id_test(ids: set[int]) -> Callable[[Any], bool]:
    return lambda row: row.id in ids
