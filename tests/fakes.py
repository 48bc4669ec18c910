from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Event
from typing import Self

from broker.base import (
    BrokerAccount,
    BrokerContract,
    BrokerError,
    BrokerFill,
    BrokerOrderStatus,
    BrokerPosition,
    BrokerRefused,
    Change,
    Connected,
    NamedOrder,
    OrderReport,
    OrderRequest,
    Side,
    WorkingOrder,
)
from broker.money import ContractCosts, OuterWall
from broker.orders import BrokerOrder, Leg, PlacedBracket
from broker.terms import AT_MARKET
from strategy.holdings import apply_fill
from tradedesk.models import Account
from tradedesk.services.desk import Desk, Link, Links

# Monday, 09:00 in Chicago: the market is open.
START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


class FakeClock:
    """A wall clock and a monotonic clock that stand still, until someone sleeps or moves them."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 1000.0
        self.during_sleep: Callable[[], None] | None = None

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        if self.during_sleep is not None:
            self.during_sleep()


def _contract(
    number: int, name: str, product: str, tick: str, point: str, expires_on: date
) -> BrokerContract:
    is_front = name.endswith("Z6")
    return BrokerContract(number, name, product, Decimal(tick), Decimal(point), expires_on, is_front)


CONTRACTS = [
    _contract(10, "MESZ6", "MES", "0.25", "5", date(2026, 12, 18)),
    _contract(11, "MESU6", "MES", "0.25", "5", date(2026, 9, 18)),
    _contract(12, "MESH7", "MES", "0.25", "5", date(2027, 3, 19)),
    _contract(20, "MNQZ6", "MNQ", "0.25", "2", date(2026, 12, 18)),
    _contract(30, "ESZ6", "ES", "0.25", "50", date(2026, 12, 18)),
]


@dataclass
class FakeOrder:
    id: int
    message: OrderRequest
    status: BrokerOrderStatus = BrokerOrderStatus.WORKING
    fills: list[BrokerFill] = field(default_factory=list)
    reject_reason: str = ""
    siblings: list[int] = field(default_factory=list)
    placed_at: datetime = START


class FakeOrders(dict[int, FakeOrder]):
    """All orders by their ids; called as the port's method, the joined ones of an account."""

    def __init__(self, contract_id: Callable[[str], int], called: Callable[[str], None]) -> None:
        super().__init__()
        self._contract_id = contract_id
        self._called = called

    def __call__(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerOrder]:
        self._called("orders")
        return [
            BrokerOrder(
                id=order.id,
                account_id=account_id,
                contract_id=self._contract_id(order.message.contract),
                side=order.message.side,
                status=order.status,
                created_at=START,
                quantity=order.message.quantity,
                terms=order.message.terms,
                client_order_id=order.message.client_order_id,
                fills=tuple(order.fills),
                reject_reason=order.reject_reason,
            )
            for order in self.values()
            if order.message.account_id == account_id
        ]


@dataclass
class Holding:
    quantity: int = 0
    average_price: Decimal | None = None


@dataclass(frozen=True)
class FakeCash:
    net_liq: Decimal | None
    total_pnl: Decimal | None
    initial_margin: Decimal | None


class FakeBroker:
    """A broker in memory. Market orders fill at once and whole at `price`, unless told otherwise.

    `submits` has every order message that came in, `calls` how often each method was called. `fills_at_once`
    off lets orders work until `fill`. `money` is what an account has, whatever it trades. `before_submit`
    runs when an order arrives, before anything is done.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ids = count(1001)
        self._failures: defaultdict[str, list[BrokerError]] = defaultdict(list)
        self._lost_replies: list[BrokerError] = []
        self._rejections: list[str] = []
        self._holdings: defaultdict[tuple[int, int], Holding] = defaultdict(Holding)
        self.price = Decimal("6842.25")
        # What the paper market was told, by root.
        self.prices: dict[str, Decimal] = {}
        self.clock_offset_s: float | None = 0.1
        self.money = FakeCash(net_liq=Decimal(50_000), total_pnl=Decimal(), initial_margin=Decimal())
        self.contract_costs = ContractCosts(fee=Decimal("0.85"), initial_margin=Decimal(2398))
        self.token_until = now() + timedelta(minutes=80)
        self.wall = OuterWall(daily_loss=Decimal(750), position=3)
        self.fills_at_once = True
        self.hints: list[Connected | Change | None] = []
        self.before_submit: Callable[[OrderRequest], None] | None = None
        self.contracts = {contract.id: contract for contract in CONTRACTS}
        self.orders = FakeOrders(lambda name: self._named(name).id, self._called)
        self.submits: list[OrderRequest] = []
        self.calls: Counter[str] = Counter()

    def fail(self, call: str, error: BrokerError, *, times: int = 1) -> None:
        """Let the next calls of a method raise and do nothing; `times=0` ends failures set up before."""
        self._failures[call] = [error] * times

    def lose_reply(self, error: BrokerError) -> None:
        """Let the next order be carried out, its answer get lost, and `submit` raise the error."""
        self._lost_replies.append(error)

    def reject(self, reason: str) -> None:
        """Let the next order be taken and then rejected by the exchange."""
        self._rejections.append(reason)

    def hold(
        self, contract: str, quantity: int, *, account_id: int = 1, price: Decimal | None = None
    ) -> None:
        """Set what an account holds, as if a person had traded at the broker."""
        held = self._holdings[account_id, self._named(contract).id]
        held.quantity, held.average_price = quantity, (price or self.price) if quantity else None

    def held(self, contract: str = "MESZ6", *, account_id: int = 1) -> int:
        """Return the signed contracts that an account holds."""
        return self._holdings[account_id, self._named(contract).id].quantity

    def place_foreign_order(self, contract: str = "MESZ6", *, account_id: int = 1) -> int:
        """Add a working order that the desk did not send, and return its id."""
        message = OrderRequest(account_id, "", contract, Side.BUY, 1, "")
        return self._add(message).id

    def fill(self, order_id: int, quantity: int | None = None) -> None:
        """Fill a working order, all that is left of it unless told how much."""
        order = self.orders[order_id]
        message, contract = order.message, self._named(order.message.contract)
        left = message.quantity - sum(fill.quantity for fill in order.fills)
        traded = left if quantity is None else quantity
        fill = BrokerFill(
            next(self._ids), order.id, contract.id, message.side, traded, self.price, self._now()
        )
        order.fills.append(fill)
        if traded == left:
            order.status = BrokerOrderStatus.FILLED
            for sibling in order.siblings:
                self.orders[sibling].status = BrokerOrderStatus.CANCELLED
        held = self._holdings[message.account_id, contract.id]
        held.quantity, held.average_price = apply_fill(
            held.quantity, held.average_price, fill.signed_quantity, fill.price
        )

    def log_in_again(self, *, timeout_s: float) -> None:
        self._called("log_in_again")

    def token_ends_at(self, *, timeout_s: float) -> datetime:
        self._called("token_ends_at")
        return self.token_until

    def accounts(self, *, timeout_s: float) -> Sequence[BrokerAccount]:
        self._called("accounts")
        return [BrokerAccount(1, "PAPER1", active=True)]

    def front_contract(self, root: str, *, timeout_s: float) -> BrokerContract:
        self._called("front_contract")
        for contract in self.contracts.values():
            if contract.product == root and contract.is_front:
                return contract
        raise BrokerRefused("UnknownProduct", root)

    def contract_by_name(self, name: str, *, timeout_s: float) -> BrokerContract:
        self._called("contract_by_name")
        return self._named(name)

    def contract_by_id(self, contract_id: int, *, timeout_s: float) -> BrokerContract:
        self._called("contract_by_id")
        return self.contracts[contract_id]

    def positions(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerPosition]:
        self._called("positions")
        return [
            BrokerPosition(account_id, contract_id, held.quantity, held.average_price)
            for (owner, contract_id), held in self._holdings.items()
            if owner == account_id
        ]

    def cash(self, account_id: int, *, timeout_s: float) -> FakeCash:
        self._called("cash")
        return self.money

    def costs(self, root: str, *, timeout_s: float) -> ContractCosts:
        self._called("costs")
        return self.contract_costs

    def outer_wall(self, account_id: int, *, timeout_s: float) -> OuterWall:
        self._called("outer_wall")
        return self.wall

    def account_fills(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        self._called("account_fills")
        orders = [order for order in self.orders.values() if order.message.account_id == account_id]
        return [fill for order in orders for fill in order.fills]

    def fill_costs(self, fill_ids: Sequence[int], *, timeout_s: float) -> Mapping[int, Decimal]:
        self._called("fill_costs")
        fills = [fill for order in self.orders.values() for fill in order.fills]
        each = self.contract_costs.fee
        return {fill.id: fill.quantity * each for fill in fills if fill.id in fill_ids and each is not None}

    def submit(self, order: OrderRequest, *, timeout_s: float) -> int:
        if self.before_submit is not None:
            self.before_submit(order)
        self.submits.append(order)
        self._called("submit")
        added = self._add(order)
        if self._rejections:
            added.status, added.reject_reason = BrokerOrderStatus.REJECTED, self._rejections.pop(0)
        elif self.fills_at_once and order.terms is AT_MARKET:
            self.fill(added.id)
        if self._lost_replies:
            raise self._lost_replies.pop(0)
        return added.id

    def submit_bracket(self, entry: OrderRequest, legs: Sequence[Leg], *, timeout_s: float) -> PlacedBracket:
        """Place legs that only `fill` fills."""
        entry_id = self.submit(entry, timeout_s=timeout_s)
        placed = [
            self._add(replace(entry, side=leg.side, terms=leg.terms, client_order_id=leg.client_order_id))
            for leg in legs
        ]
        for leg in placed:
            leg.siblings = [other.id for other in placed if other is not leg]
        return PlacedBracket(entry_id, tuple(leg.id for leg in placed))

    def submit_pair(self, order: OrderRequest, other: Leg, *, timeout_s: float) -> tuple[int, int]:
        placed = self.submit_bracket(order, [other], timeout_s=timeout_s)
        self.orders[placed.entry_id].siblings = list(placed.leg_ids)
        self.orders[placed.leg_ids[0]].siblings = [placed.entry_id]
        return placed.entry_id, placed.leg_ids[0]

    def order_report(self, order_id: int, *, timeout_s: float) -> OrderReport:
        self._called("order_report")
        order = self.orders[order_id]
        return OrderReport(order.id, order.status, tuple(order.fills), order.reject_reason)

    def fills(self, order_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        self._called("fills")
        return list(self.orders[order_id].fills)

    def find_order(self, account_id: int, client_order_id: str, *, timeout_s: float) -> int | None:
        self._called("find_order")
        for order in self.orders.values():
            if (order.message.account_id, order.message.client_order_id) == (account_id, client_order_id):
                return order.id
        return None

    def working_orders(self, account_id: int, *, timeout_s: float) -> Sequence[WorkingOrder]:
        self._called("working_orders")
        return [
            WorkingOrder(order.id, self._named(order.message.contract).id, order.message.side, order.status)
            for order in self.orders.values()
            if order.message.account_id == account_id and order.status is BrokerOrderStatus.WORKING
        ]

    def named_orders(self, account_id: int, *, timeout_s: float) -> Sequence[NamedOrder]:
        self._called("named_orders")
        return [
            NamedOrder(order.id, order.message.client_order_id, order.placed_at)
            for order in self.orders.values()
            if order.message.account_id == account_id and order.message.client_order_id
        ]

    def cancel(self, order_id: int, *, timeout_s: float) -> int:
        self._called("cancel")
        order = self.orders[order_id]
        if order.status is not BrokerOrderStatus.WORKING:
            raise BrokerRefused("TooLate", "the order is over")
        order.status = BrokerOrderStatus.CANCELLED
        return next(self._ids)

    def move_paper_price(self, root: str, price: Decimal, *, timeout_s: float) -> None:
        self._called("move_paper_price")
        self.prices[root] = price

    def changes(self, stop: Event) -> Iterator[Connected | Change | None]:
        """Yield what the test puts into `hints`, and stop when they are told."""
        self._called("changes")
        while self.hints and not stop.is_set():
            yield self.hints.pop(0)

    def for_orders(self) -> Self:
        return self

    def for_refresh(self) -> Self:
        return self

    def close(self) -> None:
        self._called("close")

    def _called(self, call: str) -> None:
        self.calls[call] += 1
        if self._failures[call]:
            raise self._failures[call].pop(0)

    def _add(self, message: OrderRequest) -> FakeOrder:
        order = FakeOrder(next(self._ids), message, placed_at=self._now())
        self.orders[order.id] = order
        return order

    def _named(self, name: str) -> BrokerContract:
        for contract in self.contracts.values():
            if contract.name == name:
                return contract
        raise BrokerRefused("UnknownContract", name)


class FakeLinks:
    """Links every account to one fake broker; accounts get the ids 1, 2, … in the order they are asked for.

    An account named in `down` cannot be linked: the error there is raised.
    """

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.down: dict[str, BrokerError] = {}
        self._ids: dict[str, int] = {}

    def __call__(self, account: Account, *, timeout_s: float) -> Link:
        if account.name in self.down:
            raise self.down[account.name]
        number = self._ids.setdefault(account.name, len(self._ids) + 1)
        return Link(self.broker, BrokerAccount(number, f"PAPER{number}", active=True))


def make_desk(
    clock: FakeClock,
    links: Links,
    *,
    max_alert_age_s: float = 60,
    reconciled_since: Callable[[datetime], datetime] = lambda _: START,
) -> Desk:
    """Return a desk on fakes, on which accounts must have been reconciled since START."""
    return Desk(
        link=links,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        reconciled_since=reconciled_since,
        max_alert_age_s=max_alert_age_s,
        event_window=timedelta(hours=24),
    )
