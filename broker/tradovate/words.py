"""The vendor's closed sets (official OpenAPI document of December 2025, and additions of August 2026)."""

from enum import StrEnum
from typing import Self

import structlog

log = structlog.get_logger(__name__)


class Word(StrEnum):
    """A word of the vendor. An unknown one stays itself, is equal to no member, and is logged once."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        log.warning("unknown word from Tradovate", set=cls.__name__, word=value)
        word = str.__new__(cls, value)
        word._name_, word._value_ = "UNKNOWN", value
        # As the standard library does for unknown flags: the next look-up finds it.
        return cls._value2member_map_.setdefault(value, word)  # type: ignore[return-value]


class Action(Word):
    """Which way an order trades."""

    BUY = "Buy"
    SELL = "Sell"


class OrderKind(Word):
    """`orderType`."""

    LIMIT = "Limit"
    MIT = "MIT"
    MARKET = "Market"
    QTS = "QTS"
    STOP = "Stop"
    STOP_LIMIT = "StopLimit"
    TRAILING_STOP = "TrailingStop"
    TRAILING_STOP_LIMIT = "TrailingStopLimit"
    LIMIT_IF_TOUCHED = "LimitIfTouched"


class ForceWord(Word):
    """`timeInForce`; left out it means Day."""

    DAY = "Day"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class OrdStatus(Word):
    """`ordStatus`."""

    PENDING_NEW = "PendingNew"
    WORKING = "Working"
    SUSPENDED = "Suspended"
    PENDING_REPLACE = "PendingReplace"
    PENDING_CANCEL = "PendingCancel"
    FILLED = "Filled"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    COMPLETED = "Completed"
    UNKNOWN = "Unknown"


class CommandType(Word):
    """`commandType`."""

    NEW = "New"
    MODIFY = "Modify"
    CANCEL = "Cancel"


class CommandStatus(Word):
    """`commandStatus`."""

    PENDING = "Pending"
    PENDING_EXECUTION = "PendingExecution"
    RISK_PASSED = "RiskPassed"
    RISK_REJECTED = "RiskRejected"
    AT_EXECUTION = "AtExecution"
    EXECUTION_REJECTED = "ExecutionRejected"
    EXECUTION_STOPPED = "ExecutionStopped"
    EXECUTION_SUSPENDED = "ExecutionSuspended"
    ON_HOLD = "OnHold"
    REPLACED = "Replaced"


class ExecType(Word):
    """`execType`."""

    CANCELED = "Canceled"
    COMPLETED = "Completed"
    DONE_FOR_DAY = "DoneForDay"
    EXPIRED = "Expired"
    NEW = "New"
    ORDER_STATUS = "OrderStatus"
    PENDING_CANCEL = "PendingCancel"
    PENDING_NEW = "PendingNew"
    PENDING_REPLACE = "PendingReplace"
    REJECTED = "Rejected"
    REPLACED = "Replaced"
    STOPPED = "Stopped"
    SUSPENDED = "Suspended"
    TRADE = "Trade"
    TRADE_CANCEL = "TradeCancel"
    TRADE_CORRECT = "TradeCorrect"


class Reason(Word):
    """`rejectReason` and `failureReason`."""

    ACCOUNT_CLOSED = "AccountClosed"
    ADVANCED_TRAILING_STOP_UNSUPPORTED = "AdvancedTrailingStopUnsupported"
    ANOTHER_COMMAND_PENDING = "AnotherCommandPending"
    BACK_MONTH_PROHIBITED = "BackMonthProhibited"
    EXECUTION_PROVIDER_NOT_CONFIGURED = "ExecutionProviderNotConfigured"
    EXECUTION_PROVIDER_UNAVAILABLE = "ExecutionProviderUnavailable"
    INVALID_CONTRACT = "InvalidContract"
    INVALID_PRICE = "InvalidPrice"
    LIQUIDATION_ONLY = "LiquidationOnly"
    LIQUIDATION_ONLY_BEFORE_EXPIRATION = "LiquidationOnlyBeforeExpiration"
    MAX_ORDER_QTY_IS_NOT_SPECIFIED = "MaxOrderQtyIsNotSpecified"
    MAX_ORDER_QTY_LIMIT_REACHED = "MaxOrderQtyLimitReached"
    MAX_POS_LIMIT_MISCONFIGURED = "MaxPosLimitMisconfigured"
    MAX_POS_LIMIT_REACHED = "MaxPosLimitReached"
    MAX_TOTAL_POS_LIMIT_REACHED = "MaxTotalPosLimitReached"
    MULTIPLE_ACCOUNT_PLAN_REQUIRED = "MultipleAccountPlanRequired"
    NO_QUOTE = "NoQuote"
    NOT_ENOUGH_LIQUIDITY = "NotEnoughLiquidity"
    OTHER_EXECUTION_RELATED = "OtherExecutionRelated"
    PARENT_REJECTED = "ParentRejected"
    RISK_CHECK_TIMEOUT = "RiskCheckTimeout"
    SESSION_CLOSED = "SessionClosed"
    SUCCESS = "Success"
    TOO_LATE = "TooLate"
    TRADING_LOCKED = "TradingLocked"
    TRAILING_STOP_NON_ORDER_QTY_MODIFY = "TrailingStopNonOrderQtyModify"
    UNAUTHORIZED = "Unauthorized"
    UNKNOWN_REASON = "UnknownReason"
    UNSUPPORTED = "Unsupported"
    KEY_INFORMATION_DOCUMENT_REQUIRED = "KeyInformationDocumentRequired"
    SSF_RISK_DISCLOSURE_ACKNOWLEDGMENT_REQUIRED = "SSFRiskDisclosureAcknowledgmentRequired"


class AdminAction(Word):
    """`adminAction`: what the broker or its automatic liquidation did to an account."""

    AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ = "AgreedOnLiqOnlyModeByAutoLiq"
    AGREED_ON_LIQUIDATION_BY_AUTO_LIQ = "AgreedOnLiquidationByAutoLiq"
    DISABLE_AUTO_LIQ = "DisableAutoLiq"
    LIQUIDATE_IMMEDIATELY = "LiquidateImmediately"
    LIQUIDATE_ONLY_MODE_IMMEDIATELY = "LiquidateOnlyModeImmediately"
    LOCK_TRADING_IMMEDIATELY = "LockTradingImmediately"
    NORMAL = "Normal"
    PLACE_AUTO_LIQ_ON_HOLD = "PlaceAutoLiqOnHold"


class AccountType(Word):
    """`accountType`."""

    CUSTOMER = "Customer"
    GIVEUP = "Giveup"
    HOUSE = "House"
    OMNIBUS = "Omnibus"
    WASH = "Wash"
    EMPLOYEE = "Employee"


class MarginAccountType(Word):
    """`marginAccountType`."""

    HEDGER = "Hedger"
    SPECULATOR = "Speculator"


class DrawdownMode(Word):
    """`trailingMaxDrawdownMode`."""

    EOD = "EOD"
    REAL_TIME = "RealTime"


class ProductType(Word):
    """`productType`."""

    COMMON_STOCK = "CommonStock"
    CONTINUOUS = "Continuous"
    CRYPTOCURRENCY = "Cryptocurrency"
    FUTURES = "Futures"
    MARKET_INTERNALS = "MarketInternals"
    OPTIONS = "Options"
    SPREAD = "Spread"
    SWAP = "Swap"


class ProductStatus(Word):
    """`status` of a product."""

    INACTIVE = "Inactive"
    LOCKED = "Locked"
    READY_FOR_CONTRACTS = "ReadyForContracts"
    READY_TO_TRADE = "ReadyToTrade"
    VERIFIED = "Verified"


class PriceFormatType(Word):
    """`priceFormatType`."""

    DECIMAL = "Decimal"
    FRACTIONAL = "Fractional"


class TotalBy(Word):
    """`totalBy`: what a position limit adds up."""

    CONTRACT = "Contract"
    CONTRACT_GROUP = "ContractGroup"
    DISCOUNT_GROUP = "DiscountGroup"
    EXCHANGE = "Exchange"
    OVERALL = "Overall"
    PRODUCT = "Product"
    PRODUCT_TYPE = "ProductType"


class PermissionStatus(Word):
    """`status` of a trading permission."""

    ACCEPTED = "Accepted"
    APPROVED = "Approved"
    DECLINED = "Declined"
    REQUESTED = "Requested"
    REVOKED = "Revoked"
