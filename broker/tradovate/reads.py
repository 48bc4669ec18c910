"""The vendor's reads that this client uses, each by its path (official OpenAPI document of December 2025).

`item` and `find` answer with one row, the others with a list. `deps` takes the id of one master, `ldeps`
those of several. READS has all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from broker.tradovate.rows.accounts import (
    Account,
    AccountRiskStatus,
    CashBalance,
    MarginSnapshot,
    OAuthMeResponse,
    TradingPermission,
    UserAccountAutoLiq,
    UserAccountPositionLimit,
    UserAccountRiskParameter,
)
from broker.tradovate.rows.contracts import Contract, ContractMaturity, Product, ProductSession
from broker.tradovate.rows.orders import (
    Command,
    CommandReport,
    ExecutionReport,
    Fill,
    FillFee,
    FillPair,
    Order,
    OrderVersion,
    Position,
)

# Twelve digits and a comma each: the address stays below the 8 KiB that common servers take.
IDS_PER_READ = 400

type Argument = str | int | Sequence[int]


@dataclass(frozen=True)
class Read[R]:
    """A GET: where it goes, the rows of its reply, and the names of what the query takes."""

    path: str
    row: type[R]
    parameters: tuple[str, ...] = ()

    def address(self, *arguments: Argument) -> str:
        """Return path and query. `arguments` stand in the order of `parameters`; ids are joined by commas."""
        pairs = zip(self.parameters, arguments, strict=True)
        query = "&".join(f"{name}={_written(argument)}" for name, argument in pairs)
        return f"{self.path}?{query}" if query else self.path


class One[R](Read[R]):
    """A read of one row. One that the broker does not know raises BrokerRefused."""


class Many[R](Read[R]):
    """A read of a list of rows, possibly shorter than asked for and in any order."""


def _written(argument: Argument) -> str:
    if isinstance(argument, str):
        return quote(argument, safe="")
    return str(argument) if isinstance(argument, int) else ",".join(map(str, argument))


_ID, _NAME, _MASTER, _MASTERS = ("id",), ("name",), ("masterid",), ("masterids",)

ME = One("/auth/me", OAuthMeResponse)

ACCOUNT_LIST = Many("/account/list", Account)
ACCOUNT_RISK_STATUS_DEPS = Many("/accountRiskStatus/deps", AccountRiskStatus, _MASTER)
CASH_BALANCE_DEPS = Many("/cashBalance/deps", CashBalance, _MASTER)
MARGIN_SNAPSHOT_DEPS = Many("/marginSnapshot/deps", MarginSnapshot, _MASTER)
AUTO_LIQ_LIST = Many("/userAccountAutoLiq/list", UserAccountAutoLiq)
AUTO_LIQ_DEPS = Many("/userAccountAutoLiq/deps", UserAccountAutoLiq, _MASTER)
AUTO_LIQ_ITEM = One("/userAccountAutoLiq/item", UserAccountAutoLiq, _ID)
POSITION_LIMIT_DEPS = Many("/userAccountPositionLimit/deps", UserAccountPositionLimit, _MASTER)
POSITION_LIMIT_ITEM = One("/userAccountPositionLimit/item", UserAccountPositionLimit, _ID)
RISK_PARAMETER_DEPS = Many("/userAccountRiskParameter/deps", UserAccountRiskParameter, _MASTER)
TRADING_PERMISSION_LIST = Many("/tradingPermission/list", TradingPermission)

CONTRACT_FIND = One("/contract/find", Contract, _NAME)
CONTRACT_ITEM = One("/contract/item", Contract, _ID)
CONTRACT_DEPS = Many("/contract/deps", Contract, _MASTER)
CONTRACT_SUGGEST = Many("/contract/suggest", Contract, ("t", "l"))
MATURITY_ITEM = One("/contractMaturity/item", ContractMaturity, _ID)
MATURITY_DEPS = Many("/contractMaturity/deps", ContractMaturity, _MASTER)
PRODUCT_FIND = One("/product/find", Product, _NAME)
PRODUCT_ITEM = One("/product/item", Product, _ID)
PRODUCT_SESSION_ITEM = One("/productSession/item", ProductSession, _ID)

ORDER_ITEM = One("/order/item", Order, _ID)
ORDER_DEPS = Many("/order/deps", Order, _MASTER)
ORDER_VERSION_LIST = Many("/orderVersion/list", OrderVersion)
ORDER_VERSION_LDEPS = Many("/orderVersion/ldeps", OrderVersion, _MASTERS)
COMMAND_LIST = Many("/command/list", Command)
COMMAND_ITEM = One("/command/item", Command, _ID)
COMMAND_LDEPS = Many("/command/ldeps", Command, _MASTERS)
COMMAND_REPORT_DEPS = Many("/commandReport/deps", CommandReport, _MASTER)
COMMAND_REPORT_LDEPS = Many("/commandReport/ldeps", CommandReport, _MASTERS)
EXECUTION_REPORT_LDEPS = Many("/executionReport/ldeps", ExecutionReport, _MASTERS)
FILL_DEPS = Many("/fill/deps", Fill, _MASTER)
FILL_LDEPS = Many("/fill/ldeps", Fill, _MASTERS)
FILL_FEE_LDEPS = Many("/fillFee/ldeps", FillFee, _MASTERS)
FILL_PAIR_DEPS = Many("/fillPair/deps", FillPair, _MASTER)
POSITION_DEPS = Many("/position/deps", Position, _MASTER)

READS: tuple[Read[Any], ...] = tuple(value for value in [*globals().values()] if isinstance(value, Read))
