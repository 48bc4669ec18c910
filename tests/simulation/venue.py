import json
from collections.abc import Callable
from random import Random
from typing import Any, cast

import httpx
from aiohttp import web

from broker.base import Change as Hint
from broker.paper.clock import MovableClock
from broker.paper.engine.book import Book
from broker.paper.engine.exchange import Exchange
from broker.paper.engine.fates import Fate
from broker.paper.engine.requests import NewOrder, Origin, RefusedError
from broker.paper.market.prices import Prices
from broker.paper.records.accounts import USER_ID
from broker.paper.records.rows import Action, Order, OrderType, OrderVersion
from broker.paper.records.tables import Change, Tables
from broker.paper.rest.sessions import Sessions
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, SESSIONS
from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import ABOUT_ORDERS, Faults
from tests.simulation.server import USER, BareRequest, NoJournal, handlers, run_at_once, server

PERSON = Origin(USER_ID, None)
PLACE, CANCEL = "/v1/order/placeorder", "/v1/order/cancelorder"
# Long enough to meet recovery, short enough to be over before an order may be called lost.
LONGEST_DELAY_S = 6.0


class Venue(httpx.BaseTransport):
    """The paper broker's routes and rules at the other end of the real client, without sockets.

    Requests get lost on the way there or back, as the story's faults have it. `before_order` hears the body
    of each order that arrives, before anything is done with it. `hints` are what user sync would tell.
    """

    def __init__(self, random: Random, clock: SimulatedClock, faults: Faults) -> None:
        app = server()
        catalog = app[EXCHANGE].book.catalog
        tables = Tables()
        self.book = Book(tables, catalog, Prices(random.randrange(1000), catalog, tables.prices))
        self.exchange = Exchange(self.book, NoJournal(), clock.now)
        self.exchange.listeners.append(self._note)
        app[EXCHANGE], app[CLOCK] = self.exchange, MovableClock(clock.now)
        app[SESSIONS] = Sessions(USER, clock.now)
        self.hints: list[Hint] = []
        self.before_order: Callable[..., None] = lambda body, *, late: None
        self.reach: Callable[[str], None] = lambda _: None
        self._random, self._clock, self._faults = random, clock, faults
        self._delayed: list[tuple[float, httpx.Request]] = []
        clock.after_advance = self._deliver_delayed
        clock.due = lambda: [at for at, _ in self._delayed]

    def handle_request(self, raw: httpx.Request) -> httpx.Response:
        deadline, what = raw.extensions["deadline"], _name_of(raw)
        self.reach(f"before {what}")
        if self._clock.monotonic() >= deadline:
            raise httpx.ConnectTimeout("no time left")
        answer = self._meet(raw, deadline)
        self.reach(f"after {what}")
        if self._clock.monotonic() >= deadline:
            raise httpx.ReadTimeout("slept too long")
        return answer

    def trade_by_hand(self, account_id: int, quantity: int, contract: str = "MESZ6") -> None:
        """Let a person buy, or sell with a negative quantity, at market."""
        row = self.book.catalog.contracts.named(contract)
        assert row is not None
        action = Action.BUY if quantity > 0 else Action.SELL
        terms = OrderVersion(0, 0, abs(quantity), OrderType.MARKET)
        run_at_once(self.exchange.place(NewOrder(account_id, row.id, action, terms), PERSON))

    def cancel_by_hand(self, order_id: int) -> None:
        """Let a person cancel an order, if it still lives."""
        try:
            run_at_once(self.exchange.cancel(order_id, PERSON))
        except RefusedError:
            self._faults.happened["cancel refused"] += 1

    def working(self) -> list[int]:
        """Return the ids of the orders that may still fill."""
        return [order.id for order in self.book.orders.alive()]

    def order_of(self, client_order_id: str) -> Order | None:
        """Return the order that carries our id."""
        tables = self.book.tables
        orders = (tables.orders[row.order_id] for row in tables.commands if row.cl_ord_id == client_order_id)
        return next(orders, None)

    def account_id(self, name: str) -> int:
        """Return the id of an account by its name."""
        row = server()[ACCOUNTS].named(name)
        assert row is not None
        return row.id

    def at_work(self, account_id: int) -> list[tuple[str, int]]:
        """Return what an account's orders may still fill, signed, with our id of each."""
        alive = [order for order in self.book.orders.alive() if order.account_id == account_id]
        left = [self.book.orders.remaining(order.id) for order in alive]
        return [
            (
                self.book.tables.commands[order.id].cl_ord_id or "",
                count if order.action is Action.BUY else -count,
            )
            for order, count in zip(alive, left, strict=True)
        ]

    def held(self, account_id: int) -> int:
        """Return the signed contracts of an account over all months."""
        return sum(row.net_pos for row in self.book.tables.positions.of(account_id))

    def _meet(self, raw: httpx.Request, deadline: float) -> httpx.Response:
        """Carry a request out, or let it meet a fault."""
        is_order = raw.url.path == PLACE
        rate = self._faults.rates.request * (ABOUT_ORDERS if is_order else 1)
        if not self._faults.chance(rate):
            return self._carry_out(raw)
        kinds = [*_MISHAPS, *(_OF_ORDERS if is_order else ())]
        kind = self._random.choice(kinds)
        self._faults.happened[kind] += 1
        match kind:
            case "not connected":
                raise httpx.ConnectError("no route")
            case "request lost":
                return self._time_out(deadline)
            case "answer lost":
                self._carry_out(raw)
                return self._time_out(deadline)
            case "failed before":
                return httpx.Response(500, text="internal error")
            case "failed after":
                self._carry_out(raw)
                return httpx.Response(502, text="bad gateway")
            case "unreadable":
                self._carry_out(raw)
                return httpx.Response(200, text="<html>")
            case "penalty":
                return httpx.Response(200, json={"p-ticket": "t", "p-time": self._random.randint(1, 40)})
            case "refused":
                return httpx.Response(200, json={"failureReason": "MaxPosLimitReached", "failureText": "no"})
        arrives_at = self._clock.monotonic() + self._random.uniform(0.1, LONGEST_DELAY_S)
        self._delayed.append((arrives_at, raw))
        return self._time_out(deadline)

    def _deliver_delayed(self) -> None:
        """Carry out the orders whose time on the way is over."""
        now = self._clock.monotonic()
        due = [raw for at, raw in self._delayed if at <= now]
        self._delayed = [(at, raw) for at, raw in self._delayed if at > now]
        for raw in due:
            self._carry_out(raw, late=True)

    def _time_out(self, deadline: float) -> httpx.Response:
        self._clock.advance(max(0.0, deadline - self._clock.monotonic()) + 0.01)
        raise httpx.ReadTimeout("no answer")

    def _carry_out(self, raw: httpx.Request, *, late: bool = False) -> httpx.Response:
        if raw.url.path == PLACE:
            body = json.loads(raw.content)
            self.before_order(body, late=late)
            self._set_fate(body["orderQty"])
        try:
            answer = run_at_once(handlers()[raw.url.path](cast("web.Request", BareRequest(raw))))
        except web.HTTPException as error:
            return httpx.Response(error.status, text=error.text)
        assert isinstance(answer, web.Response)
        return httpx.Response(answer.status, text=answer.text or "")

    def _set_fate(self, quantity: int) -> None:
        """Let some orders be rejected late, wait for their fill, or fill in parts."""
        if not self._faults.chance(self._faults.rates.order):
            return
        kind = self._random.choice(["late reject", "held", "in parts"])
        self._faults.happened[kind] += 1
        fates = {
            "late reject": Fate(reject=("LiquidationOnly", "closing only")),
            "held": Fate(hold=True),
            "in parts": Fate(parts=(1,) * (quantity - 1), hold=quantity == 1),
        }
        self.exchange.fates.append(fates[kind])

    def _note(self, changes: list[Change]) -> None:
        """Keep what user sync would tell, some of it twice, some never, in any order."""
        for change in changes:
            hint = _hint_of(change)
            if hint is not None:
                self.hints.extend([hint] * self._random.choice([0, 1, 1, 2]))
        self._random.shuffle(self.hints)


_MISHAPS = ("not connected", "request lost", "answer lost", "failed before", "failed after", "unreadable")
_OF_ORDERS = ("penalty", "penalty", "refused", "arrives late")


def _name_of(raw: httpx.Request) -> str:
    names = {PLACE: "order sent", CANCEL: "cancel sent"}
    return names.get(raw.url.path, "broker asked")


def _hint_of(change: Change) -> Hint | None:
    row: Any = change.row
    match change.kind:
        case "order":
            return Hint(account_id=row.account_id, order_id=row.id)
        case "command":
            return Hint(order_id=row.order_id, client_order_id=row.cl_ord_id or "")
        case "fill":
            return Hint(order_id=row.order_id, fill_id=row.id)
        case "position":
            return Hint(account_id=row.account_id)
    return None
