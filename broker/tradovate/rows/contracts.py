"""The rows of contracts and products (official OpenAPI document of December 2025).

What is required: see `rows.orders`.
"""

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal

from broker.tradovate.words import PriceFormatType, ProductStatus, ProductType


@dataclass(frozen=True)
class Contract:
    id: int
    name: str
    contract_maturity_id: int


@dataclass(frozen=True)
class ContractMaturity:
    """A month of a product. `expiration_month` is written yyyymm; `is_front` follows the broker's rule."""

    id: int
    product_id: int
    expiration_month: int | None
    expiration_date: datetime
    first_intent_date: datetime | None
    underlying_id: int | None
    is_front: bool


@dataclass(frozen=True)
class Product:
    """What a root such as MES stands for. `value_per_point` is money per 1.0 of price and contract."""

    id: int
    name: str
    currency_id: int | None
    product_type: ProductType | None
    description: str | None
    exchange_id: int | None
    contract_group_id: int | None
    risk_discount_contract_group_id: int | None
    status: ProductStatus | None
    months: str | None
    is_secured: bool | None
    value_per_point: Decimal
    price_format_type: PriceFormatType | None
    price_format: int | None
    tick_size: Decimal


@dataclass(frozen=True)
class ProductSession:
    """A product's trading day, in the times of its exchange; the id is the product's."""

    id: int
    open_time: time
    start_time: time
    stop_time: time
    close_time: time
    sunday_open_time: time | None


@dataclass(frozen=True)
class ProductMargin:
    id: int | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    timestamp: datetime


@dataclass(frozen=True)
class ProductFeeParams:
    """Fees of one contract and fill, and margins of one contract held, all in money."""

    product_id: int
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
    day_margin: Decimal | None
    night_margin: Decimal | None
    full_margin: ProductMargin | None
