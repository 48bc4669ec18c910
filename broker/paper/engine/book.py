"""The rules of orders: accept, work, match, modify, cancel. Pure: rows in, rows out, no clock, no I/O."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from broker.paper.engine.aging import Aging
from broker.paper.engine.brackets import Brackets
from broker.paper.engine.fates import Fate
from broker.paper.engine.matching import Market
from broker.paper.engine.modifying import Modifying
from broker.paper.engine.money import Money
from broker.paper.engine.orders import ALIVE, Orders
from broker.paper.engine.positions import Positions
from broker.paper.engine.requests import Leg, NewOrder, Origin, Refusal, RefusedError
from broker.paper.engine.risk import Risk
from broker.paper.market.prices import Prices
from broker.paper.market.products import Catalog
from broker.paper.records.accounts import USER_ID, open_accounts
from broker.paper.records.risk_rows import AccountRiskStatus, UserAccountAutoLiq
from broker.paper.records.rows import (
    Action,
    CommandStatus,
    Order,
    OrderType,
    OrderVersion,
    OrdStatus,
    Progress,
)
from broker.paper.records.tables import Tables

NO_FATE = Fate()
TOO_LATE = Refusal("TooLate", "The order is already over.")
BUSY = Refusal("AnotherCommandPending", "Another command of this order is still pending.")
CLOSED = Refusal("SessionClosed", "The market is closed.")
SETTLEMENT = "Settlement of an expired contract"


class Book:
    """All orders of the broker and what became of them."""

    def __init__(self, tables: Tables, catalog: Catalog, prices: Prices, *, sessions: bool = False) -> None:
        self.tables = tables
        self.catalog = catalog
        self.prices = prices
        self.orders = Orders(tables)
        self.positions = Positions(tables, catalog)
        self.money = Money(tables, catalog, self.positions, prices)
        self._brackets = Brackets(self.orders)
        self.market = Market(self.orders, self._brackets, self.positions, self.money, prices)
        self._risk = Risk(tables, catalog, self.orders, self.positions, self.money)
        self._modifying = Modifying(self.orders, self._brackets, self.market, self._risk, catalog)
        self._aging = Aging(
            self.orders,
            self._brackets,
            self.positions,
            self.money,
            self.market,
            catalog,
            sessions=sessions,
        )
        for account in open_accounts():
            self.money.open(account)
            tables.risk_statuses.load(AccountRiskStatus(account.id))
            tables.auto_liqs.load(UserAccountAutoLiq(account.id))

    def restore(self) -> None:
        """Find again what rows from the journal imply."""
        self.orders.restore()
        self.positions.restore()

    def place(self, new: NewOrder, origin: Origin, now: datetime, fate: Fate = NO_FATE) -> Order:
        """Take an order all the way in: accept it, work it, let it meet the market."""
        order_id = self.accept(new, origin, now, fate).id
        self.work(order_id, now)
        self.match(order_id, now)
        return self.tables.orders[order_id]

    def accept(self, new: NewOrder, origin: Origin, now: datetime, fate: Fate = NO_FATE) -> Order:
        """Take an order in as PendingNew. Order, version and New command share one id.

        What is tied to it gets the ids that follow: bracket legs, Suspended, or the other order of a pair.
        """
        legs = new.brackets or ((new.other,) if new.other else ())
        order_id, *leg_ids = [self.tables.new_id() for _ in range(len(legs) + 1)]
        oco_id = leg_ids[0] if new.other else None
        order = Order(
            order_id,
            new.account_id,
            new.contract_id,
            now,
            new.action,
            OrdStatus.PENDING_NEW,
            new.admin,
            oco_id,
        )
        self.orders.create(order, new.terms, origin)
        reason, text = fate.reject or (None, None)
        self.orders.keep_progress(Progress(order_id, fate.parts, fate.hold, False, None, reason, text))
        for leg, leg_id in zip(legs, leg_ids, strict=True):
            self._accept_leg(order, leg, leg_id, leg_ids, origin)
        return order

    def _accept_leg(self, entry: Order, leg: Leg, leg_id: int, leg_ids: list[int], origin: Origin) -> None:
        is_pair = entry.oco_id is not None
        sibling = next((other for other in leg_ids if other != leg_id), None)
        order = replace(
            entry,
            id=leg_id,
            action=leg.action,
            oco_id=entry.id if is_pair else sibling,
            parent_id=None if is_pair else entry.id,
            linked_id=None if is_pair else entry.id,
        )
        self.orders.create(order, leg.terms, replace(origin, cl_ord_id=leg.cl_ord_id))
        if not is_pair:
            self.orders.suspend(leg_id, CommandStatus.ON_HOLD, entry.timestamp)

    def work(self, order_id: int, now: datetime) -> None:
        """Take a PendingNew order, and the other of a pair, past risk and exchange: Working or Rejected."""
        order = self.tables.orders[order_id]
        if order.ord_status is OrdStatus.PENDING_NEW:
            status, refusal = self._refusal(order, now)
            if status is not CommandStatus.RISK_REJECTED:
                self.orders.report(order_id, CommandStatus.RISK_PASSED, order, now)
            if refusal:
                self._brackets.ended(self.orders.reject(order_id, status, refusal, now), now)
            else:
                self.orders.start(order_id, now)
        self._with_second(order, self.work, now)

    def match(self, order_id: int, now: datetime) -> None:
        """Let an order, and the other of a pair, meet the market; what does not fill rests."""
        self.market.enter(order_id, now)
        self._with_second(self.tables.orders[order_id], self.match, now)

    def cancel(self, order_id: int, origin: Origin, now: datetime) -> int:
        """Cancel an order at once and return the command's id. Raises RefusedError."""
        command_id = self.request_cancel(order_id, origin, now)
        self.carry_out(command_id, now)
        return command_id

    def request_cancel(self, order_id: int, origin: Origin, now: datetime) -> int:
        """Take a Cancel command in and return its id. Raises RefusedError."""
        order = self._changeable(order_id)
        if order.ord_status is OrdStatus.WORKING:
            self.orders.set_status(order, OrdStatus.PENDING_CANCEL)
        return self.orders.new_command(order_id, "Cancel", origin, now)

    def request_modify(self, order_id: int, version: OrderVersion, origin: Origin, now: datetime) -> int:
        """Take a Modify command in and return its id. Raises RefusedError."""
        order = self._changeable(order_id)
        if order.ord_status is OrdStatus.WORKING:
            self.orders.set_status(order, OrdStatus.PENDING_REPLACE)
        command_id = self.orders.new_command(order_id, "Modify", origin, now)
        self.tables.drafts.put(replace(version, id=command_id, order_id=order_id))
        return command_id

    def carry_out(self, command_id: int, now: datetime) -> None:
        """Do what a pending Cancel or Modify asks for, or report that it comes too late."""
        command = self.tables.commands[command_id]
        if command.command_status is not CommandStatus.PENDING:
            return
        order = self.tables.orders[command.order_id]
        if order.ord_status not in ALIVE:
            self.orders.report(command_id, CommandStatus.EXECUTION_REJECTED, order, now, TOO_LATE)
        elif command.command_type == "Cancel":
            self._brackets.ended(self.orders.cancel(command_id, now), now)
        else:
            self._modifying.modify(command_id, order, now)

    def cancel_all(self, account_id: int, contract_id: int | None, origin: Origin, now: datetime) -> None:
        """Cancel all that is alive in an account, or in one contract of it, whatever commands are pending."""
        for order in self.orders.alive():
            wanted = order.account_id == account_id and contract_id in (None, order.contract_id)
            if wanted and self.tables.orders[order.id].ord_status in ALIVE:
                command_id = self.orders.new_command(order.id, "Cancel", origin, now)
                self._brackets.ended(self.orders.cancel(command_id, now), now)

    def move_price(self, product_id: int, price: Decimal, now: datetime) -> None:
        """Set a product's price and let its resting orders see it."""
        self.prices.move_to(product_id, price)
        self.market.run(product_id, now)

    def walk(self, product_id: int, now: datetime) -> None:
        """Move a product's price one step of its walk and let its resting orders see it."""
        self.prices.walk(product_id)
        self.market.run(product_id, now)

    def busy_products(self) -> set[int]:
        """Return the products in which somebody holds a position or an order that is alive."""
        contracts = {order.contract_id for order in self.orders.alive()}
        contracts |= {position.contract_id for position in self.tables.positions if position.net_pos}
        return {self.catalog.product_id(contract_id) for contract_id in contracts}

    def pass_time(self, now: datetime) -> None:
        """Bring the book up to date; positions in expired contracts are closed at the last price."""
        self._aging.pass_time(now)
        for account_id, contract_id, held in self._aging.expired_positions(now):
            self._settle(account_id, contract_id, held, now)

    def start_afresh(self, account_id: int, origin: Origin, now: datetime) -> None:
        """Cancel and close all of an account at the last prices and give it the cash it began with."""
        self.cancel_all(account_id, None, origin, now)
        for position in self.tables.positions.of(account_id):
            if position.net_pos:
                self._settle(account_id, position.contract_id, position.net_pos, now)
        self.money.start_afresh(account_id, now)

    def _settle(self, account_id: int, contract_id: int, held: int, now: datetime) -> None:
        action = Action.SELL if held > 0 else Action.BUY
        version = OrderVersion(0, 0, abs(held), OrderType.MARKET, text=SETTLEMENT)
        new = NewOrder(account_id, contract_id, action, version, admin=True)
        order = self.accept(new, Origin(USER_ID, None), now)
        self.orders.start(order.id, now)
        self.market.release(order.id, abs(held), now)

    def _refusal(self, order: Order, now: datetime) -> tuple[CommandStatus, Refusal | None]:
        progress, version = self.orders.progress(order.id), self.orders.version(order.id)
        if progress.reject_reason is not None:
            return CommandStatus.RISK_REJECTED, Refusal(progress.reject_reason, progress.reject_text or "")
        refusal = self._risk.refusal(order, version.order_qty, now)
        if refusal:
            return CommandStatus.RISK_REJECTED, refusal
        closed = CLOSED if self._aging.is_closed(now) else None
        return CommandStatus.EXECUTION_REJECTED, closed or self.market.refusal(order, version)

    def _changeable(self, order_id: int) -> Order:
        order = self.tables.orders[order_id]
        if order.ord_status not in ALIVE:
            raise RefusedError(*TOO_LATE)
        if self.orders.is_pending(order_id):
            raise RefusedError(*BUSY)
        return order

    def _with_second(self, order: Order, step: Callable[[int, datetime], None], now: datetime) -> None:
        if order.parent_id is None and order.oco_id is not None and order.oco_id > order.id:
            step(order.oco_id, now)
