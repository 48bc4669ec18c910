"""The hour of requests: orders first, then reads, then refreshes, in blocks from the store."""

from datetime import timedelta
from unittest.mock import Mock

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.base import BrokerRefused, BrokerThrottled
from broker.logins import Share
from broker.tradovate.budget import BLOCK, BLOCK_LASTS_S, WAIT_S, Budget
from tests.broker.wire import LOGIN, PLACE, Clock, MemoryTokens, Script, connect, market_order

LIST = "/account/list"


def with_left(order: int, read: int, refresh: int) -> MemoryTokens:
    store = MemoryTokens()
    store.requests_left = {Share.ORDER: order, Share.READ: read, Share.REFRESH: refresh}
    return store


def takes(budget: Budget, share: Share) -> bool:
    try:
        budget.take(share)
    except BrokerThrottled:
        return False
    return True


@pytest.fixture
def script() -> Script:
    return Script().on(LIST, []).on(PLACE, {"orderId": 5})


def test_read_without_budget_is_not_sent_and_the_order_is(script: Script) -> None:
    broker = connect(script, with_left(1, 0, 0))

    with pytest.raises(BrokerThrottled) as caught:
        broker.accounts(timeout_s=1)
    assert caught.value.retry_after_s == WAIT_S
    broker.submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN, PLACE]


def test_order_is_refused_only_when_all_is_used_up(script: Script) -> None:
    broker = connect(script, with_left(2, 0, 0))

    broker.submit(market_order(), timeout_s=1)
    broker.submit(market_order(), timeout_s=1)
    with pytest.raises(BrokerThrottled):
        broker.submit(market_order(), timeout_s=1)

    assert len(script.sent(PLACE)) == 2


def test_reads_that_an_order_hangs_on_go_while_other_reads_wait(script: Script) -> None:
    broker = connect(script, with_left(100, 0, 0))

    broker.for_orders().accounts(timeout_s=1)
    with pytest.raises(BrokerThrottled):
        broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST]


def test_contract_that_an_order_hangs_on_is_read_while_other_reads_wait(script: Script) -> None:
    broker = connect(script, with_left(100, 0, 0))
    script.on("/contract/find", httpx.Response(404))

    with pytest.raises(BrokerRefused):
        broker.for_orders().contract_by_name("MESZ6", timeout_s=1)

    assert script.paths() == [LOGIN, "/contract/find"]


def test_refresh_without_budget_leaves_reads_alone(script: Script) -> None:
    broker = connect(script, with_left(100, 100, 0))

    with pytest.raises(BrokerThrottled):
        broker.for_refresh().accounts(timeout_s=1)
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST]


def test_each_try_of_a_read_is_counted(script: Script) -> None:
    store = with_left(2, 2, 2)
    script.on(LIST, httpx.ReadTimeout("slow"))

    with pytest.raises(BrokerThrottled):
        connect(script, store).accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LIST]


def test_broker_that_does_not_count_is_asked_without_limit(script: Script) -> None:
    connect(script, with_left(0, 0, 0), paper=True).accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST]


def test_block_is_taken_with_one_question_and_lasts_ten_minutes() -> None:
    clock, store = Clock(), Mock(wraps=MemoryTokens())
    budget = Budget(store, "ada", clock.monotonic)

    for _ in range(BLOCK):
        budget.take(Share.READ)
    assert store.take_requests.call_count == 1
    budget.take(Share.READ)
    assert store.take_requests.call_count == 2
    clock.advance(timedelta(seconds=BLOCK_LASTS_S))
    budget.take(Share.READ)
    assert store.take_requests.call_count == 3


def test_order_uses_what_was_taken_for_reads_and_a_read_not_what_was_taken_for_orders() -> None:
    store = with_left(2 * BLOCK, BLOCK, BLOCK)
    budget = Budget(store, "ada", Clock().monotonic)

    assert takes(budget, Share.READ)
    assert [takes(budget, Share.ORDER) for _ in range(BLOCK - 1)] == [True] * (BLOCK - 1)
    assert not takes(budget, Share.READ)
    assert takes(budget, Share.ORDER)
    assert not takes(budget, Share.READ)


@given(
    left=st.lists(st.integers(0, 90), min_size=3, max_size=3),
    asked=st.lists(st.sampled_from(Share), max_size=150),
)
def test_no_share_passes_what_is_left_to_it_and_those_after_it(left: list[int], asked: list[Share]) -> None:
    refresh, read, order = sorted(left)
    budget = Budget(with_left(order, read, refresh), "ada", Clock().monotonic)

    passed = [share for share in asked if takes(budget, share)]

    assert len(passed) <= order
    assert sum(share is not Share.ORDER for share in passed) <= read
    assert passed.count(Share.REFRESH) <= refresh
