"""The desk on the real paper broker, in this process, through the client that trades."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from broker.base import BrokerOrderStatus
from broker.orders import BrokerOrder
from tests.broker.paper_server import Server
from tests.fakes import FakeClock
from tradedesk.models import Account
from tradedesk.services.desk import Desk, Link

LIMIT_S = 5.0


@dataclass(frozen=True)
class PaperDesk:
    """A desk whose account is PAPER-1 of a paper broker, and what a test does to that broker."""

    desk: Desk
    server: Server
    clock: FakeClock

    @property
    def link(self) -> Link:
        return self.desk.link(Account.objects.get(), timeout_s=LIMIT_S)

    def move(self, price: str, root: str = "MES") -> None:
        """Let the market trade at a price: what rests there fills."""
        self._post("prices", {"root": root, "price": price})

    def fault(self, kind: str, on: str, **options: Any) -> None:
        self._post("faults", {"kind": kind, "on": on, **options})

    def release(self, order_id: int, quantity: int) -> None:
        self._post("release", {"orderId": order_id, "quantity": quantity})

    def held(self, contract: str = "MESZ6") -> int:
        """Return the signed contracts that the account holds."""
        link = self.link
        number = link.broker.contract_by_name(contract, timeout_s=LIMIT_S).id
        rows = link.broker.positions(link.account.id, timeout_s=LIMIT_S)
        return sum(row.quantity for row in rows if row.contract_id == number)

    def orders(self) -> list[BrokerOrder]:
        link = self.link
        return list(link.broker.orders(link.account.id, timeout_s=LIMIT_S))

    def working(self) -> list[tuple[str, int, Decimal | None]]:
        """Return side, contracts and price of the orders that wait; None at market."""
        return [
            (order.side.value, order.quantity or 0, _price(order))
            for order in self.orders()
            if order.status is BrokerOrderStatus.WORKING
        ]

    def requests(self, path: str) -> int:
        """Return how many requests for a path such as /order/placeoso have come."""
        counts: dict[str, int] = httpx.get(f"{self._address}/requests").json()
        return counts.get(path, 0)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return the broker's own rows of a kind such as `command`."""
        book: dict[str, list[dict[str, Any]]] = httpx.get(f"{self._address}/book").json()
        return book[kind]

    def heal(self) -> None:
        """Forget every fault that nothing has met."""
        httpx.delete(f"{self._address}/faults").raise_for_status()

    @property
    def _address(self) -> str:
        return f"{self.server.url.removesuffix('/v1')}/paper"

    def _post(self, page: str, body: dict[str, Any]) -> None:
        httpx.post(f"{self._address}/{page}", json=body).raise_for_status()


def _price(order: BrokerOrder) -> Decimal | None:
    assert order.terms is not None
    return order.terms.price if order.terms.stop_price is None else order.terms.stop_price
