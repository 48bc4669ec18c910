"""Carries commands out: the book's rules, then the journal, then the answer, with latency where asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal

from broker.paper.book import Book, NewOrder, Origin
from broker.paper.journal import Journal
from broker.paper.rows import Action
from broker.paper.tables import Change

type Clock = Callable[[], datetime]
type Sleep = Callable[[float], Awaitable[None]]


class Exchange:
    """The only writer of the book. Nothing is awaited between a change and its place in the journal.

    `listeners` hear of every change once the journal has it.
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
        self._journal = journal
        self._now = now
        self._latency_s = latency_s
        self._sleep = sleep
        self._underway: set[asyncio.Task[None]] = set()
        self.listeners: list[Callable[[list[Change]], None]] = []

    def start(self) -> None:
        """Load the journal and finish the orders that an earlier run left alive."""
        self._journal.replay(self.book.tables)
        self.book.positions.restore()
        for order in self.book.alive():
            self.book.work(order.id, self._now())
            self.book.fill(order.id, self._now())
        self._keep()

    async def place(self, new: NewOrder, origin: Origin, price: Decimal | None = None) -> int:
        """Take an order in and return its id once the journal has it.

        `price` moves the market first. Without latency the order is filled by then; with it the answer comes
        after one latency, as the order starts to work, and the fill after another.
        """
        if price is not None:
            self.book.prices.move_to(new.contract_id, price)
        order_id = self.book.accept(new, origin, self._now()).id
        if not self._latency_s:
            self.book.work(order_id, self._now())
            self.book.fill(order_id, self._now())
            self._keep()
            return order_id
        self._keep()
        task = asyncio.create_task(self._carry_out(order_id))
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)
        await self._sleep(self._latency_s)
        return order_id

    async def cancel(self, order_id: int, origin: Origin) -> int | None:
        """Cancel an order and return the command's id, or None when it is already over."""
        command_id = self.book.cancel(order_id, origin, self._now())
        self._keep()
        if self._latency_s:
            await self._sleep(self._latency_s)
        return command_id

    async def liquidate(
        self, account_id: int, contract_id: int, origin: Origin, *, admin: bool
    ) -> int | None:
        """Cancel what works in an account's contract, then close it at market; None when it is flat."""
        for order in self.book.alive():
            if (order.account_id, order.contract_id) == (account_id, contract_id):
                self.book.cancel(order.id, origin, self._now())
        held = self.book.positions.net(account_id, contract_id)
        if not held:
            self._keep()
            return None
        action = Action.SELL if held > 0 else Action.BUY
        return await self.place(NewOrder(account_id, contract_id, action, abs(held), admin=admin), origin)

    async def stop(self) -> None:
        """Leave orders underway as they stand; the next start finishes them."""
        for task in self._underway:
            task.cancel()
        await asyncio.gather(*self._underway, return_exceptions=True)
        self._journal.close()

    async def _carry_out(self, order_id: int) -> None:
        await self._sleep(self._latency_s)
        self.book.work(order_id, self._now())
        self._keep()
        await self._sleep(self._latency_s)
        self.book.fill(order_id, self._now())
        self._keep()

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
