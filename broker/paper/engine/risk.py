"""The broker's own checks of an order before it reaches the market. What only closes passes most of them."""

from datetime import datetime, timedelta

from broker.paper.engine.money import Money
from broker.paper.engine.orders import Orders
from broker.paper.engine.positions import Positions
from broker.paper.engine.requests import Refusal
from broker.paper.market.products import Catalog
from broker.paper.records.risk_rows import (
    AdminAction,
    TotalBy,
    UserAccountPositionLimit,
    UserAccountRiskParameter,
)
from broker.paper.records.rows import Order
from broker.paper.records.tables import Tables

LOCKED = Refusal("TradingLocked", "Trading is locked for this account.")
ORDER_TOO_LARGE = Refusal("MaxOrderQtyLimitReached", "Your maximum order quantity has been met.")
CLOSING_ONLY = Refusal(
    "LiquidationOnly", "Your account is currently set to liquidation only due to Manual Enable."
)
LOSS_REACHED = Refusal(
    "LiquidationOnly", "Your account is currently set to liquidation only due to Daily Loss."
)
EXPIRES_SOON = Refusal(
    "LiquidationOnlyBeforeExpiration", "Liquidation only, contract is about to be expired."
)
# The protocol has no reason for it.
TOO_LITTLE_MARGIN = Refusal("UnknownReason", "Insufficient margin")
CLOSING_ONLY_ACTIONS = frozenset(
    {
        AdminAction.LIQUIDATE_IMMEDIATELY,
        AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY,
        AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ,
        AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ,
    }
)

type Filtered = UserAccountPositionLimit | UserAccountRiskParameter


class Risk:
    """Looks at accounts, limits, positions and working orders, and changes nothing."""

    def __init__(
        self, tables: Tables, catalog: Catalog, orders: Orders, positions: Positions, money: Money
    ) -> None:
        self._tables = tables
        self._catalog = catalog
        self._orders = orders
        self._positions = positions
        self._money = money

    def refusal(self, order: Order, quantity: int, now: datetime) -> Refusal | None:
        """Return why an order may not trade this many contracts, None where it may."""
        status = self._tables.risk_statuses[order.account_id]
        if status.admin_action is AdminAction.LOCK_TRADING_IMMEDIATELY:
            return LOCKED
        held, change = self._positions.net(order.account_id, order.contract_id), order.action.sign * quantity
        closes = held * change < 0 and abs(change) <= abs(held)
        parameters = self._parameters(order)
        most = [row.max_closing_order_qty if closes else row.max_opening_order_qty for row in parameters]
        if any(limit is not None and quantity > limit for limit in most):
            return ORDER_TOO_LARGE
        return None if closes else self._opening_refusal(order, change, parameters, now)

    def _opening_refusal(
        self, order: Order, change: int, parameters: list[UserAccountRiskParameter], now: datetime
    ) -> Refusal | None:
        return (
            self._closing_only(order.account_id, now)
            or self._expiring(order.contract_id, parameters, now)
            or self._over_limit(order, change)
            or self._over_margin(order, change, now)
        )

    def _closing_only(self, account_id: int, now: datetime) -> Refusal | None:
        status = self._tables.risk_statuses[account_id]
        if status.liquidate_only is not None or status.admin_action in CLOSING_ONLY_ACTIONS:
            return CLOSING_ONLY
        most = self._tables.auto_liqs[account_id].daily_loss_liq_only
        if most is None:
            return None
        today = self._money.cash(account_id, now).realized_pnl + self._money.open_profit(account_id)
        return LOSS_REACHED if -today >= most else None

    def _expiring(
        self, contract_id: int, parameters: list[UserAccountRiskParameter], now: datetime
    ) -> Refusal | None:
        days = max((row.pre_expiration_days or 0 for row in parameters), default=0)
        about_to = self._catalog.is_about_to_expire(contract_id, now + timedelta(days=days))
        return EXPIRES_SOON if about_to else None

    def _over_limit(self, order: Order, change: int) -> Refusal | None:
        for limit in self._tables.position_limits.of(order.account_id):
            if (
                limit.active
                and self._matches(limit, order.contract_id)
                and self._breaks(limit, order, change)
            ):
                single = limit.total_by is TotalBy.CONTRACT
                reason = "MaxPosLimitReached" if single else "MaxTotalPosLimitReached"
                return Refusal(reason, "Your maximum position limit has been met.")
        return None

    def _breaks(self, limit: UserAccountPositionLimit, order: Order, change: int) -> bool:
        sizes = [self._after(order, change)]
        if limit.total_by is not TotalBy.CONTRACT:
            sizes += [
                position.net_pos
                for position in self._tables.positions.of(order.account_id)
                if position.contract_id != order.contract_id and self._matches(limit, position.contract_id)
            ]
        long, short = sum(size for size in sizes if size > 0), -sum(size for size in sizes if size < 0)
        side, most = (long, limit.long_limit) if change > 0 else (short, limit.short_limit)
        return (most is not None and side > most) or (
            limit.exposed_limit is not None and long + short > limit.exposed_limit
        )

    def _over_margin(self, order: Order, change: int, now: datetime) -> Refusal | None:
        needed = sum(
            (
                self._money.day_margin(position.contract_id, abs(position.net_pos))
                for position in self._tables.positions.of(order.account_id)
                if position.net_pos and position.contract_id != order.contract_id
            ),
            self._money.day_margin(order.contract_id, abs(self._after(order, change))),
        )
        worth = self._money.cash(order.account_id, now).amount + self._money.open_profit(order.account_id)
        return TOO_LITTLE_MARGIN if needed > worth else None

    def _after(self, order: Order, change: int) -> int:
        """Return the position if the order filled, and before it what else works on its side.

        Bracket legs do not count, since they only close; of a pair only the first does.
        """
        net = self._positions.net(order.account_id, order.contract_id) + change
        for other in self._orders.alive():
            same_market = (other.account_id, other.contract_id) == (order.account_id, order.contract_id)
            if not same_market or other.action is not order.action or other.id == order.id:
                continue
            tied = other.parent_id is not None or (other.oco_id is not None and other.oco_id < other.id)
            if not tied and other.id != order.oco_id:
                net += other.action.sign * self._orders.remaining(other.id)
        return net

    def _parameters(self, order: Order) -> list[UserAccountRiskParameter]:
        return [
            row
            for limit in self._tables.position_limits.of(order.account_id)
            if limit.active
            for row in self._tables.risk_parameters.of(limit.id)
            if self._matches(row, order.contract_id)
        ]

    def _matches(self, row: Filtered, contract_id: int) -> bool:
        product = self._catalog.products[self._catalog.product_id(contract_id)]
        pairs = (
            (row.contract_id, contract_id),
            (row.product_id, product.id),
            (row.exchange_id, product.exchange_id),
            (row.product_type, product.product_type),
            (row.contract_group_id, product.contract_group_id),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)
