"""Tradovate's JSON as the value types of the port.

Fields nobody asked for are ignored; one that is missing or of another type makes the reply unreadable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from broker.base import (
    BrokerAccount,
    BrokerFill,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerPosition,
    Cash,
    Side,
    WorkingOrder,
)
from broker.logins import AccessToken

type Row = Mapping[str, Any]

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
ACTIONS = {side: word for word, side in _SIDES.items()}

# `Completed` is left out: the order is over, but the word does not say whether it filled.
_STATUSES = {
    "PendingNew": BrokerOrderStatus.WORKING,
    "Working": BrokerOrderStatus.WORKING,
    "Suspended": BrokerOrderStatus.WORKING,
    "PendingReplace": BrokerOrderStatus.WORKING,
    "PendingCancel": BrokerOrderStatus.WORKING,
    "Filled": BrokerOrderStatus.FILLED,
    "Canceled": BrokerOrderStatus.CANCELLED,
    "Expired": BrokerOrderStatus.CANCELLED,
    "Rejected": BrokerOrderStatus.REJECTED,
}
_OVER = frozenset({"Filled", "Canceled", "Expired", "Rejected", "Completed"})


@dataclass(frozen=True)
class Contract:
    id: int
    name: str
    maturity_id: int


@dataclass(frozen=True)
class Maturity:
    id: int
    product_id: int
    expires_on: date
    is_front: bool


@dataclass(frozen=True)
class Product:
    id: int
    name: str
    tick_size: Decimal
    point_value: Decimal


@dataclass(frozen=True)
class Order:
    """The order row: it knows neither size nor price nor reason."""

    id: int
    account_id: int
    contract_id: int | None
    side: Side
    status: BrokerOrderStatus
    is_over: bool


def rows[T](data: object, parse: Callable[[Row], T]) -> list[T]:
    """Return every row of a list reply, parsed."""
    if not isinstance(data, list):
        raise BrokerOutcomeUnknown("unreadable reply: not a list")
    return [parse(row) for row in data]


def access_token(data: object) -> AccessToken:
    """Return the token of a login or renewal, refusing one that would not fit into a header line."""
    value = _field(data, "accessToken", str)
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise _unreadable("accessToken")
    return AccessToken(value, _moment(data, "expirationTime"))


def account(data: object) -> BrokerAccount:
    # The document of 2026 no longer has `active`.
    is_active = _optional(data, "active", bool)
    return BrokerAccount(_field(data, "id", int), _field(data, "name", str), is_active is not False)


def contract(data: object) -> Contract:
    return Contract(
        _field(data, "id", int), _field(data, "name", str), _field(data, "contractMaturityId", int)
    )


def maturity(data: object) -> Maturity:
    try:
        expires_on = date.fromisoformat(_field(data, "expirationDate", str)[:10])
    except ValueError:
        raise _unreadable("expirationDate") from None
    return Maturity(
        _field(data, "id", int), _field(data, "productId", int), expires_on, _field(data, "isFront", bool)
    )


def product(data: object) -> Product:
    return Product(
        _field(data, "id", int),
        _field(data, "name", str),
        tick_size=_decimal(data, "tickSize"),
        point_value=_decimal(data, "valuePerPoint"),
    )


def position(data: object) -> BrokerPosition:
    quantity = _field(data, "netPos", int)
    price: Decimal | None = None
    if quantity:
        # Held since an earlier session, a position may have the price of that session only.
        has_price = _optional(data, "netPrice", int | Decimal) is not None
        price = _optional_decimal(data, "netPrice" if has_price else "prevPrice")
    return BrokerPosition(_field(data, "accountId", int), _field(data, "contractId", int), quantity, price)


def order(data: object) -> Order:
    status = _field(data, "ordStatus", str)
    return Order(
        id=_field(data, "id", int),
        account_id=_field(data, "accountId", int),
        contract_id=_optional(data, "contractId", int),
        side=_side(data),
        status=_STATUSES.get(status, BrokerOrderStatus.UNKNOWN),
        is_over=status in _OVER,
    )


def working_order(row: Order) -> WorkingOrder:
    return WorkingOrder(row.id, row.contract_id, row.side, row.status)


def fills(data: object) -> tuple[BrokerFill, ...]:
    """Return the fills that stand, oldest first; the exchange can take one back (`active` false)."""
    standing = [fill for fill, is_active in rows(data, _fill) if is_active]
    return tuple(sorted(standing, key=lambda fill: (fill.filled_at, fill.id)))


def reject_reason(data: object) -> str:
    """Return code and text of the last command report that names a reason, or an empty string."""
    reasons = [reason for reason in rows(data, _reason) if reason]
    return reasons[-1] if reasons else ""


def order_id(data: object) -> int:
    """Return the id that a row or an acknowledgement gives."""
    found: int = _field(data, "orderId", int)
    return found


def text(data: object, name: str) -> str:
    """Return an optional text, empty when absent."""
    return _optional(data, name, str) or ""


def _fill(data: object) -> tuple[BrokerFill, bool]:
    fill = BrokerFill(
        id=_field(data, "id", int),
        order_id=order_id(data),
        contract_id=_field(data, "contractId", int),
        side=_side(data),
        quantity=_field(data, "qty", int),
        price=_decimal(data, "price"),
        filled_at=_moment(data, "timestamp"),
    )
    return fill, _field(data, "active", bool)


def cash(data: object) -> Cash:
    """Return an account's money from a snapshot; the broker leaves out what it does not know."""
    return Cash(
        net_liq=_optional_decimal(data, "netLiq"),
        total_pnl=_optional_decimal(data, "totalPnL"),
        initial_margin=_optional_decimal(data, "initialMargin"),
    )


def _reason(data: object) -> str:
    code = text(data, "rejectReason")
    return ": ".join(part for part in ("" if code == "Success" else code, text(data, "text")) if part)


def _side(data: object) -> Side:
    side = _SIDES.get(_field(data, "action", str))
    if side is None:
        raise _unreadable("action")
    return side


def _decimal(data: object, name: str) -> Decimal:
    return Decimal(_field(data, name, int | Decimal))


def _optional_decimal(data: object, name: str) -> Decimal | None:
    value = _optional(data, name, int | Decimal)
    return None if value is None else Decimal(value)


def _moment(data: object, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_field(data, name, str))
    except ValueError:
        raise _unreadable(name) from None
    if moment.tzinfo is None:
        raise _unreadable(name)
    return moment.astimezone(UTC)


def _field(data: object, name: str, kind: Any) -> Any:
    value = _optional(data, name, kind)
    if value is None:
        raise _unreadable(name)
    return value


def _optional(data: object, name: str, kind: Any) -> Any:
    if not isinstance(data, dict):
        raise _unreadable(name)
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _unreadable(name)
    return value


def _unreadable(name: str) -> BrokerOutcomeUnknown:
    return BrokerOutcomeUnknown(f"unreadable reply: {name}")
