"""The rows of what can be traded, as the protocol has them."""

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal


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
class Exchange:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ContractGroup:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Currency:
    id: int
    name: str
    symbol: str


@dataclass(frozen=True, slots=True)
class ProductSession:
    """Hours of a product (its id) by the clock in Chicago."""

    id: int
    open_time: time
    start_time: time
    stop_time: time
    close_time: time
    sunday_open_time: time


@dataclass(frozen=True, slots=True)
class ProductMargin:
    """Full margin of one contract of a product (its id)."""

    id: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    timestamp: datetime
