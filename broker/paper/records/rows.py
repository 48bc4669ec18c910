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
    SUSPENDED = "Suspended"
    PENDING_REPLACE = "PendingReplace"
    PENDING_CANCEL = "PendingCancel"
    FILLED = "Filled"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"


class OrderType(StrEnum):
    """The kinds of order that the paper broker carries out."""

    MARKET = "Market"
    LIMIT = "Limit"
    STOP = "Stop"
    STOP_LIMIT = "StopLimit"
    TRAILING_STOP = "TrailingStop"
    MIT = "MIT"


class TimeInForce(StrEnum):
    DAY = "Day"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class CommandStatus(StrEnum):
    PENDING = "Pending"
    RISK_PASSED = "RiskPassed"
    RISK_REJECTED = "RiskRejected"
    AT_EXECUTION = "AtExecution"
    EXECUTION_REJECTED = "ExecutionRejected"
    EXECUTION_SUSPENDED = "ExecutionSuspended"
    ON_HOLD = "OnHold"


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
class Order:
    id: int
    account_id: int
    contract_id: int
    timestamp: datetime
    action: Action
    ord_status: OrdStatus
    admin: bool
    oco_id: int | None = None
    parent_id: int | None = None
    linked_id: int | None = None


@dataclass(frozen=True, slots=True)
class OrderVersion:
    """The terms of an order. Its ids are 0 until a command has brought it in; then `id` is the command's."""

    id: int
    order_id: int
    order_qty: int
    order_type: OrderType
    price: Decimal | None = None
    stop_price: Decimal | None = None
    max_show: int | None = None
    peg_difference: Decimal | None = None
    time_in_force: TimeInForce | None = None
    expire_time: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    id: int
    order_id: int
    timestamp: datetime
    command_type: str
    command_status: CommandStatus
    sender_id: int
    user_session_id: int | None
    is_automated: bool
    cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class CommandReport:
    id: int
    command_id: int
    timestamp: datetime
    command_status: CommandStatus
    ord_status: OrdStatus
    reject_reason: str | None = None
    text: str | None = None


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
    reject_reason: str | None = None
    text: str | None = None


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
class FillFee:
    """What one fill (its id) cost, for all its contracts together."""

    id: int
    clearing_fee: Decimal
    clearing_currency_id: int
    exchange_fee: Decimal
    exchange_currency_id: int
    nfa_fee: Decimal
    nfa_currency_id: int
    brokerage_fee: Decimal
    brokerage_currency_id: int
    ip_fee: Decimal
    ip_currency_id: int
    commission: Decimal
    commission_currency_id: int
    order_routing_fee: Decimal
    order_routing_currency_id: int


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
    """Money of one account. `realized_pnl` counts the trade date, `week_realized_pnl` its calendar week,
    both before fees; `amount` is after fees, and `amount_sod` what it was when the trade date began."""

    id: int
    account_id: int
    timestamp: datetime
    trade_date: date
    currency_id: int
    amount: Decimal
    realized_pnl: Decimal
    week_realized_pnl: Decimal
    # Journals of the first version do not have it.
    amount_sod: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Last price of a product (its id) and the number of steps its walk has made. Never on the wire."""

    id: int
    last: Decimal
    step: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What only the broker knows of an order (its id). Never on the wire.

    `parts` are the quantities its next fills come in, `held` keeps it from filling, `triggered` says that its
    stop was reached, `stop` is where a trailing stop stands now, and `reject_reason` is a refusal to come.
    """

    id: int
    parts: tuple[int, ...] = ()
    held: bool = False
    triggered: bool = False
    stop: Decimal | None = None
    reject_reason: str | None = None
    reject_text: str | None = None
