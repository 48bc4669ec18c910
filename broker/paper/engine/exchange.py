"""Carries commands out: the book's rules, then the journal, then the answer, with latency where asked for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from decimal import Decimal

from broker.paper.engine.book import NO_FATE, Book
from broker.paper.engine.fates import Fate
from broker.paper.engine.orders import IN_MARKET
from broker.paper.engine.requests import NewOrder, Origin
from broker.paper.journal import Journal
from broker.paper.records.rows import Action, CommandStatus, OrderType, OrderVersion
from broker.paper.records.tables import Change, Table
from broker.paper.records.wire import Row

type Clock = Callable[[], datetime]
type Sleep = Callable[[float], Awaitable[None]]

# How exactly expiry times and session hours are kept.
GRAIN = timedelta(seconds=1)


class Exchange:
    """The only writer of the book. Nothing is awaited between a change and its place in the journal.

    `listeners` hear of every change once the journal has it. Each accepted order takes the next of `fates`;
    where there is none it lives as the market has it.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        now: Clock,
        *,
        latency_s: float = 0.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.book = book
        self.fates: deque[Fate] = deque()
        self.listeners: list[Callable[[list[Change]], None]] = []
        self._journal = journal
        self._now = now
        self._latency_s = latency_s
        self._sleep = sleep
        self._underway: set[asyncio.Task[None]] = set()
        self._passed: datetime | None = None

    def start(self) -> None:
        """Load the journal and finish the commands and orders that an earlier run left underway."""
        self._journal.replay(self.book.tables)
        self.book.restore()
        for command in list(self.book.tables.commands):
            if command.command_status is CommandStatus.PENDING and command.command_type != "New":
                self.book.carry_out(command.id, self._now())
        for order in self.book.orders.alive():
            self.book.work(order.id, self._now())
            self.book.market.resume(order.id, self._now())
        self.pass_time()

    async def place(self, new: NewOrder, origin: Origin, price: Decimal | None = None) -> int:
        """Take an order in and return its id once the journal has it.

        `price` moves the market first. Without latency the order has met the market by then; with it the
        answer comes after one latency, as the order starts to work, and it meets the market after another.
        """
        self.pass_time()
        if price is not None:
            self.book.move_price(self.book.catalog.product_id(new.contract_id), price, self._now())
        fate = self.fates.popleft() if self.fates else NO_FATE
        if not self._latency_s:
            order_id = self.book.place(new, origin, self._now(), fate).id
            self._keep()
            return order_id
        order_id = self.book.accept(new, origin, self._now(), fate).id
        self._keep()
        await self._answer_while(self._carry_in(order_id))
        return order_id

    async def cancel(self, order_id: int, origin: Origin) -> int:
        """Cancel an order and return the command's id. Raises RefusedError."""
        self.pass_time()
        return await self._command(self.book.request_cancel(order_id, origin, self._now()))

    async def modify(self, order_id: int, version: OrderVersion, origin: Origin) -> int:
        """Give an order other terms and return the command's id; the command tells how it went.

        Raises RefusedError.
        """
        self.pass_time()
        return await self._command(self.book.request_modify(order_id, version, origin, self._now()))

    async def liquidate(
        self, account_id: int, contract_id: int, origin: Origin, *, admin: bool
    ) -> int | None:
        """Cancel what works in an account's contract, then close it at market; None when it is flat."""
        self.pass_time()
        self.book.cancel_all(account_id, contract_id, origin, self._now())
        held = self.book.positions.net(account_id, contract_id)
        if not held:
            self._keep()
            return None
        action = Action.SELL if held > 0 else Action.BUY
        terms = OrderVersion(0, 0, abs(held), OrderType.MARKET)
        return await self.place(NewOrder(account_id, contract_id, action, terms, admin=admin), origin)

    def release(self, order_id: int, quantity: int | None = None) -> None:
        """Let an order go on that is held or comes in parts; a quantity fills just that much of it.

        Raises KeyError for an unknown order.
        """
        self.book.market.release(order_id, quantity, self._now())
        self._keep()

    def move_price(self, product: str | int, price: Decimal) -> None:
        """Move a product's market, named by its root or by one of its contracts' ids.

        Raises KeyError for an unknown product.
        """
        self.book.move_price(self._product_id(product), price, self._now())
        self._keep()

    def walk(self) -> None:
        """Move each product one step in which somebody holds a position or an order that rests."""
        for product_id in sorted(self.book.busy_products()):
            self.book.walk(product_id, self._now())
        self._keep()

    def put[R: Row](self, table: Table[R], row: R) -> R:
        """Store a row that a client has set, such as a limit."""
        table.put(row)
        self._keep()
        return row

    def start_afresh(self, account_id: int, origin: Origin) -> None:
        """Cancel and close all of an account and give it the cash it began with."""
        self.book.start_afresh(account_id, origin, self._now())
        self._keep()

    def pass_time(self) -> None:
        """Let the book see what time it is, at most once a second."""
        now = self._now()
        if self._passed is not None and self._passed <= now < self._passed + GRAIN:
            return
        self._passed = now
        self.book.catalog.refresh(now)
        self.book.pass_time(now)
        self._keep()

    async def keep_time(self) -> None:
        """Let the book see the time once a second, for as long as nobody asks for anything."""
        while True:
            self.pass_time()
            await self._sleep(GRAIN.total_seconds())

    async def stop(self) -> None:
        """Leave orders underway as they stand; the next start finishes them."""
        for task in self._underway:
            task.cancel()
        await asyncio.gather(*self._underway, return_exceptions=True)
        self._journal.close()

    async def _command(self, command_id: int) -> int:
        if not self._latency_s:
            self.book.carry_out(command_id, self._now())
            self._keep()
            return command_id
        self._keep()
        await self._answer_while(self._carry_out(command_id))
        return command_id

    async def _answer_while(self, work: Coroutine[None, None, None]) -> None:
        """Wait one latency while `work` goes on by itself, longer than that if it must."""
        task = asyncio.create_task(work)
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)
        await self._sleep(self._latency_s)

    async def _carry_out(self, command_id: int) -> None:
        await self._sleep(self._latency_s)
        self.book.carry_out(command_id, self._now())
        self._keep()

    async def _carry_in(self, order_id: int) -> None:
        await self._sleep(self._latency_s)
        self.book.work(order_id, self._now())
        self._keep()
        await self._sleep(self._latency_s)
        self.book.match(order_id, self._now())
        self._keep()
        while self._fills_in_parts(order_id):
            await self._sleep(self._latency_s)
            self.book.market.release(order_id, None, self._now())
            self._keep()

    def _fills_in_parts(self, order_id: int) -> bool:
        """Say whether an order has filled a part and comes in more of them, held up by nothing."""
        orders = self.book.orders
        in_market = self.book.tables.orders[order_id].ord_status in IN_MARKET
        partly = orders.filled(order_id) > 0 and self.book.tables.progress.get(order_id) is not None
        return in_market and partly and not orders.progress(order_id).held

    def _product_id(self, product: str | int) -> int:
        if isinstance(product, int):
            return self.book.catalog.product_id(product)
        row = self.book.catalog.products.named(product)
        if row is None:
            raise KeyError(product)
        return row.id

    def _keep(self) -> None:
        changes = self.book.tables.take_changes()
        if not changes:
            return
        try:
            self._journal.append(changes, self.book.tables)
        except OSError as error:
            # An order that the journal does not have must not be acknowledged: no answer, and no more orders.
            raise SystemExit(f"paper broker: cannot write the journal: {error}") from error
        for listen in self.listeners:
            listen(changes)
