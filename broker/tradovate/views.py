"""Rows as the value types of the port."""

from collections.abc import Iterable
from decimal import Decimal

from broker.base import (
    BrokerAccount,
    BrokerFill,
    BrokerOrderStatus,
    BrokerPosition,
    Side,
    WorkingOrder,
)
from broker.terms import PRICES_OF, OrderType, Terms, TimeInForce
from broker.tradovate.parse import unreadable
from broker.tradovate.rows.accounts import Account, UserAccountPositionLimit
from broker.tradovate.rows.contracts import ProductFeeParams
from broker.tradovate.rows.orders import CommandReport, Fill, FillFee, Order, OrderVersion, Position
from broker.tradovate.words import Action, ForceWord, OrderKind, OrdStatus, Reason, TotalBy

ACTIONS = {Side.BUY: Action.BUY, Side.SELL: Action.SELL}
ORDER_KINDS = {
    OrderType.MARKET: OrderKind.MARKET,
    OrderType.LIMIT: OrderKind.LIMIT,
    OrderType.STOP: OrderKind.STOP,
    OrderType.STOP_LIMIT: OrderKind.STOP_LIMIT,
    OrderType.TRAILING_STOP: OrderKind.TRAILING_STOP,
}
FORCE_WORDS = {
    TimeInForce.DAY: ForceWord.DAY,
    TimeInForce.GTC: ForceWord.GTC,
    TimeInForce.GTD: ForceWord.GTD,
    TimeInForce.IOC: ForceWord.IOC,
    TimeInForce.FOK: ForceWord.FOK,
}
_ORDER_TYPES = {kind: order_type for order_type, kind in ORDER_KINDS.items()}
_TIMES_IN_FORCE = {word: force for force, word in FORCE_WORDS.items()}

# `Completed` is left out: the order is over, but the word does not say whether it filled.
_STATUSES = {
    OrdStatus.PENDING_NEW: BrokerOrderStatus.WORKING,
    OrdStatus.WORKING: BrokerOrderStatus.WORKING,
    OrdStatus.SUSPENDED: BrokerOrderStatus.WORKING,
    OrdStatus.PENDING_REPLACE: BrokerOrderStatus.WORKING,
    OrdStatus.PENDING_CANCEL: BrokerOrderStatus.WORKING,
    OrdStatus.FILLED: BrokerOrderStatus.FILLED,
    OrdStatus.CANCELED: BrokerOrderStatus.CANCELLED,
    OrdStatus.EXPIRED: BrokerOrderStatus.CANCELLED,
    OrdStatus.REJECTED: BrokerOrderStatus.REJECTED,
}
_OVER = frozenset(
    {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.COMPLETED}
)


def account(row: Account) -> BrokerAccount:
    return BrokerAccount(row.id, row.name, row.active is not False)


def position(row: Position) -> BrokerPosition:
    # Held since an earlier session, a position may have the price of that session only.
    price = row.prev_price if row.net_price is None else row.net_price
    return BrokerPosition(row.account_id, row.contract_id, row.net_pos, price if row.net_pos else None)


def overall_limit(row: UserAccountPositionLimit) -> int | None:
    """Return the contracts that a limit lets the whole account hold either way, None for other limits."""
    filters = (
        row.contract_id,
        row.product_id,
        row.exchange_id,
        row.product_type,
        row.risk_discount_contract_group_id,
        row.product_verification_status,
        row.contract_group_id,
        row.risk_time_period_id,
    )
    if not row.active or row.total_by is not TotalBy.OVERALL or any(each is not None for each in filters):
        return None
    if row.long_limit is not None and row.short_limit is not None:
        sides = max(row.long_limit, row.short_limit)
        return sides if row.exposed_limit is None else min(sides, row.exposed_limit)
    return row.exposed_limit


def side(action: Action) -> Side:
    """Return the side of a word. Raises BrokerOutcomeUnknown for one that is neither."""
    if action is Action.BUY:
        return Side.BUY
    if action is Action.SELL:
        return Side.SELL
    raise unreadable("action")


def status(word: OrdStatus) -> BrokerOrderStatus:
    return _STATUSES.get(word, BrokerOrderStatus.UNKNOWN)


def is_over(row: Order) -> bool:
    return row.ord_status in _OVER


def working_order(row: Order) -> WorkingOrder:
    return WorkingOrder(row.id, row.contract_id, side(row.action), status(row.ord_status))


def terms(row: OrderVersion) -> Terms | None:
    """Return the terms of a version, None where this desk has no words for them.

    Prices that do not belong to the type are passed over; left out, the time in force is the session.
    """
    order_type = _ORDER_TYPES.get(row.order_type)
    force = _TIMES_IN_FORCE.get(row.time_in_force or ForceWord.DAY)
    if order_type is None or force is None:
        return None
    prices = {"price": row.price, "stop_price": row.stop_price, "trail": row.peg_difference}
    own = {name: price for name, price in prices.items() if name in PRICES_OF[order_type]}
    expires_at = row.expire_time if force is TimeInForce.GTD else None
    try:
        return Terms(order_type, **own, time_in_force=force, expires_at=expires_at)
    except ValueError:
        return None


def fills(rows: Iterable[Fill]) -> tuple[BrokerFill, ...]:
    """Return the fills that stand, oldest first; the exchange can take one back (`active` false)."""
    standing = [_fill(row) for row in rows if row.active]
    return tuple(sorted(standing, key=lambda fill: (fill.filled_at, fill.id)))


def reject_reason(reports: Iterable[CommandReport]) -> str:
    """Return code and text of the newest report that names a reason, or an empty string."""
    told = [report for report in reports if _reason(report)]
    return _reason(max(told, key=lambda report: (report.timestamp, report.id))) if told else ""


def total_fee(row: FillFee | ProductFeeParams) -> Decimal | None:
    """Return the sum of all fees that a row tells, None where it tells none."""
    fees = (
        row.clearing_fee,
        row.exchange_fee,
        row.nfa_fee,
        row.brokerage_fee,
        row.ip_fee,
        row.commission,
        row.order_routing_fee,
    )
    told = [fee for fee in fees if fee is not None]
    return sum(told, Decimal()) if told else None


def _fill(row: Fill) -> BrokerFill:
    return BrokerFill(
        id=row.id,
        order_id=row.order_id,
        contract_id=row.contract_id,
        side=side(row.action),
        quantity=row.qty,
        price=row.price,
        filled_at=row.timestamp,
    )


def _reason(report: CommandReport) -> str:
    code = "" if report.reject_reason in {None, Reason.SUCCESS} else report.reject_reason
    return ": ".join(part for part in (code, report.text) if part)
