"""The server that the contract is checked against, with what its scenarios can make it do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from broker.base import BrokerAccount, BrokerContract, BrokerOrderStatus, OrderReport, OrderRequest, Side
from broker.orders import BrokerOrder
from broker.terms import AT_MARKET, OrderType, Terms
from broker.tradovate.client import TradovateBroker
from broker.tradovate.credentials import Credentials
from tests.broker.wire import MemoryTokens

ROOT = Path(__file__).parents[3]
LOGIN = Credentials("paper", "paper")
LIMIT_S = 10.0
START = Decimal("6840.00")
PLACE = "/order/placeorder"


class Clocks:
    """The client's clocks: they stand still but for what a test or a pause of the client adds."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)  # noqa: TID251 - the server under test runs by the real clock
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Venue:
    """A running broker with its scenarios, one client on it, and orders that are quick to write."""

    url: str
    process: subprocess.Popen[str]
    tokens: MemoryTokens = field(default_factory=MemoryTokens)
    clocks: Clocks = field(default_factory=Clocks)
    root: str = "MES"

    def __post_init__(self) -> None:
        self.client = self.connect()
        self.account: BrokerAccount = self.client.accounts(timeout_s=LIMIT_S)[0]
        self.contract: BrokerContract = self.client.front_contract(self.root, timeout_s=LIMIT_S)
        self.move(START)

    def connect(self, tokens: MemoryTokens | None = None) -> TradovateBroker:
        """Return a client, of another desk where it is given tokens of its own."""
        return TradovateBroker(
            self.url,
            LOGIN,
            tokens or self.tokens,
            now=self.clocks.now,
            sleep=self.clocks.sleep,
            paper=True,
        )

    def scenario(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Ask for something under /paper, which needs no token."""
        base = self.url.removesuffix("/v1")
        reply = httpx.request(method, f"{base}/paper/{path}", json=body, timeout=LIMIT_S)
        assert reply.status_code == 200, reply.text
        return reply.json() if reply.content else None

    def fault(self, kind: str, on: str, **options: Any) -> None:
        """Let the next requests of a path meet a fault."""
        self.scenario("faults", {"kind": kind, "on": on, **options})

    def faults_left(self) -> list[Any]:
        """Return the faults that nothing has met yet."""
        left = self.scenario("faults", method="GET")
        return list(left["faults"] if isinstance(left, dict) else left)

    def asked(self, path: str) -> int:
        """Return how many requests of a path have arrived."""
        counts = self.scenario("requests", method="GET")
        return int(counts.get(path, 0))

    def move(self, price: Decimal) -> None:
        """Move the market of the contract's product."""
        self.scenario("prices", {"root": self.root, "price": float(price)})

    def request(
        self, name: str, side: Side = Side.BUY, quantity: int = 1, terms: Terms = AT_MARKET
    ) -> OrderRequest:
        """Return an order that carries `name` as its client order id."""
        return OrderRequest(
            self.account.id, self.account.name, self.contract.name, side, quantity, name, terms
        )

    def submit(self, name: str, side: Side = Side.BUY, quantity: int = 1, terms: Terms = AT_MARKET) -> int:
        return self.client.submit(self.request(name, side, quantity, terms), timeout_s=LIMIT_S)

    def order(self, order_id: int) -> BrokerOrder:
        return self.client.order(order_id, timeout_s=LIMIT_S)

    def report(self, order_id: int) -> OrderReport:
        return self.client.order_report(order_id, timeout_s=LIMIT_S)

    def status(self, order_id: int) -> BrokerOrderStatus:
        return self.report(order_id).status

    def held(self) -> int:
        """Return the signed contracts held in the contract."""
        rows = self.client.positions(self.account.id, timeout_s=LIMIT_S)
        return sum(row.quantity for row in rows if row.contract_id == self.contract.id)

    def orders_named(self, name: str) -> list[BrokerOrder]:
        """Return the account's orders at the broker that carry a client order id."""
        orders = self.client.orders(self.account.id, timeout_s=LIMIT_S)
        return [order for order in orders if order.client_order_id == name]

    def pass_time(self, seconds: float) -> None:
        """Move the clocks of both ends forward."""
        self.clocks.moment += timedelta(seconds=seconds)
        self.scenario("clock", {"advance_s": seconds})


@contextmanager
def venue(data: Path, *flags: str) -> Iterator[Venue]:
    """Run a paper broker with scenarios in a process of its own and yield it with a client."""
    command = [sys.executable, "-m", "broker.paper", "--port", "0", "--data", str(data), "--no-sync"]
    with subprocess.Popen(
        [*command, "--scenarios", *flags], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            opened = Venue(process.stdout.readline().split()[-1], process)
            yield opened
            opened.client.close()
        finally:
            process.terminate()


def limit(price: str) -> Terms:
    return Terms(OrderType.LIMIT, price=Decimal(price))


def stop(price: str) -> Terms:
    return Terms(OrderType.STOP, stop_price=Decimal(price))
