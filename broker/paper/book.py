"""The rules of orders: accept, work, fill, cancel. Pure: rows in, rows out, time as an argument, no I/O."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from broker.paper import dates
from broker.paper.positions import Positions
from broker.paper.prices import Prices
from broker.paper.products import Catalog
from broker.paper.rows import (
    Action,
    Command,
    CommandReport,
    CommandStatus,
    ExecutionReport,
    Fill,
    Order,
    OrderVersion,
    OrdStatus,
)
from broker.paper.tables import Tables

ALIVE = frozenset({OrdStatus.PENDING_NEW, OrdStatus.WORKING})


@dataclass(frozen=True, slots=True)
class Origin:
    """What a command says about where it comes from."""

    user_id: int
    session_id: int
    is_automated: bool = False
    cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A market order that passed the checks made at once. `quantity` is positive."""

    account_id: int
    contract_id: int
    action: Action
    quantity: int
    time_in_force: str | None = None
    text: str | None = None
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Trade:
    quantity: int
    price: Decimal


class Book:
    """All orders of the broker and what became of them."""

    def __init__(self, tables: Tables, catalog: Catalog, prices: Prices) -> None:
        self.tables = tables
        self.catalog = catalog
        self.prices = prices
        self.positions = Positions(tables)

    def accept(self, new: NewOrder, origin: Origin, now: datetime) -> Order:
        """Take an order in as PendingNew. Order, version and New command share one id."""
        order_id = self.tables.new_id()
        order = self.tables.orders.put(
            Order(
                order_id, new.account_id, new.contract_id, now, new.action, OrdStatus.PENDING_NEW, new.admin
            )
        )
        self.tables.order_versions.put(
            OrderVersion(order_id, order_id, new.quantity, "Market", new.time_in_force, new.text)
        )
        self._command(order_id, order_id, "New", origin, now)
        return order

    def work(self, order_id: int, now: datetime) -> None:
        """Pass a PendingNew order to the market: Working."""
        order = self.tables.orders[order_id]
        if order.ord_status is not OrdStatus.PENDING_NEW:
            return
        self._report(order_id, CommandStatus.RISK_PASSED, order, now)
        order = self._set_status(order, OrdStatus.WORKING)
        self._report(order_id, CommandStatus.AT_EXECUTION, order, now)
        self._execution(order_id, "New", order, now)

    def fill(self, order_id: int, now: datetime) -> None:
        """Fill a Working market order whole at the market's price; an order that is over stays as it is."""
        order = self.tables.orders[order_id]
        if order.ord_status is not OrdStatus.WORKING:
            return
        trade = Trade(self.tables.order_versions[order_id].order_qty, self.prices.trade(order.contract_id))
        fill = Fill(
            id=self.tables.new_id(),
            order_id=order_id,
            contract_id=order.contract_id,
            timestamp=now,
            trade_date=dates.trade_date(now),
            action=order.action,
            qty=trade.quantity,
            price=trade.price,
            active=True,
            finally_paired=0,
        )
        order = self._set_status(order, OrdStatus.FILLED)
        self._execution(order_id, "Trade", order, now, trade)
        self.positions.apply(order.account_id, fill, self.catalog.terms(order.contract_id).point_value)

    def cancel(self, order_id: int, origin: Origin, now: datetime) -> int | None:
        """Cancel an order and return the command's id, or None when the order is already over."""
        order = self.tables.orders[order_id]
        if order.ord_status not in ALIVE:
            return None
        command_id = self.tables.new_id()
        self._command(command_id, order_id, "Cancel", origin, now)
        order = self._set_status(order, OrdStatus.CANCELED)
        self._report(command_id, CommandStatus.AT_EXECUTION, order, now)
        self._execution(command_id, "Canceled", order, now)
        return command_id

    def alive(self) -> list[Order]:
        """Return the orders that are not over, oldest first."""
        return [order for order in self.tables.orders if order.ord_status in ALIVE]

    def _command(self, command_id: int, order_id: int, kind: str, origin: Origin, now: datetime) -> None:
        self.tables.commands.put(
            Command(
                id=command_id,
                order_id=order_id,
                timestamp=now,
                command_type=kind,
                command_status=CommandStatus.PENDING,
                sender_id=origin.user_id,
                user_session_id=origin.session_id,
                is_automated=origin.is_automated,
                cl_ord_id=origin.cl_ord_id,
            )
        )

    def _set_status(self, order: Order, status: OrdStatus) -> Order:
        return self.tables.orders.put(replace(order, ord_status=status))

    def _report(self, command_id: int, status: CommandStatus, order: Order, now: datetime) -> None:
        self.tables.commands.put(replace(self.tables.commands[command_id], command_status=status))
        report_id = self.tables.new_id()
        self.tables.command_reports.put(CommandReport(report_id, command_id, now, status, order.ord_status))

    def _execution(
        self, command_id: int, kind: str, order: Order, now: datetime, trade: Trade | None = None
    ) -> None:
        report_id = self.tables.new_id()
        self.tables.execution_reports.put(
            ExecutionReport(
                id=report_id,
                command_id=command_id,
                name=str(report_id),
                account_id=order.account_id,
                contract_id=order.contract_id,
                timestamp=now,
                trade_date=dates.trade_date(now),
                order_id=order.id,
                exec_type=kind,
                ord_status=order.ord_status,
                action=order.action,
                cum_qty=trade.quantity if trade else None,
                avg_px=trade.price if trade else None,
                last_qty=trade.quantity if trade else None,
                last_px=trade.price if trade else None,
            )
        )
