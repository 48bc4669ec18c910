"""The rows of accounts, their money and their limits (official OpenAPI document of December 2025).

Money is in the account's currency, percentages are in per cent. What is required: see `rows.orders`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from broker.tradovate.words import (
    AccountType,
    AdminAction,
    DrawdownMode,
    MarginAccountType,
    PermissionStatus,
    ProductStatus,
    ProductType,
    TotalBy,
)


@dataclass(frozen=True)
class Account:
    """`user_id` is the holder's: not that of the login, where the account comes through a permission.

    `active` is left out by the document of 2026.
    """

    id: int
    name: str
    user_id: int | None
    account_type: AccountType | None
    active: bool | None
    clearing_house_id: int | None
    risk_category_id: int | None
    auto_liq_profile_id: int | None
    margin_account_type: MarginAccountType | None
    legal_status: str | None
    timestamp: datetime | None
    evaluation_size: Decimal | None
    readonly: bool | None
    cc_email: str | None


@dataclass(frozen=True)
class AccountRiskStatus:
    """What holds an account back; the id is the account's."""

    id: int
    admin_action: AdminAction | None
    admin_timestamp: datetime | None
    liquidate_only: datetime | None
    user_triggered_liq_only: bool | None


@dataclass(frozen=True)
class CashBalance:
    id: int
    account_id: int
    timestamp: datetime
    trade_date: date
    currency_id: int
    amount: Decimal
    realized_pnl: Decimal | None
    week_realized_pnl: Decimal | None
    amount_sod: Decimal | None


@dataclass(frozen=True)
class CashBalanceSnapshot:
    """An account's money at this moment."""

    total_cash_value: Decimal | None
    total_pnl: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    net_liq: Decimal | None
    open_pnl: Decimal | None
    realized_pnl: Decimal | None
    week_realized_pnl: Decimal | None
    error_text: str | None


@dataclass(frozen=True)
class MarginSnapshot:
    """What an account's positions and orders tie up; the id is the account's."""

    id: int
    timestamp: datetime
    risk_time_period_id: int | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    auto_liq_level: Decimal | None
    liq_only_level: Decimal | None
    total_used_margin: Decimal
    full_initial_margin: Decimal
    position_margin: Decimal


@dataclass(frozen=True, kw_only=True)
class AutoLiqLevels:
    """Where the broker steps in: `alert` warns, `liq_only` stops new exposure, `auto_liq` flattens too."""

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


@dataclass(frozen=True, kw_only=True)
class UserAccountAutoLiq(AutoLiqLevels):
    """An account's levels; the id is the account's."""

    id: int
    changes_locked: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PositionLimit:
    """How many contracts an account may hold, of all that the filters let through. Limits are positive."""

    account_id: int
    active: bool
    total_by: TotalBy
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


@dataclass(frozen=True, kw_only=True)
class UserAccountPositionLimit(PositionLimit):
    id: int


@dataclass(frozen=True)
class UserAccountRiskParameter:
    """What a position limit says of single orders and of months close to expiry."""

    id: int
    contract_id: int | None
    product_id: int | None
    exchange_id: int | None
    product_type: ProductType | None
    risk_discount_contract_group_id: int | None
    product_verification_status: ProductStatus | None
    contract_group_id: int | None
    max_opening_order_qty: int | None
    max_closing_order_qty: int | None
    max_back_month: int | None
    pre_expiration_days: int | None
    margin_percentage: Decimal | None
    margin_dollar_value: Decimal | None
    hard_limit: bool | None
    user_account_position_limit_id: int


@dataclass(frozen=True)
class TradingPermission:
    """How a user reaches another user's account."""

    id: int
    user_id: int
    account_id: int
    account_holder_contact: str
    account_holder_email: str
    cta_contact: str
    cta_email: str
    status: PermissionStatus
    updated: datetime | None
    approved_by_id: int | None


@dataclass(frozen=True)
class OAuthMeResponse:
    """Whose token it is."""

    user_id: int | None
    name: str | None
    full_name: str | None
    email: str | None
    email_verified: bool | None
    is_trial: bool | None
    organization_name: str | None
    error_text: str | None
