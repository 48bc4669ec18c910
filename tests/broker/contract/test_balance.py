"""Whatever is ordered, moved, lost or rejected: the money adds up, and the client sees the broker's book."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.base import BrokerError, BrokerOrderStatus, Side
from broker.orders import Leg
from broker.terms import AT_MARKET, OrderType, Terms
from tests.broker.contract.venue import LIMIT_S, PLACE, START, Venue, limit, stop, venue

TICK = Decimal("0.25")
STARTING_CASH = Decimal(50_000)
NAMES = count()

ticks = st.integers(-12, 12)
sides = st.sampled_from(list(Side))
sizes = st.integers(1, 3)
placing = st.tuples(st.just("place"), sides, sizes, st.sampled_from(["market", "limit", "stop"]), ticks)
bracket = st.tuples(st.just("bracket"), sides, sizes, st.integers(1, 8), st.integers(1, 8))
moving = st.tuples(st.just("move"), ticks)
ending = st.tuples(st.sampled_from(["cancel", "release", "liquidate"]), st.integers(0, 5))
changing = st.tuples(st.just("modify"), st.integers(0, 5), sizes, ticks)
mishap = st.sampled_from(
    [
        ("fault", {"kind": "drop", "on": PLACE, "when": "after"}),
        ("fault", {"kind": "drop", "on": PLACE, "when": "before"}),
        ("fault", {"kind": "status_after", "on": PLACE, "status": 500}),
        ("fault", {"kind": "refuse", "on": PLACE, "reason": "LiquidationOnly"}),
        ("fault", {"kind": "fate", "on": PLACE, "parts": [1]}),
        ("fault", {"kind": "fate", "on": PLACE, "hold": True}),
        ("fault", {"kind": "fate", "on": PLACE, "reject": ["UnknownReason", "Insufficient margin"]}),
    ]
)
steps = st.lists(st.one_of(placing, placing, bracket, moving, moving, ending, changing, mishap), max_size=10)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("balance") / "paper.journal") as opened:
        yield opened


@given(sequence=steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_money_and_positions_balance_and_the_client_sees_the_book(market: Venue, sequence: list[Any]) -> None:
    market.scenario("faults", method="DELETE")

    for kind, *arguments in sequence:
        with suppress(BrokerError):
            STEPS[kind](market, *arguments)

    market.scenario("faults", method="DELETE")
    orders = market.client.orders(market.account.id, timeout_s=LIMIT_S)
    book = market.scenario("book", method="GET")
    assert_view_equals_book(orders, book)
    assert_positions_are_sums_of_fills(market, orders)
    assert_money_adds_up(market, orders)


def place(at: Venue, side: Side, quantity: int, kind: str, offset: int) -> None:
    price = START + offset * TICK
    terms = {"market": AT_MARKET, "limit": limit(str(price)), "stop": stop(str(price))}[kind]
    at.submit(f"b-{next(NAMES)}", side, quantity, terms)


def place_bracket(at: Venue, side: Side, quantity: int, target: int, protection: int) -> None:
    sign, other = (1, Side.SELL) if side is Side.BUY else (-1, Side.BUY)
    name = f"b-{next(NAMES)}"
    legs = [
        Leg(other, limit(str(START + sign * target * 10 * TICK)), f"{name}-t"),
        Leg(other, stop(str(START - sign * protection * 10 * TICK)), f"{name}-s"),
    ]
    at.client.submit_bracket(at.request(name, side, quantity), legs, timeout_s=LIMIT_S)


def move(at: Venue, offset: int) -> None:
    at.move(START + offset * TICK)


def alive(at: Venue, place_in_list: int) -> int | None:
    working = at.client.working_orders(at.account.id, timeout_s=LIMIT_S)
    return working[place_in_list % len(working)].id if working else None


def cancel(at: Venue, number: int) -> None:
    if (order_id := alive(at, number)) is not None:
        at.client.cancel(order_id, timeout_s=LIMIT_S)


def release(at: Venue, number: int) -> None:
    if (order_id := alive(at, number)) is not None:
        at.scenario("release", {"orderId": order_id})


def liquidate(at: Venue, _number: int) -> None:
    at.client.liquidate(at.account.id, at.contract.id, timeout_s=LIMIT_S)


def modify(at: Venue, number: int, quantity: int, offset: int) -> None:
    if (order_id := alive(at, number)) is not None:
        terms = Terms(OrderType.LIMIT, price=START + offset * TICK)
        at.client.modify(order_id, quantity, terms, f"b-{next(NAMES)}", timeout_s=LIMIT_S)


def set_fault(at: Venue, fault: dict[str, Any]) -> None:
    at.scenario("faults", fault)


STEPS: dict[str, Any] = {
    "place": place,
    "bracket": place_bracket,
    "move": move,
    "cancel": cancel,
    "release": release,
    "liquidate": liquidate,
    "modify": modify,
    "fault": set_fault,
}


def assert_view_equals_book(orders: Any, book: dict[str, Any]) -> None:
    """The client's joined orders against the broker's own rows."""
    rows = {row["id"]: row for row in book["order"]}
    filled: Counter[int] = Counter()
    for fill in book["fill"]:
        filled[fill["orderId"]] += fill["qty"]
    words = {"Filled": "filled", "Canceled": "cancelled", "Expired": "cancelled", "Rejected": "rejected"}
    assert {order.id for order in orders} == set(rows)
    for order in orders:
        assert order.status.value == words.get(rows[order.id]["ordStatus"], "working")
        assert order.filled_quantity == filled[order.id]
        if order.status is BrokerOrderStatus.FILLED:
            assert order.filled_quantity == order.quantity


def assert_positions_are_sums_of_fills(at: Venue, orders: Any) -> None:
    sums: Counter[int] = Counter()
    for order in orders:
        sums[order.contract_id] += sum(fill.signed_quantity for fill in order.fills)
    held = {
        row.contract_id: row.quantity
        for row in at.client.positions(at.account.id, timeout_s=LIMIT_S)
        if row.quantity
    }
    assert held == {contract: quantity for contract, quantity in sums.items() if quantity}


def assert_money_adds_up(at: Venue, orders: Any) -> None:
    """Cash and open profit follow from the fills alone: what was sold for, less what was paid, less fees."""
    fills = [fill for order in orders for fill in order.fills]
    cost = sum((fill.signed_quantity * fill.price for fill in fills), Decimal(0)) * at.contract.point_value
    fees = fees_of(at, [fill.id for fill in fills])
    cash = at.client.cash(at.account.id, timeout_s=LIMIT_S)
    mark = Decimal(str(next(row["last"] for row in at.scenario("book", method="GET")["price"])))
    worth = at.held() * mark * at.contract.point_value
    assert cash.net_liq == STARTING_CASH - cost + worth - fees
    assert cash.net_liq == (cash.total_cash_value or 0) + (cash.open_pnl or 0)
    assert cash.total_pnl == (cash.open_pnl or 0) + (cash.realized_pnl or 0)


def fees_of(at: Venue, fill_ids: list[int]) -> Decimal:
    total = Decimal(0)
    for row in at.client.fill_fees(fill_ids, timeout_s=LIMIT_S) if fill_ids else ():
        total += sum(
            (
                fee
                for name, fee in vars(row).items()
                if fee is not None and (name.endswith("_fee") or name == "commission")
            ),
            Decimal(0),
        )
    return total
