"""The rows of the protocol. Attributes carry the wire's names in snake case; None is left out there."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    BUY = "Buy"
    SELL = "Sell"

    @property
    def sign(self) -> int:
        """Return what one contract does to a position."""
        return 1 if self is Action.BUY else -1


class OrdStatus(StrEnum):
    PENDING_NEW = "PendingNew"
    WORKING = "Working"
    FILLED = "Filled"
    CANCELED = "Canceled"


class CommandStatus(StrEnum):
    PENDING = "Pending"
    RISK_PASSED = "RiskPassed"
    AT_EXECUTION = "AtExecution"


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    name: str
    user_id: int
    account_type: str
    active: bool
    clearing_house_id: int
    risk_category_id: int
    auto_liq_profile_id: int
    margin_account_type: str
    legal_status: str
    timestamp: datetime
    archived: bool


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    name: str
    currency_id: int
    product_type: str
    description: str
    exchange_id: int
    contract_group_id: int
    status: str
    months: str
    value_per_point: Decimal
    price_format_type: str
    price_format: int
    tick_size: Decimal


@dataclass(frozen=True, slots=True)
class ContractMaturity:
    id: int
    product_id: int
    expiration_month: int
    expiration_date: datetime
    is_front: bool
    first_intent_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    id: int
    name: str
    contract_maturity_id: int


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    account_id: int
    contract_id: int
    timestamp: datetime
    action: Action
    ord_status: OrdStatus
    admin: bool


@dataclass(frozen=True, slots=True)
class OrderVersion:
    id: int
    order_id: int
    order_qty: int
    order_type: str
    time_in_force: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    id: int
    order_id: int
    timestamp: datetime
    command_type: str
    command_status: CommandStatus
    sender_id: int
    user_session_id: int
    is_automated: bool
    cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class CommandReport:
    id: int
    command_id: int
    timestamp: datetime
    command_status: CommandStatus
    ord_status: OrdStatus


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    id: int
    command_id: int
    name: str
    account_id: int
    contract_id: int
    timestamp: datetime
    trade_date: date
    order_id: int
    exec_type: str
    ord_status: OrdStatus
    action: Action
    cum_qty: int | None = None
    avg_px: Decimal | None = None
    last_qty: int | None = None
    last_px: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `finally_paired` counts the contracts of it that a fill of the other side has closed."""

    id: int
    order_id: int
    contract_id: int
    timestamp: datetime
    trade_date: date
    action: Action
    qty: int
    price: Decimal
    active: bool
    finally_paired: int


@dataclass(frozen=True, slots=True)
class FillPair:
    id: int
    position_id: int
    buy_fill_id: int
    sell_fill_id: int
    qty: int
    buy_price: Decimal
    sell_price: Decimal
    active: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Net contracts of one account in one contract. `bought` and `sold` count those of `trade_date` only."""

    id: int
    account_id: int
    contract_id: int
    timestamp: datetime
    trade_date: date
    net_pos: int
    bought: int
    bought_value: Decimal
    sold: int
    sold_value: Decimal
    prev_pos: int
    net_price: Decimal | None = None
    prev_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CashBalance:
    """Money of one account. `realized_pnl` counts the trade date, `week_realized_pnl` its calendar week."""

    id: int
    account_id: int
    timestamp: datetime
    trade_date: date
    currency_id: int
    amount: Decimal
    realized_pnl: Decimal
    week_realized_pnl: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """Last price of a product (its id) and the number of steps its walk has made. Never on the wire."""

    id: int
    last: Decimal
    step: int
