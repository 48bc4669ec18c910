"""Orders as rows: each change of one leaves commands, reports and versions behind as the protocol has it."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from broker.paper.engine.requests import Origin, Refusal
from broker.paper.market import dates
from broker.paper.records.rows import (
    Command,
    CommandReport,
    CommandStatus,
    ExecutionReport,
    Order,
    OrderVersion,
    OrdStatus,
    Progress,
)
from broker.paper.records.tables import Tables

# Orders that the market can fill: a command on its way does not keep one from filling.
IN_MARKET = frozenset({OrdStatus.WORKING, OrdStatus.PENDING_REPLACE, OrdStatus.PENDING_CANCEL})
ALIVE = IN_MARKET | {OrdStatus.PENDING_NEW, OrdStatus.SUSPENDED}


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution and what it makes of its order: filled quantity and average price."""

    quantity: int
    price: Decimal
    filled: int
    average: Decimal


class Orders:
    """All orders, an index of those that are not over, and the one way to write each step of their life."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._alive: dict[int, None] = {}
        self._legs: dict[int, list[int]] = {}

    def restore(self) -> None:
        """Index the orders that came from the journal."""
        for order in self.tables.orders:
            self._index(order)

    def alive(self) -> list[Order]:
        """Return the orders that are not over, oldest first."""
        return [self.tables.orders[order_id] for order_id in self._alive]

    def legs(self, entry_id: int) -> list[Order]:
        """Return the bracket legs of an order, dead ones too."""
        return [self.tables.orders[leg_id] for leg_id in self._legs.get(entry_id, ())]

    def version(self, order_id: int) -> OrderVersion:
        """Return the terms in force."""
        return self.tables.order_versions.last_of(order_id)

    def filled(self, order_id: int) -> int:
        """Return the contracts filled so far."""
        return sum(fill.qty for fill in self.tables.fills.of(order_id))

    def remaining(self, order_id: int) -> int:
        """Return the contracts still to fill under the terms in force."""
        return self.version(order_id).order_qty - self.filled(order_id)

    def progress(self, order_id: int) -> Progress:
        """Return what only the broker knows of an order."""
        return self.tables.progress.get(order_id) or Progress(order_id)

    def is_pending(self, order_id: int) -> bool:
        """Say whether a command of an order is still on its way."""
        return self.tables.commands.last_of(order_id).command_status is CommandStatus.PENDING

    def origin(self, order_id: int) -> Origin:
        """Return where an order came from: whatever follows from it is done in that name."""
        command = self.tables.commands[order_id]
        return Origin(command.sender_id, command.user_session_id, command.is_automated)

    def create(self, order: Order, terms: OrderVersion, origin: Origin) -> Order:
        """Store an order with its first version and its New command; the three share one id."""
        self.tables.orders.put(order)
        self.tables.order_versions.put(replace(terms, id=order.id, order_id=order.id))
        self.command(order.id, order.id, "New", origin, order.timestamp)
        self._index(order)
        return order

    def start(self, order_id: int, now: datetime) -> Order:
        """Let an order into the market: Working."""
        order = self.set_status(self.tables.orders[order_id], OrdStatus.WORKING)
        self.report(order_id, CommandStatus.AT_EXECUTION, order, now)
        self.execution(order_id, "New", order, now)
        return order

    def suspend(self, order_id: int, status: CommandStatus, now: datetime) -> None:
        """Keep an order out of the market for the time being: Suspended."""
        order = self.set_status(self.tables.orders[order_id], OrdStatus.SUSPENDED)
        self.report(order_id, status, order, now)
        self.execution(order_id, "Suspended", order, now)

    def reject(self, order_id: int, status: CommandStatus, refusal: Refusal, now: datetime) -> Order:
        """End an order as Rejected. The row says nothing of the reason; the reports do."""
        order = self.set_status(self.tables.orders[order_id], OrdStatus.REJECTED)
        self.report(order_id, status, order, now, refusal)
        self.execution(order_id, "Rejected", order, now, refusal=refusal)
        return order

    def expire(self, order_id: int, now: datetime) -> Order:
        """End an order as Expired."""
        order = self.set_status(self.tables.orders[order_id], OrdStatus.EXPIRED)
        self.execution(order_id, "Expired", order, now)
        return order

    def cancel(self, command_id: int, now: datetime) -> Order:
        """Carry a Cancel command out."""
        order = self.tables.orders[self.tables.commands[command_id].order_id]
        order = self.set_status(order, OrdStatus.CANCELED)
        self.report(command_id, CommandStatus.AT_EXECUTION, order, now)
        self.execution(command_id, "Canceled", order, now)
        return order

    def replace_terms(self, command_id: int, terms: OrderVersion, now: datetime) -> None:
        """Carry a Modify command out: its version is in force from now on."""
        order = self.tables.orders[self.tables.commands[command_id].order_id]
        self.tables.order_versions.put(replace(terms, id=command_id, order_id=order.id))
        order = self.settle_status(order)
        self.report(command_id, CommandStatus.AT_EXECUTION, order, now)
        self.execution(command_id, "Replaced", order, now)

    def resize(self, order_id: int, quantity: int, now: datetime) -> None:
        """Give an order another quantity by a Modify command of the broker's own."""
        version = self.version(order_id)
        if version.order_qty == quantity:
            return
        command_id = self.new_command(order_id, "Modify", self.origin(order_id), now)
        self.replace_terms(command_id, replace(version, order_qty=quantity), now)

    def new_command(self, order_id: int, kind: str, origin: Origin, now: datetime) -> int:
        """Store a command on its way and return its id."""
        command_id = self.tables.new_id()
        self.command(command_id, order_id, kind, origin, now)
        return command_id

    def command(self, command_id: int, order_id: int, kind: str, origin: Origin, now: datetime) -> None:
        """Store a command on its way under a given id."""
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

    def set_status(self, order: Order, status: OrdStatus) -> Order:
        """Store an order in another status; one that is over leaves the index."""
        if order.ord_status is status:
            return order
        if status not in ALIVE:
            self._alive.pop(order.id, None)
        return self.tables.orders.put(replace(order, ord_status=status))

    def settle_status(self, order: Order) -> Order:
        """Take an order out of PendingReplace or PendingCancel once that command is done with."""
        if order.ord_status in (OrdStatus.PENDING_REPLACE, OrdStatus.PENDING_CANCEL):
            return self.set_status(order, OrdStatus.WORKING)
        return order

    def keep_progress(self, progress: Progress) -> None:
        """Store what only the broker knows of an order, where that has changed."""
        if progress != self.progress(progress.id):
            self.tables.progress.put(progress)

    def report(
        self,
        command_id: int,
        status: CommandStatus,
        order: Order,
        now: datetime,
        refusal: Refusal | None = None,
    ) -> None:
        """Move a command on and write the report of it."""
        self.tables.commands.put(replace(self.tables.commands[command_id], command_status=status))
        reason, text = refusal or (None, None)
        self.tables.command_reports.put(
            CommandReport(self.tables.new_id(), command_id, now, status, order.ord_status, reason, text)
        )

    def execution(
        self,
        command_id: int,
        kind: str,
        order: Order,
        now: datetime,
        trade: Trade | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        """Write an execution report."""
        report_id = self.tables.new_id()
        reason, text = refusal or (None, None)
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
                cum_qty=trade.filled if trade else None,
                avg_px=trade.average if trade else None,
                last_qty=trade.quantity if trade else None,
                last_px=trade.price if trade else None,
                reject_reason=reason,
                text=text,
            )
        )

    def _index(self, order: Order) -> None:
        if order.ord_status in ALIVE:
            self._alive[order.id] = None
        if order.parent_id is not None:
            self._legs.setdefault(order.parent_id, []).append(order.id)
