"""The rows that bound an account: margin, risk status, automatic liquidation, position limits."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class AdminAction(StrEnum):
    NORMAL = "Normal"
    DISABLE_AUTO_LIQ = "DisableAutoLiq"
    PLACE_AUTO_LIQ_ON_HOLD = "PlaceAutoLiqOnHold"
    AGREED_ON_LIQUIDATION_BY_AUTO_LIQ = "AgreedOnLiquidationByAutoLiq"
    AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ = "AgreedOnLiqOnlyModeByAutoLiq"
    LIQUIDATE_IMMEDIATELY = "LiquidateImmediately"
    LIQUIDATE_ONLY_MODE_IMMEDIATELY = "LiquidateOnlyModeImmediately"
    LOCK_TRADING_IMMEDIATELY = "LockTradingImmediately"


class TotalBy(StrEnum):
    """What a position limit adds up before it compares."""

    CONTRACT = "Contract"
    CONTRACT_GROUP = "ContractGroup"
    DISCOUNT_GROUP = "DiscountGroup"
    EXCHANGE = "Exchange"
    OVERALL = "Overall"
    PRODUCT = "Product"
    PRODUCT_TYPE = "ProductType"


class ProductType(StrEnum):
    COMMON_STOCK = "CommonStock"
    CONTINUOUS = "Continuous"
    CRYPTOCURRENCY = "Cryptocurrency"
    FUTURES = "Futures"
    MARKET_INTERNALS = "MarketInternals"
    OPTIONS = "Options"
    SPREAD = "Spread"


class ProductStatus(StrEnum):
    INACTIVE = "Inactive"
    LOCKED = "Locked"
    READY_FOR_CONTRACTS = "ReadyForContracts"
    READY_TO_TRADE = "ReadyToTrade"
    VERIFIED = "Verified"


class DrawdownMode(StrEnum):
    EOD = "EOD"
    REAL_TIME = "RealTime"


@dataclass(frozen=True, slots=True)
class MarginSnapshot:
    """Money that the positions of an account (its id) tie up."""

    id: int
    timestamp: datetime
    risk_time_period_id: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    total_used_margin: Decimal
    full_initial_margin: Decimal
    position_margin: Decimal


@dataclass(frozen=True, slots=True)
class AccountRiskStatus:
    """What an account (its id) may do. A time in `liquidate_only` means that it may only close."""

    id: int
    admin_action: AdminAction = AdminAction.NORMAL
    admin_timestamp: datetime | None = None
    liquidate_only: datetime | None = None
    user_triggered_liq_only: bool | None = None


@dataclass(frozen=True, slots=True)
class UserAccountAutoLiq:
    """At what loss or profit an account (its id) may only close, and at what it is flattened. Dollars."""

    id: int
    changes_locked: bool | None = None
    margin_percentage_alert: Decimal | None = None
    daily_loss_percentage_alert: Decimal | None = None
    daily_loss_alert: Decimal | None = None
    margin_percentage_liq_only: Decimal | None = None
    daily_loss_percentage_liq_only: Decimal | None = None
    daily_loss_liq_only: Decimal | None = None
    margin_percentage_auto_liq: Decimal | None = None
    daily_loss_percentage_auto_liq: Decimal | None = None
    daily_loss_auto_liq: Decimal | None = None
    weekly_loss_auto_liq: Decimal | None = None
    flatten_timestamp: datetime | None = None
    trailing_max_drawdown: Decimal | None = None
    trailing_max_drawdown_limit: Decimal | None = None
    trailing_max_drawdown_mode: DrawdownMode | None = None
    daily_profit_auto_liq: Decimal | None = None
    weekly_profit_auto_liq: Decimal | None = None
    do_not_unlock: bool | None = None


@dataclass(frozen=True, slots=True)
class UserAccountPositionLimit:
    """Most contracts an account may hold of what the filters name; no filter means everything."""

    id: int
    active: bool
    total_by: TotalBy
    account_id: int
    contract_id: int | None = None
    product_id: int | None = None
    exchange_id: int | None = None
    product_type: ProductType | None = None
    risk_discount_contract_group_id: int | None = None
    product_verification_status: ProductStatus | None = None
    contract_group_id: int | None = None
    risk_time_period_id: int | None = None
    short_limit: int | None = None
    long_limit: int | None = None
    exposed_limit: int | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class UserAccountRiskParameter:
    """Rules for single orders, attached to a position limit; no filter means everything."""

    id: int
    user_account_position_limit_id: int
    contract_id: int | None = None
    product_id: int | None = None
    exchange_id: int | None = None
    product_type: ProductType | None = None
    risk_discount_contract_group_id: int | None = None
    product_verification_status: ProductStatus | None = None
    contract_group_id: int | None = None
    max_opening_order_qty: int | None = None
    max_closing_order_qty: int | None = None
    max_back_month: int | None = None
    pre_expiration_days: int | None = None
    margin_percentage: Decimal | None = None
    margin_dollar_value: Decimal | None = None
    hard_limit: bool | None = None


@dataclass(frozen=True, slots=True)
class TradingPermission:
    """How a user reaches the account of somebody else."""

    id: int
    user_id: int
    account_id: int
    account_holder_contact: str
    account_holder_email: str
    cta_contact: str
    cta_email: str
    status: str
