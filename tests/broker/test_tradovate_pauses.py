"""Penalties and lock-outs: whom they stop, for how long, in every process, and what goes on meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from broker.base import BrokerAuthFailed, BrokerThrottled
from broker.tradovate.client import TradovateBroker
from broker.tradovate.http import LOCK_WAIT_S, RATE_LIMIT_WAIT_S
from broker.tradovate.pauses import CAPTCHA_PAUSE, LOOK_AGAIN_AFTER_S, Pauses
from tests.broker.wire import (
    CANCEL,
    CREDENTIALS,
    LOGIN,
    PLACE,
    RENEW,
    Clock,
    MemoryTokens,
    Request,
    Script,
    connect,
    market_order,
)

LIST = "/account/list"
PENALTY = {"p-ticket": "T1", "p-time": 15, "p-captcha": False}

type Call = Callable[[TradovateBroker], object]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script(clock: Clock) -> Script:
    return Script(clock).on(LIST, []).on(PLACE, {"orderId": 5}).on(CANCEL, {"commandId": 9})


@pytest.fixture
def store() -> MemoryTokens:
    return MemoryTokens()


def place(broker: TradovateBroker) -> object:
    return broker.submit(market_order(), timeout_s=1)


def read(broker: TradovateBroker) -> object:
    return broker.accounts(timeout_s=1)


def cancel(broker: TradovateBroker) -> None:
    broker.cancel(5, timeout_s=1)


def wait_of(call: Call, broker: TradovateBroker) -> float | None:
    """Return how long the broker says to wait when asked."""
    with pytest.raises(BrokerThrottled) as caught:
        call(broker)
    return caught.value.retry_after_s


def test_penalised_order_stops_orders_for_its_time_and_nothing_else(script: Script, clock: Clock) -> None:
    script.on(PLACE, PENALTY, {"orderId": 5})
    broker = connect(script)

    assert wait_of(place, broker) == 15
    clock.advance(timedelta(seconds=10))
    other = market_order(client_order_id="td-0002")
    assert wait_of(lambda client: client.submit(other, timeout_s=1), broker) == 5
    read(broker)
    cancel(broker)

    assert script.paths() == [LOGIN, PLACE, LIST, CANCEL]


def test_penalised_order_shows_its_ticket_once_and_other_orders_show_none(
    script: Script, clock: Clock
) -> None:
    script.on(PLACE, PENALTY, {"orderId": 5})
    broker = connect(script)
    wait_of(place, broker)
    clock.advance(timedelta(seconds=15))

    broker.submit(market_order(client_order_id="td-0002"), timeout_s=1)
    place(broker)
    place(broker)

    first, other, again, third = [request.body for request in script.sent(PLACE)]
    assert [body.pop("p-ticket", None) for body in (first, other, again, third)] == [None, None, "T1", None]
    assert first == again == third


def test_penalised_cancel_stops_cancels_only(script: Script, clock: Clock) -> None:
    script.on(CANCEL, PENALTY, {"commandId": 9})
    broker = connect(script)

    assert wait_of(cancel, broker) == 15
    place(broker)
    clock.advance(timedelta(seconds=15))
    cancel(broker)

    assert script.paths() == [LOGIN, CANCEL, PLACE, CANCEL]
    assert script.sent(CANCEL)[1].body["p-ticket"] == "T1"


def test_penalised_read_stops_that_read_only(script: Script, clock: Clock) -> None:
    script.on("/position/deps", PENALTY, [])
    broker = connect(script)

    assert wait_of(lambda client: client.positions(1, timeout_s=1), broker) == 15
    assert wait_of(lambda client: client.positions(2, timeout_s=1), broker) == 15
    read(broker)
    clock.advance(timedelta(seconds=15))
    broker.positions(1, timeout_s=1)

    assert script.paths() == [LOGIN, "/position/deps", LIST, "/position/deps"]


def test_captcha_on_an_order_is_waited_out_for_an_hour(script: Script, clock: Clock) -> None:
    script.on(PLACE, {"p-ticket": "T1", "p-time": 15, "p-captcha": True}, {"orderId": 5})
    broker = connect(script)

    assert wait_of(place, broker) is None
    assert wait_of(place, broker) == CAPTCHA_PAUSE.total_seconds()
    clock.advance(CAPTCHA_PAUSE)
    place(broker)

    assert len(script.sent(PLACE)) == 2


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (httpx.Response(429), RATE_LIMIT_WAIT_S),
        (httpx.Response(429, headers={"Retry-After": "7"}), 7),
        (httpx.Response(423), LOCK_WAIT_S),
    ],
)
@pytest.mark.parametrize("call", [place, read, cancel])
def test_lock_out_stops_every_request_of_the_login(
    script: Script, clock: Clock, answer: httpx.Response, wait_s: float, call: Call
) -> None:
    script.on("/position/deps", answer)
    broker = connect(script)

    assert wait_of(lambda client: client.positions(1, timeout_s=1), broker) == wait_s
    assert wait_of(call, broker) == wait_s
    assert script.paths() == [LOGIN, "/position/deps"]
    clock.advance(timedelta(seconds=wait_s))
    call(broker)


def test_lock_out_met_while_renewing_stops_the_order_too(script: Script, clock: Clock) -> None:
    broker = connect(script)
    read(broker)
    script.on(RENEW, httpx.Response(429))
    clock.advance(timedelta(minutes=70))

    assert wait_of(place, broker) == RATE_LIMIT_WAIT_S
    assert script.paths() == [LOGIN, LIST, RENEW]


def test_lock_out_does_not_concern_another_login(script: Script, store: MemoryTokens, clock: Clock) -> None:
    script.on(PLACE, httpx.Response(429), {"orderId": 5})
    wait_of(place, connect(script, store))

    place(connect(script, MemoryTokens()))

    assert len(script.sent(PLACE)) == 2


def test_lock_out_is_known_to_a_process_that_starts_later(script: Script, store: MemoryTokens) -> None:
    script.on(PLACE, httpx.Response(429))
    wait_of(place, connect(script, store))

    assert wait_of(read, connect(script, store)) == RATE_LIMIT_WAIT_S
    assert script.paths() == [LOGIN, PLACE]


def test_lock_out_is_known_to_a_running_process_five_seconds_later(
    script: Script, store: MemoryTokens, clock: Clock
) -> None:
    first, second = connect(script, store), connect(script, store)
    read(second)
    script.on(PLACE, httpx.Response(429))
    wait_of(place, first)

    clock.sleep(LOOK_AGAIN_AFTER_S)

    assert wait_of(read, second) == RATE_LIMIT_WAIT_S - 5


def test_ticket_is_used_by_one_of_two_processes(script: Script, store: MemoryTokens, clock: Clock) -> None:
    script.on(PLACE, PENALTY, {"orderId": 5})
    first, second = connect(script, store), connect(script, store)
    wait_of(place, first)
    wait_of(place, second)
    clock.advance(timedelta(seconds=15))

    place(second)
    place(first)

    assert [request.body.get("p-ticket") for request in script.sent(PLACE)] == [None, "T1", None]


def test_refused_login_is_not_tried_by_another_process(script: Script, store: MemoryTokens) -> None:
    script.on(LOGIN, {"errorText": "Incorrect username or password."})

    for broker in (connect(script, store), connect(script, store)):
        with pytest.raises(BrokerAuthFailed, match="Incorrect username or password"):
            read(broker)

    assert script.paths() == [LOGIN]


def test_login_with_corrected_credentials_need_not_wait(script: Script, store: MemoryTokens) -> None:
    script.on(LOGIN, {"errorText": "Incorrect username or password."}, script.issue)
    with pytest.raises(BrokerAuthFailed):
        read(connect(script, store, replace(CREDENTIALS, password="wrong")))

    read(connect(script, store))

    assert script.paths() == [LOGIN, LOGIN, LIST]


@pytest.mark.parametrize("status", [423, 429])
def test_locked_login_leaves_a_working_token_in_use(
    script: Script, clock: Clock, store: MemoryTokens, status: int
) -> None:
    broker = connect(script, store)
    read(broker)
    clock.advance(timedelta(seconds=30))
    script.on(LOGIN, httpx.Response(status))

    assert wait_of(lambda client: client.log_in_again(timeout_s=1), broker)
    assert wait_of(lambda client: client.log_in_again(timeout_s=1), broker)
    place(broker)

    assert script.paths() == [LOGIN, LIST, LOGIN, PLACE]


def test_captcha_at_the_login_is_waited_out_for_an_hour(script: Script, clock: Clock) -> None:
    script.on(LOGIN, {"p-ticket": "T1", "p-time": 15, "p-captcha": True}, script.issue)
    broker = connect(script)

    assert wait_of(read, broker) is None
    assert wait_of(read, broker) == CAPTCHA_PAUSE.total_seconds()
    clock.advance(CAPTCHA_PAUSE)
    read(broker)

    assert script.paths() == [LOGIN, LOGIN, LIST]


def test_pause_outlives_a_store_that_forgets(script: Script, store: MemoryTokens, clock: Clock) -> None:
    script.on(PLACE, httpx.Response(429))
    broker = connect(script, store)
    wait_of(place, broker)

    store.paused.clear()
    clock.sleep(LOOK_AGAIN_AFTER_S)

    assert wait_of(read, broker) == RATE_LIMIT_WAIT_S - 5


def test_lock_out_is_known_five_seconds_later_though_the_wall_clock_was_set_back(
    script: Script, store: MemoryTokens, clock: Clock
) -> None:
    first, second = connect(script, store), connect(script, store)
    read(second)
    clock.set_back(timedelta(hours=2))
    script.on(PLACE, httpx.Response(429))
    wait_of(place, first)

    clock.sleep(LOOK_AGAIN_AFTER_S)

    assert wait_of(read, second) == RATE_LIMIT_WAIT_S - 5


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [
        (httpx.Response(429), httpx.Response(429, headers={"Retry-After": "1"})),
        ({"p-captcha": True}, {"p-ticket": "T1", "p-time": 1}),
    ],
)
def test_answer_that_comes_later_does_not_shorten_a_pause(
    script: Script, store: MemoryTokens, clock: Clock, longer: object, shorter: object
) -> None:
    broker = connect(script, store)

    def overtaken(_: Request) -> object:
        with pytest.raises(BrokerThrottled):
            place(broker)
        return shorter

    script.on(PLACE, overtaken, longer, {"orderId": 5})
    wait_of(place, broker)
    clock.advance(timedelta(seconds=2))

    assert wait_of(place, broker) == 3598
    assert wait_of(place, connect(script, store)) == 3598
    assert len(script.sent(PLACE)) == 2


def test_penalty_and_refused_credentials_do_not_end_each_other(store: MemoryTokens, clock: Clock) -> None:
    pauses = Pauses(store, "ada", now=clock.now, monotonic=clock.monotonic)
    pauses.refuse(LOGIN, "no", "wrong", timedelta(minutes=15))
    pauses.begin(LOGIN, BrokerThrottled(15, "T1"), "ada", with_token=False)
    with pytest.raises(BrokerThrottled):
        pauses.check(LOGIN, "right")

    clock.advance(timedelta(seconds=15))

    pauses.check(LOGIN, "right")
    with pytest.raises(BrokerAuthFailed, match="no"):
        pauses.check(LOGIN, "wrong")
    assert pauses.take_ticket(LOGIN, "ada") == "T1"
