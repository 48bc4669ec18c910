"""The client and the paper broker over a real socket, the broker in a process of its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from broker.base import (
    BrokerAccount,
    BrokerAuthFailed,
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerPosition,
    BrokerRefused,
    OrderReport,
    OrderRequest,
    Side,
)
from broker.logins import AccessToken
from broker.terms import OrderType, Terms
from broker.tradovate.client import TradovateBroker
from broker.tradovate.credentials import Credentials
from tests.broker.wire import MemoryTokens

ROOT = Path(__file__).parents[2]
PAPER = Credentials("paper", "paper")
# Long enough for a busy machine; nothing waits for it.
LIMIT_S = 10.0


class Wall:
    """The clients' wall clock: moved by hand, and long before the paper broker's, which is the real one."""

    def __init__(self) -> None:
        self.moment = datetime(2020, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@contextmanager
def paper_broker(data: Path) -> Iterator[str]:
    """Run a paper broker and yield its REST address."""
    command = [sys.executable, "-m", "broker.paper", "--port", "0", "--data", str(data), "--no-sync"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with paper_broker(tmp_path_factory.mktemp("paper") / "paper.journal") as address:
        yield address


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def broker(url: str, tokens: MemoryTokens, wall: Wall) -> Iterator[TradovateBroker]:
    client = TradovateBroker(url, PAPER, tokens, now=wall, paper=True)
    yield client
    client.close()


def first_account(broker: TradovateBroker) -> BrokerAccount:
    return next(account for account in broker.accounts(timeout_s=LIMIT_S) if account.active)


def make_order(
    broker: TradovateBroker, client_order_id: str, side: Side, quantity: int, root: str
) -> OrderRequest:
    account = first_account(broker)
    contract = broker.front_contract(root, timeout_s=LIMIT_S)
    price = Decimal("6842.25")
    return OrderRequest(
        account.id, account.name, contract.name, side, quantity, client_order_id, reference_price=price
    )


def settle(broker: TradovateBroker, order_id: int) -> OrderReport:
    """Ask until the order is over; the broker works it off between two questions."""
    for _ in range(1000):
        report = broker.order_report(order_id, timeout_s=LIMIT_S)
        if report.status is not BrokerOrderStatus.WORKING:
            return report
    raise AssertionError(f"order {order_id} is still working")


def held(broker: TradovateBroker, root: str) -> BrokerPosition:
    contract = broker.front_contract(root, timeout_s=LIMIT_S)
    positions = broker.positions(first_account(broker).id, timeout_s=LIMIT_S)
    return next(row for row in positions if row.contract_id == contract.id)


def test_contract_is_the_same_by_root_name_and_id(broker: TradovateBroker) -> None:
    front = broker.front_contract("MES", timeout_s=LIMIT_S)

    assert front.product == "MES"
    assert front.is_front
    assert (front.tick_size, front.point_value) == (Decimal("0.25"), Decimal("5"))
    assert broker.contract_by_name(front.name, timeout_s=LIMIT_S) == front
    assert broker.contract_by_id(front.id, timeout_s=LIMIT_S) == front


def test_placed_order_fills_and_becomes_a_position(broker: TradovateBroker) -> None:
    order_id = broker.submit(make_order(broker, "place-1", Side.BUY, 2, "MES"), timeout_s=LIMIT_S)

    report = settle(broker, order_id)

    assert report.status is BrokerOrderStatus.FILLED
    assert report.filled_quantity == 2
    assert {(fill.order_id, fill.side) for fill in report.fills} == {(order_id, Side.BUY)}
    assert tuple(broker.fills(order_id, timeout_s=LIMIT_S)) == report.fills
    position = held(broker, "MES")
    assert position.quantity == 2
    assert position.average_price == report.fills[0].price
    # One tick of slippage at most from the price in X-Paper-Price.
    assert abs(position.average_price - Decimal("6842.25")) <= Decimal("0.25")


def test_larger_opposite_order_flips_the_position(broker: TradovateBroker) -> None:
    settle(broker, broker.submit(make_order(broker, "flip-1", Side.BUY, 1, "MNQ"), timeout_s=LIMIT_S))

    settle(broker, broker.submit(make_order(broker, "flip-2", Side.SELL, 2, "MNQ"), timeout_s=LIMIT_S))

    assert held(broker, "MNQ").quantity == -1


def test_closed_position_stays_as_a_flat_row(broker: TradovateBroker) -> None:
    settle(broker, broker.submit(make_order(broker, "flat-1", Side.SELL, 1, "M2K"), timeout_s=LIMIT_S))

    settle(broker, broker.submit(make_order(broker, "flat-2", Side.BUY, 1, "M2K"), timeout_s=LIMIT_S))

    position = held(broker, "M2K")
    assert (position.quantity, position.average_price) == (0, None)


def test_price_that_the_paper_market_moves_to_reaches_an_order_that_rests(broker: TradovateBroker) -> None:
    limit = Terms(OrderType.LIMIT, price=Decimal("6800"))
    order = replace(make_order(broker, "rest-1", Side.BUY, 1, "MYM"), terms=limit)
    order_id = broker.submit(replace(order, reference_price=Decimal("6842")), timeout_s=LIMIT_S)
    before = broker.order_report(order_id, timeout_s=LIMIT_S).status

    broker.move_paper_price("MYM", Decimal("6799"), timeout_s=LIMIT_S)

    assert before is BrokerOrderStatus.WORKING
    assert settle(broker, order_id).status is BrokerOrderStatus.FILLED


def test_order_is_found_by_our_id(broker: TradovateBroker) -> None:
    order = make_order(broker, "find-1", Side.BUY, 1, "MES")
    order_id = broker.submit(order, timeout_s=LIMIT_S)

    assert broker.find_order(order.account_id, "find-1", timeout_s=LIMIT_S) == order_id
    assert broker.find_order(order.account_id + 1, "find-1", timeout_s=LIMIT_S) is None
    assert broker.find_order(order.account_id, "find-2", timeout_s=LIMIT_S) is None


def test_settled_order_is_not_working_and_cannot_be_cancelled(broker: TradovateBroker) -> None:
    order = make_order(broker, "cancel-1", Side.BUY, 1, "MES")
    order_id = broker.submit(order, timeout_s=LIMIT_S)
    settle(broker, order_id)

    assert broker.working_orders(order.account_id, timeout_s=LIMIT_S) == []
    with pytest.raises(BrokerRefused):
        broker.cancel(order_id, timeout_s=LIMIT_S)


def test_unknown_contract_and_unknown_account_are_refused(broker: TradovateBroker) -> None:
    order = make_order(broker, "refuse-1", Side.BUY, 1, "MES")

    with pytest.raises(BrokerRefused):
        broker.contract_by_name("NOPE9", timeout_s=LIMIT_S)
    with pytest.raises((BrokerRefused, BrokerAuthFailed)):
        broker.submit(replace(order, account_id=1, account_name="NOBODY"), timeout_s=LIMIT_S)


def test_wrong_password_is_auth_failed(url: str, tokens: MemoryTokens, wall: Wall) -> None:
    broker = TradovateBroker(url, replace(PAPER, password="wrong"), tokens, now=wall)

    with pytest.raises(BrokerAuthFailed):
        broker.accounts(timeout_s=LIMIT_S)
    broker.close()


def test_token_that_the_broker_forgot_is_replaced_and_the_order_goes_out_once(
    url: str, broker: TradovateBroker, tokens: MemoryTokens, wall: Wall
) -> None:
    order = make_order(broker, "expiry-1", Side.BUY, 1, "MCL")
    (login,) = tokens.tokens
    tokens.save(login, AccessToken("forgotten", wall.moment + timedelta(hours=1)))
    other = TradovateBroker(url, PAPER, tokens, now=wall, paper=True)

    report = settle(other, other.submit(order, timeout_s=LIMIT_S))
    other.close()

    assert report.filled_quantity == 1
    assert held(broker, "MCL").quantity == 1
    assert tokens.tokens[login].value != "forgotten"


def test_token_close_to_its_end_is_renewed_and_the_old_one_is_dead(
    url: str, broker: TradovateBroker, tokens: MemoryTokens, wall: Wall
) -> None:
    broker.accounts(timeout_s=LIMIT_S)
    (login,) = tokens.tokens
    old = tokens.tokens[login]

    wall.moment = old.expires_at - timedelta(minutes=10)
    broker.accounts(timeout_s=LIMIT_S)

    assert tokens.tokens[login].value != old.value
    headers = {"Authorization": f"Bearer {old.value}"}
    assert httpx.get(f"{url}/account/list", headers=headers).status_code == 401


def test_two_clients_on_one_store_open_one_session(url: str, tokens: MemoryTokens, wall: Wall) -> None:
    brokers = [TradovateBroker(url, PAPER, tokens, now=wall) for _ in range(2)]
    together = threading.Barrier(6)

    def ask(number: int) -> None:
        together.wait(5)
        brokers[number % 2].accounts(timeout_s=LIMIT_S)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))

    for broker in brokers:
        broker.close()

    assert len(tokens.saved) == 1


def test_broker_that_restarts_is_logged_into_again(tmp_path: Path, tokens: MemoryTokens, wall: Wall) -> None:
    data = tmp_path / "paper.journal"
    with paper_broker(data) as first:
        broker = TradovateBroker(first, PAPER, tokens, now=wall, paper=True)
        order = make_order(broker, "restart-1", Side.BUY, 1, "MES")
        order_id = broker.submit(order, timeout_s=LIMIT_S)
        settle(broker, order_id)

    with pytest.raises(BrokerNotReached):
        broker.accounts(timeout_s=LIMIT_S)
    broker.close()
    with paper_broker(data) as second:
        broker = TradovateBroker(second, PAPER, tokens, now=wall, paper=True)
        found = broker.find_order(order.account_id, "restart-1", timeout_s=LIMIT_S)
        broker.close()

    assert found == order_id
