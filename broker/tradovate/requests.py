"""The bodies of the vendor's commands, named after its schemas (official OpenAPI document of December 2025).

`customTag50`, the operator id of the exchange, is left out everywhere: one that is not registered gets the
order rejected. REQUESTS has all of them.
"""

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, ClassVar

from broker.tradovate.names import wire_name
from broker.tradovate.rows.accounts import (
    AutoLiqLevels,
    CashBalanceSnapshot,
    PositionLimit,
    UserAccountAutoLiq,
    UserAccountPositionLimit,
)
from broker.tradovate.rows.replies import (
    CommandResult,
    PlaceOcoResult,
    PlaceOrderResult,
    PlaceOsoResult,
    ProductFeeParamsResponse,
    RollContractResponse,
    SimpleResponse,
    UpdateUserAutoLiqResponse,
)
from broker.tradovate.words import Action, ForceWord, OrderKind


class Request[R]:
    """A POST: `path` is where it goes, `reply` the class of what comes back."""

    path: ClassVar[str]
    reply: ClassVar[type]

    def body(self) -> dict[str, object]:
        """Return the JSON object to send, without the fields that are None."""
        return _body(self)


@dataclass(frozen=True, kw_only=True)
class _TermFields:
    order_type: OrderKind
    cl_ord_id: str
    text: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None
    time_in_force: ForceWord
    expire_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RestrainedOrderVersion(_TermFields):
    """A leg. It has no account, contract or size: those are the entry's."""

    action: Action


@dataclass(frozen=True, kw_only=True)
class _Entry(RestrainedOrderVersion):
    """The account goes by id and by name: held through a permission it is refused without the name."""

    account_id: int
    account_spec: str
    symbol: str
    order_qty: int
    is_automated: bool = field(default=True, init=False)


@dataclass(frozen=True, kw_only=True)
class PlaceOrder(_Entry, Request[PlaceOrderResult]):
    path = "/order/placeorder"
    reply = PlaceOrderResult


@dataclass(frozen=True, kw_only=True)
class PlaceOso(_Entry, Request[PlaceOsoResult]):
    """An entry with one leg or two that wait for its fill."""

    path = "/order/placeoso"
    reply = PlaceOsoResult

    bracket1: RestrainedOrderVersion
    bracket2: RestrainedOrderVersion | None = None


@dataclass(frozen=True, kw_only=True)
class PlaceOco(_Entry, Request[PlaceOcoResult]):
    """Two orders of one size, of which the fill of one cancels the other."""

    path = "/order/placeoco"
    reply = PlaceOcoResult

    other: RestrainedOrderVersion


@dataclass(frozen=True, kw_only=True)
class ModifyOrder(_TermFields, Request[CommandResult]):
    """It replaces everything; `order_qty` is the new total, what has filled included."""

    path = "/order/modifyorder"
    reply = CommandResult

    order_id: int
    order_qty: int
    is_automated: bool = field(default=True, init=False)


@dataclass(frozen=True, kw_only=True)
class CancelOrder(Request[CommandResult]):
    path = "/order/cancelorder"
    reply = CommandResult

    order_id: int
    is_automated: bool = field(default=True, init=False)


@dataclass(frozen=True, kw_only=True)
class LiquidatePosition(Request[PlaceOrderResult]):
    """`isAutomated` is an addition of 2026."""

    path = "/order/liquidateposition"
    reply = PlaceOrderResult

    account_id: int
    contract_id: int
    admin: bool = field(default=False, init=False)
    is_automated: bool = field(default=True, init=False)


@dataclass(frozen=True, kw_only=True)
class LiquidatePositions(Request[SimpleResponse]):
    """`positions` are ids of position rows, at most a hundred."""

    path = "/order/liquidatepositions"
    reply = SimpleResponse

    positions: tuple[int, ...]
    admin: bool = field(default=False, init=False)


@dataclass(frozen=True, kw_only=True)
class GetCashBalanceSnapshot(Request[CashBalanceSnapshot]):
    path = "/cashBalance/getcashbalancesnapshot"
    reply = CashBalanceSnapshot

    account_id: int


@dataclass(frozen=True, kw_only=True)
class RollContract(Request[RollContractResponse]):
    """It names the next contract; nothing is traded."""

    path = "/contract/rollcontract"
    reply = RollContractResponse

    name: str
    forward: bool


@dataclass(frozen=True, kw_only=True)
class GetProductFeeParams(Request[ProductFeeParamsResponse]):
    path = "/contract/getproductfeeparams"
    reply = ProductFeeParamsResponse

    product_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CreateUserAccountAutoLiq(AutoLiqLevels, Request[UserAccountAutoLiq]):
    path = "/userAccountAutoLiq/create"
    reply = UserAccountAutoLiq


@dataclass(frozen=True, kw_only=True)
class UpdateUserAccountAutoLiq(UserAccountAutoLiq, Request[UserAccountAutoLiq]):
    path = "/userAccountAutoLiq/update"
    reply = UserAccountAutoLiq


@dataclass(frozen=True, kw_only=True)
class UpdateUserAutoLiq(AutoLiqLevels, Request[UpdateUserAutoLiqResponse]):
    path = "/userAccountAutoLiq/updateuserautoliq"
    reply = UpdateUserAutoLiqResponse

    account_id: int


@dataclass(frozen=True, kw_only=True)
class CreateUserAccountPositionLimit(PositionLimit, Request[UserAccountPositionLimit]):
    path = "/userAccountPositionLimit/create"
    reply = UserAccountPositionLimit


@dataclass(frozen=True, kw_only=True)
class UpdateUserAccountPositionLimit(UserAccountPositionLimit, Request[UserAccountPositionLimit]):
    path = "/userAccountPositionLimit/update"
    reply = UserAccountPositionLimit


REQUESTS: tuple[type[Request[Any]], ...] = tuple(
    value
    for value in [*globals().values()]
    if isinstance(value, type) and issubclass(value, Request) and value is not Request
)


@cache
def _names(kind: Any) -> tuple[tuple[str, str], ...]:
    return tuple((entry.name, wire_name(entry.name)) for entry in fields(kind))


def _body(request: object) -> dict[str, object]:
    kind: Any = type(request)
    pairs = ((name, getattr(request, attribute)) for attribute, name in _names(kind))
    return {name: _json(value) for name, value in pairs if value is not None}


def _json(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return _body(value) if is_dataclass(value) else value


def _number(value: Decimal) -> int | float:
    """Return a number that is written with just the digits of the value."""
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    # The shortest digits that lead back to a float are the value's own, up to fifteen of them.
    if Decimal(repr(number)) != value:
        raise ValueError(f"{value} has more digits than the wire carries")
    return number
