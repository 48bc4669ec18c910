"""The port through which the desk reaches one broker login, its value types and its error tree.

BrokerError
 ├─ BrokerRefused          nothing happened: the broker answered no
 ├─ BrokerNotReached       nothing was sent: no connection
 ├─ BrokerThrottled        nothing was carried out: penalty or rate limit
 ├─ BrokerAuthFailed       nothing was carried out: the login or the token was refused
 └─ BrokerOutcomeUnknown   anything may have happened: look it up, never send again
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING, Protocol, Self

from broker.money import ContractCosts, OuterWall
from broker.terms import AT_MARKET, Terms

if TYPE_CHECKING:
    from broker.orders import BrokerOrder, Leg, PlacedBracket


class BrokerError(Exception):
    """Something went wrong at the broker; the subclass says what the caller may do next."""


class BrokerRefused(BrokerError):
    """The broker answered no, and the answer proves that nothing was done.

    `reason` is the broker's own code (`MaxPosLimitReached`), `text` its sentence, both possibly empty.
    """

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(": ".join(part for part in (reason, text) if part))
        self.reason = reason
        self.text = text


class BrokerNotReached(BrokerError):
    """The request never left: refused, unresolvable or timed out while connecting."""


class BrokerThrottled(BrokerError):
    """A penalty, a 429, or no requests left: not carried out, and not before `retry_after_s` seconds.

    That is None where only a person can lift the lock-out (a captcha). `ticket` goes with the same request
    when it is sent again, which the client does by itself.
    """

    def __init__(self, retry_after_s: float | None, ticket: str = "") -> None:
        super().__init__("locked out" if retry_after_s is None else f"wait {retry_after_s:g} s")
        self.retry_after_s = retry_after_s
        self.ticket = ticket


class BrokerAuthFailed(BrokerError):
    """Login refused, or the token refused after one renewal and one login."""


class BrokerOutcomeUnknown(BrokerError):
    """Time-out after sending, reset, 5xx or an unreadable reply: the request may have been carried out."""


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class BrokerOrderStatus(StrEnum):
    """Where an order stands at the broker. `UNKNOWN` covers words this desk does not know: ask again."""

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BrokerAccount:
    id: int
    name: str
    active: bool


@dataclass(frozen=True)
class BrokerContract:
    """One contract month with its product's terms. `tick_size` and `point_value` are the broker's words.

    `first_notice_on` is None where the broker tells none: as a rule the contract is settled in cash.
    """

    id: int
    name: str
    product: str
    tick_size: Decimal
    point_value: Decimal
    expires_on: date | None
    is_front: bool
    first_notice_on: date | None = None


@dataclass(frozen=True)
class BrokerPosition:
    """Net contracts held, signed: long > 0, short < 0, flat = 0. `average_price` is None when flat."""

    account_id: int
    contract_id: int
    quantity: int
    average_price: Decimal | None


class Cash(Protocol):
    """An account's money in dollars; None for what the broker does not tell."""

    @property
    def net_liq(self) -> Decimal | None:
        """Cash and open positions together."""
        ...

    @property
    def total_pnl(self) -> Decimal | None:
        """Profit of this session, open positions included."""
        ...

    @property
    def initial_margin(self) -> Decimal | None:
        """What positions tie up."""
        ...


@dataclass(frozen=True)
class BrokerFill:
    """One execution. `quantity` counts contracts and is positive; `side` says which way."""

    id: int
    order_id: int
    contract_id: int
    side: Side
    quantity: int
    price: Decimal
    filled_at: datetime

    @property
    def signed_quantity(self) -> int:
        """Contracts with the fill's direction: bought is positive, sold negative."""
        return self.quantity if self.side is Side.BUY else -self.quantity


@dataclass(frozen=True)
class OrderReport:
    """An order as the broker sees it now: status, fills in the order they were made, reason if refused."""

    order_id: int
    status: BrokerOrderStatus
    fills: tuple[BrokerFill, ...] = ()
    reject_reason: str = ""

    @property
    def filled_quantity(self) -> int:
        return sum(fill.quantity for fill in self.fills)


@dataclass(frozen=True)
class WorkingOrder:
    """An order that may still fill: `status` is WORKING, or UNKNOWN. `contract_id` is None for a spread."""

    id: int
    contract_id: int | None
    side: Side
    status: BrokerOrderStatus


@dataclass(frozen=True)
class NamedOrder:
    """An order at the broker that was given a client order id, and when it was placed."""

    id: int
    client_order_id: str
    placed_at: datetime


@dataclass(frozen=True)
class Connected:
    """A stream of changes begins: whatever happened before must be read, for it is never told."""


@dataclass(frozen=True)
class Change:
    """A hint that something changed at the broker; None and "" for what the frame did not say.

    `client_order_id` names the order `order_id`; `fill_id` is that of a fill.
    """

    account_id: int | None = None
    order_id: int | None = None
    client_order_id: str = ""
    fill_id: int | None = None


@dataclass(frozen=True)
class OrderRequest:
    """An order to be sent once. `quantity` is positive; `client_order_id` has at most 64 characters.

    `reference_price` is the price that the order answers to; only the paper broker hears of it.
    """

    account_id: int
    account_name: str
    contract: str
    side: Side
    quantity: int
    client_order_id: str
    terms: Terms = AT_MARKET
    reference_price: Decimal | None = None


class Broker(Protocol):
    """What the desk asks of a broker. A call takes the seconds it may last in all and raises BrokerError."""

    @property
    def clock_offset_s(self) -> float | None:
        """Seconds that the broker's clock is ahead of ours, by its last answer; None before the first."""
        ...

    def log_in_again(self, *, timeout_s: float) -> None:
        """Start a fresh session, so that what is read next owes nothing to the old one."""
        ...

    def token_ends_at(self, *, timeout_s: float) -> datetime:
        """Return when the login's token ends, renewed first where that is less than 15 minutes away."""
        ...

    def accounts(self, *, timeout_s: float) -> Sequence[BrokerAccount]: ...

    def front_contract(self, root: str, *, timeout_s: float) -> BrokerContract:
        """Return the contract the broker calls the front month of a root such as MES."""
        ...

    def contract_by_name(self, name: str, *, timeout_s: float) -> BrokerContract:
        """Return the contract of a name such as MESZ6."""
        ...

    def contract_by_id(self, contract_id: int, *, timeout_s: float) -> BrokerContract: ...

    def costs(self, root: str, *, timeout_s: float) -> ContractCosts:
        """Return what this login pays for a root such as MES."""
        ...

    def positions(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerPosition]:
        """Return the account's rows, flat ones included. A contract without a row was never traded."""
        ...

    def cash(self, account_id: int, *, timeout_s: float) -> Cash:
        """Return the account's money as it is now. Not for the path of an order, nor to be polled."""
        ...

    def outer_wall(self, account_id: int, *, timeout_s: float) -> OuterWall:
        """Return the limits that a person set for an account at the broker."""
        ...

    def submit(self, order: OrderRequest, *, timeout_s: float) -> int:
        """Send an order once and return the broker's order id: received, not yet accepted.

        After `BrokerThrottled`, and only then, the same order may be submitted again.
        """
        ...

    def submit_bracket(
        self, entry: OrderRequest, legs: "Sequence[Leg]", *, timeout_s: float
    ) -> "PlacedBracket":
        """Send an entry with one leg or two that wait for its fill, once, and return their ids.

        The legs take the entry's quantity. Of two, the fill of one cancels the other.
        """
        ...

    def submit_pair(self, order: OrderRequest, other: "Leg", *, timeout_s: float) -> tuple[int, int]:
        """Send two orders of one quantity, of which the fill of one cancels the other; return their ids."""
        ...

    def orders(self, account_id: int, *, timeout_s: float) -> "Sequence[BrokerOrder]":
        """Return the account's orders with terms, fills and reasons, oldest first. Takes several requests."""
        ...

    def order_report(self, order_id: int, *, timeout_s: float) -> OrderReport: ...

    def fills(self, order_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        """Return the fills of one order so far, oldest first."""
        ...

    def account_fills(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        """Return the fills of an account, oldest first, as far back as the broker lists orders."""
        ...

    def fill_costs(self, fill_ids: Sequence[int], *, timeout_s: float) -> Mapping[int, Decimal]:
        """Return the dollars that fills cost by their ids, without those not told yet."""
        ...

    def find_order(self, account_id: int, client_order_id: str, *, timeout_s: float) -> int | None:
        """Return the broker's id of the order that carries our id, or None when the broker lists none."""
        ...

    def working_orders(self, account_id: int, *, timeout_s: float) -> Sequence[WorkingOrder]:
        """Return the account's orders that are not known to be over."""
        ...

    def named_orders(self, account_id: int, *, timeout_s: float) -> Sequence[NamedOrder]:
        """Return the account's orders that were given a client order id, as far as they are listed."""
        ...

    def cancel(self, order_id: int, *, timeout_s: float) -> int:
        """Ask for an order to be cancelled and return the id of the command: received, not yet done.

        A dead order raises `BrokerRefused`.
        """
        ...

    def move_paper_price(self, root: str, price: Decimal, *, timeout_s: float) -> None:
        """Let the paper market of a root move to a price. Any other market has prices of its own."""
        ...

    def changes(self, stop: Event) -> Iterator[Connected | Change | None]:
        """Yield what changes at the broker until `stop` is set, and None when there is nothing to tell.

        Goes on through every outage. Hints only: they come in any order, some never.
        """
        ...

    def for_orders(self) -> Self:
        """Return this broker for what an order hangs on, which comes first when requests run short."""
        ...

    def for_refresh(self) -> Self:
        """Return this broker for questions that come last when the login's requests run short."""
        ...

    def close(self) -> None:
        """Give back the connections. The object is of no use afterwards."""
        ...
