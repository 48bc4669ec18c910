"""The rows over which Tradovate spreads an order, its fills and the positions they make.

Names and meaning are the vendor's (official OpenAPI document of December 2025). Prices are in points, sizes
in contracts, times aware and UTC; trade dates belong to the session. None stands for a field left out: what
a class requires is what the desk acts on, as later documents dropped fields that earlier ones require.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from broker.tradovate.words import (
    Action,
    CommandStatus,
    CommandType,
    ExecType,
    ForceWord,
    OrderKind,
    OrdStatus,
    Reason,
)


@dataclass(frozen=True)
class Order:
    """The order row: it knows neither size nor price nor reason. `timestamp` is when it was made."""

    id: int
    account_id: int
    contract_id: int | None
    spread_definition_id: int | None
    timestamp: datetime
    action: Action
    ord_status: OrdStatus
    execution_provider_id: int | None
    oco_id: int | None
    parent_id: int | None
    linked_id: int | None
    admin: bool | None


@dataclass(frozen=True)
class OrderVersion:
    """The terms that one command gave an order; the id is the command's."""

    id: int
    order_id: int
    order_qty: int
    order_type: OrderKind
    price: Decimal | None
    stop_price: Decimal | None
    max_show: int | None
    peg_difference: Decimal | None
    time_in_force: ForceWord | None
    expire_time: datetime | None
    text: str | None


@dataclass(frozen=True)
class Command:
    """A request about an order. The one that made the order has the order's id."""

    id: int
    order_id: int
    timestamp: datetime
    cl_ord_id: str | None
    command_type: CommandType
    command_status: CommandStatus
    sender_id: int | None
    user_session_id: int | None
    activation_time: datetime | None
    custom_tag50: str | None
    is_automated: bool | None


@dataclass(frozen=True)
class CommandReport:
    """What became of a command, step by step; the only row with the reason of a late refusal."""

    id: int
    command_id: int
    timestamp: datetime
    command_status: CommandStatus
    reject_reason: Reason | None
    text: str | None
    ord_status: OrdStatus | None


@dataclass(frozen=True)
class ExecutionReport:
    """What the exchange said of a command. Sizes and prices are often left out: the fills have them."""

    id: int
    command_id: int
    name: str
    account_id: int
    contract_id: int
    timestamp: datetime
    trade_date: date | None
    order_id: int
    exec_type: ExecType
    exec_ref_id: str | None
    ord_status: OrdStatus | None
    action: Action
    cum_qty: int | None
    avg_px: Decimal | None
    last_qty: int | None
    last_px: Decimal | None
    reject_reason: Reason | None
    text: str | None
    exchange_order_id: str | None


@dataclass(frozen=True)
class Fill:
    """One execution; the exchange can take it back (`active` false)."""

    id: int
    order_id: int
    contract_id: int
    timestamp: datetime
    trade_date: date | None
    action: Action
    qty: int
    price: Decimal
    active: bool
    finally_paired: int | None


@dataclass(frozen=True)
class FillFee:
    """What a fill cost, in money; the id is the fill's. It may appear after the fill."""

    id: int
    clearing_fee: Decimal | None
    clearing_currency_id: int | None
    exchange_fee: Decimal | None
    exchange_currency_id: int | None
    nfa_fee: Decimal | None
    nfa_currency_id: int | None
    brokerage_fee: Decimal | None
    brokerage_currency_id: int | None
    ip_fee: Decimal | None
    ip_currency_id: int | None
    commission: Decimal | None
    commission_currency_id: int | None
    order_routing_fee: Decimal | None
    order_routing_currency_id: int | None


@dataclass(frozen=True)
class FillPair:
    """A bought and a sold fill that closed each other: the profit in points is the difference times `qty`."""

    id: int
    position_id: int
    buy_fill_id: int
    sell_fill_id: int
    qty: int
    buy_price: Decimal
    sell_price: Decimal
    active: bool


@dataclass(frozen=True)
class Position:
    """One contract in one account. `net_pos` is signed; a closed one stays, with 0 and no `net_price`.

    `bought` and `sold` are of the current trade date; `prev_pos` and `prev_price` of the session before.
    """

    id: int
    account_id: int
    contract_id: int
    timestamp: datetime | None
    trade_date: date | None
    net_pos: int
    net_price: Decimal | None
    bought: int | None
    bought_value: Decimal | None
    sold: int | None
    sold_value: Decimal | None
    prev_pos: int | None
    prev_price: Decimal | None
