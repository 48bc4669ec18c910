"""What became of orders, and the positions that they made. Reading changes nothing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from broker.base import (
    BrokerFill,
    BrokerOrderStatus,
    BrokerPosition,
    NamedOrder,
    OrderReport,
    WorkingOrder,
)
from broker.orders import BrokerOrder
from broker.tradovate import joins, views
from broker.tradovate.calls import Calls
from broker.tradovate.reads import (
    COMMAND_LDEPS,
    COMMAND_LIST,
    COMMAND_REPORT_DEPS,
    COMMAND_REPORT_LDEPS,
    EXECUTION_REPORT_LDEPS,
    FILL_DEPS,
    FILL_FEE_LDEPS,
    FILL_LDEPS,
    FILL_PAIR_DEPS,
    ORDER_DEPS,
    ORDER_ITEM,
    ORDER_VERSION_LDEPS,
    ORDER_VERSION_LIST,
    POSITION_DEPS,
)
from broker.tradovate.rows.orders import ExecutionReport, FillFee, FillPair, Order
from broker.tradovate.words import OrdStatus


class Looking(Calls):
    """Reads orders, fills and positions."""

    def order(self, order_id: int, *, timeout_s: float) -> BrokerOrder:
        """Return one order with terms, fills and reason. GET /order/item, then as `orders`

        Raises BrokerRefused for an order that the broker does not know.
        """
        deadline = self.deadline(timeout_s)
        row = self.one(ORDER_ITEM, order_id, deadline=deadline)
        return self._joined([row], deadline)[0]

    def orders(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerOrder]:
        """Return the account's orders with terms, fills and reasons, oldest first, in five requests at most.

        GET /order/deps, /orderVersion/ldeps, /command/ldeps, /fill/ldeps and, if one is rejected,
        /commandReport/ldeps. From 401 orders on, each 400 of them take another four.
        """
        deadline = self.deadline(timeout_s)
        return self._joined(self._orders_of(account_id, deadline), deadline)

    def order_report(self, order_id: int, *, timeout_s: float) -> OrderReport:
        """Return status, fills and reason. GET /order/item, /fill/deps and, if rejected, /commandReport/deps

        A partly filled order is still WORKING. The fills of a FILLED one may show up after its status.
        """
        deadline = self.deadline(timeout_s)
        status = views.status(self.one(ORDER_ITEM, order_id, deadline=deadline).ord_status)
        fills = views.fills(self.many(FILL_DEPS, order_id, deadline=deadline))
        reason = ""
        if status is BrokerOrderStatus.REJECTED:
            # The command that made an order has the order's id.
            reason = views.reject_reason(self.many(COMMAND_REPORT_DEPS, order_id, deadline=deadline))
        return OrderReport(order_id, status, fills, reason)

    def fills(self, order_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        """Return the standing fills of one order, oldest first. GET /fill/deps"""
        return views.fills(self.many(FILL_DEPS, order_id, deadline=self.deadline(timeout_s)))

    def account_fills(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        """Return the standing fills of an account, oldest first. GET /order/deps, /fill/ldeps"""
        deadline = self.deadline(timeout_s)
        ids = [order.id for order in self._orders_of(account_id, deadline)]
        return views.fills(self.dependants(FILL_LDEPS, ids, deadline=deadline))

    def find_order(self, account_id: int, client_order_id: str, *, timeout_s: float) -> int | None:
        """Return the id of the account's order with our id.

        GET /command/list, /orderVersion/list, /order/item

        None is no proof that there is no such order: a stalled request may still land, and lists are capped.
        """
        deadline = self.deadline(timeout_s)
        commands = self.many(COMMAND_LIST, deadline=deadline)
        named = {row.order_id for row in commands if row.cl_ord_id == client_order_id}
        found = self._first_of(account_id, named, deadline)
        if found is not None:
            return found
        versions = self.many(ORDER_VERSION_LIST, deadline=deadline)
        named = {row.order_id for row in versions if row.text == client_order_id}
        return self._first_of(account_id, named, deadline)

    def working_orders(self, account_id: int, *, timeout_s: float) -> Sequence[WorkingOrder]:
        """Return the orders that are not over, those of unknown status included. GET /order/deps"""
        orders = self._orders_of(account_id, self.deadline(timeout_s))
        return [views.working_order(order) for order in orders if not views.is_over(order)]

    def named_orders(self, account_id: int, *, timeout_s: float) -> Sequence[NamedOrder]:
        """Return the account's orders that were given our id. GET /command/list, /order/deps"""
        deadline = self.deadline(timeout_s)
        # The command that made an order has the order's id; later ones change or cancel it.
        names = {
            row.order_id: row.cl_ord_id
            for row in self.many(COMMAND_LIST, deadline=deadline)
            if row.id == row.order_id and row.cl_ord_id
        }
        return [
            NamedOrder(order.id, names[order.id], order.timestamp)
            for order in self._orders_of(account_id, deadline)
            if order.id in names
        ]

    def positions(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerPosition]:
        """Return the account's rows, flat ones included. GET /position/deps"""
        rows = self.many(POSITION_DEPS, account_id, deadline=self.deadline(timeout_s))
        return [views.position(row) for row in rows if row.account_id == account_id]

    def execution_reports(self, order_id: int, *, timeout_s: float) -> Sequence[ExecutionReport]:
        """Return what the exchange said of an order, in any order.

        GET /command/ldeps, /executionReport/ldeps
        """
        deadline = self.deadline(timeout_s)
        commands = [row.id for row in self.dependants(COMMAND_LDEPS, [order_id], deadline=deadline)]
        return self.dependants(EXECUTION_REPORT_LDEPS, commands, deadline=deadline)

    def fill_fees(self, fill_ids: Sequence[int], *, timeout_s: float) -> Sequence[FillFee]:
        """Return what fills cost, in money; a fee may appear after its fill. GET /fillFee/ldeps"""
        return self.dependants(FILL_FEE_LDEPS, fill_ids, deadline=self.deadline(timeout_s))

    def fill_costs(self, fill_ids: Sequence[int], *, timeout_s: float) -> Mapping[int, Decimal]:
        """Return what fills cost in all, by their ids; a fee may appear after its fill. GET /fillFee/ldeps"""
        found = {row.id: views.total_fee(row) for row in self.fill_fees(fill_ids, timeout_s=timeout_s)}
        return {fill_id: fee for fill_id, fee in found.items() if fee is not None}

    def fill_pairs(self, position_id: int, *, timeout_s: float) -> Sequence[FillPair]:
        """Return the fills that closed each other in a position. GET /fillPair/deps"""
        return self.many(FILL_PAIR_DEPS, position_id, deadline=self.deadline(timeout_s))

    def _orders_of(self, account_id: int, deadline: float) -> list[Order]:
        rows = self.many(ORDER_DEPS, account_id, deadline=deadline)
        return [row for row in rows if row.account_id == account_id]

    def _joined(self, orders: Sequence[Order], deadline: float) -> list[BrokerOrder]:
        ids = [order.id for order in orders]
        commands = self.dependants(COMMAND_LDEPS, ids, deadline=deadline)
        rejected = [order for order in orders if order.ord_status is OrdStatus.REJECTED]
        makers = joins.making_commands(rejected, commands)
        return joins.join_orders(
            orders,
            versions=self.dependants(ORDER_VERSION_LDEPS, ids, deadline=deadline),
            commands=commands,
            reports=self.dependants(COMMAND_REPORT_LDEPS, makers, deadline=deadline),
            fills=self.dependants(FILL_LDEPS, ids, deadline=deadline),
        )

    def _first_of(self, account_id: int, order_ids: set[int], deadline: float) -> int | None:
        """Return the first of the orders that belongs to the account."""
        for order_id in sorted(order_ids):
            if self.one(ORDER_ITEM, order_id, deadline=deadline).account_id == account_id:
                return order_id
        return None
