"""Each error class, by the event on the wire that causes it. The sockets here are real."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from broker.logins import AccessToken
from broker.tradovate.client import TradovateBroker
from broker.tradovate.http import (
    LOCK_WAIT_S,
    RATE_LIMIT_WAIT_S,
    WAIT_LIMIT_S,
    LockedOut,
    ServerFault,
    TokenRefused,
)
from tests.broker.wire import (
    ACCOUNT_ID,
    CREDENTIALS,
    LOGIN,
    NOW,
    PLACE,
    MemoryTokens,
    Peer,
    Script,
    answer,
    connect,
    hang,
    hang_up,
    listen,
    market_order,
    read_request,
    reset,
    whole,
)

type Dial = Callable[[str], TradovateBroker]


# What the broker does with an order, by the class of what `submit` raises then.
EVENTS: dict[type[BrokerError], list[object]] = {
    BrokerRefused: [{"failureReason": "SessionClosed"}],
    BrokerNotReached: [httpx.ConnectError("refused")],
    BrokerThrottled: [{"p-ticket": "T1", "p-time": 15, "p-captcha": False}],
    LockedOut: [httpx.Response(429), httpx.Response(423)],
    BrokerAuthFailed: [],
    TokenRefused: [httpx.Response(401)],
    BrokerOutcomeUnknown: [
        httpx.ReadTimeout("slow"),
        httpx.Response(200, text="half a"),
        httpx.Response(302),
    ],
    ServerFault: [httpx.Response(408), httpx.Response(500), httpx.Response(503)],
}


@pytest.mark.parametrize(
    ("error", "reply"), [(error, r) for error, replies in EVENTS.items() for r in replies]
)
def test_event_on_the_wire_is_raised_as_its_own_class(error: type[BrokerError], reply: object) -> None:
    with pytest.raises(error) as caught:
        connect(Script().on(PLACE, reply)).submit(market_order(), timeout_s=1)

    assert caught.type is error


def test_refused_login_is_raised_as_auth_failed() -> None:
    with pytest.raises(BrokerAuthFailed) as caught:
        connect(Script().on(LOGIN, {"errorText": "no"})).submit(market_order(), timeout_s=1)

    assert caught.type is BrokerAuthFailed


def test_every_error_class_of_the_client_has_its_event() -> None:
    def below(parent: type[BrokerError]) -> set[type[BrokerError]]:
        children = set(parent.__subclasses__())
        return children.union(*(below(child) for child in children))

    assert below(BrokerError) == EVENTS.keys()


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Return a maker of clients that have a token already, so that their first request is the test's."""
    with ExitStack() as stack:

        def make(url: str) -> TradovateBroker:
            tokens = MemoryTokens()
            host = url.split("/")[2]
            tokens.save(f"{CREDENTIALS.name}@{host}", AccessToken("token-1", NOW + timedelta(minutes=80)))
            broker = TradovateBroker(url, CREDENTIALS, tokens, now=lambda: NOW)
            stack.callback(broker.close)
            return broker

        yield make


def test_connection_refused_is_not_reached(dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(BrokerNotReached):
        dial(f"http://127.0.0.1:{port}/v1").submit(market_order(), timeout_s=1)


def test_unknown_host_is_not_reached(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise socket.gaierror("Name or service not known")

    broker = dial("http://nowhere.invalid/v1")
    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(BrokerNotReached):
        broker.submit(market_order(), timeout_s=1)


def test_handshake_without_answer_is_not_reached(dial: Dial) -> None:
    # The kernel accepts for a listener that never does, so the TLS handshake is what hangs.
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(BrokerNotReached, match="ConnectTimeout"),
    ):
        dial(f"https://127.0.0.1:{server.getsockname()[1]}/v1").submit(market_order(), timeout_s=0.1)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_failure_before_sending_is_not_reached(error: type[httpx.TransportError]) -> None:
    script = Script().on(PLACE, error("no"))

    with pytest.raises(BrokerNotReached):
        connect(script).submit(market_order(), timeout_s=1)


def test_no_time_left_to_begin_is_not_reached() -> None:
    script = Script()

    with pytest.raises(BrokerNotReached):
        connect(script).submit(market_order(), timeout_s=0)

    assert script.requests == []


def test_silence_after_the_order_is_unknown(dial: Dial) -> None:
    with listen(hang) as peer, pytest.raises(BrokerOutcomeUnknown, match="ReadTimeout"):
        dial(peer.url).submit(market_order(), timeout_s=0.1)

    assert len(peer.received) == 1


def test_reset_after_the_order_is_unknown(dial: Dial) -> None:
    with listen(reset, reset) as peer, pytest.raises(BrokerOutcomeUnknown):
        dial(peer.url).submit(market_order(), timeout_s=1)

    assert len(peer.received) == 1


def test_closed_without_a_reply_is_unknown(dial: Dial) -> None:
    with listen(hang_up, hang_up) as peer, pytest.raises(BrokerOutcomeUnknown):
        dial(peer.url).submit(market_order(), timeout_s=1)

    assert len(peer.received) == 1


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"orderId":12',
        b"gibberish\r\n\r\n",
    ],
    ids=["headers", "body", "not HTTP"],
)
def test_half_a_reply_is_unknown(dial: Dial, half: bytes) -> None:
    def send_half(connection: socket.socket, peer: Peer) -> None:
        connection.sendall(half)

    with listen(send_half, send_half) as peer, pytest.raises(BrokerOutcomeUnknown):
        dial(peer.url).submit(market_order(), timeout_s=1)

    assert len(peer.received) == 1


def test_header_in_another_alphabet_is_no_error(dial: Dial) -> None:
    def reply(connection: socket.socket, peer: Peer) -> None:
        connection.sendall(whole(b'{"orderId": 12}', headers=b"Server: caf\xe9\r\n"))

    with listen(reply) as peer:
        assert dial(peer.url).submit(market_order(), timeout_s=1) == 12


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_trickling_reply_ends_with_the_call(dial: Dial, start: bytes) -> None:
    def trickle(connection: socket.socket, peer: Peer) -> None:
        connection.sendall(start)
        while not peer.done.wait(0.02):
            connection.sendall(b" ")

    with listen(trickle) as peer:
        broker = dial(peer.url)
        began = time.monotonic()
        with pytest.raises(BrokerOutcomeUnknown):
            broker.submit(market_order(), timeout_s=0.15)
        took = time.monotonic() - began
        broker.close()
        peer.done.set()

    # Without the bound this would last until the peer tires of it, which it never does.
    assert took < 1


@pytest.mark.parametrize("status", [302, 408, 409, 500, 502, 503, 504])
def test_status_that_proves_nothing_is_unknown(status: int) -> None:
    script = Script().on(PLACE, httpx.Response(status))

    with pytest.raises(BrokerOutcomeUnknown, match=f"HTTP {status}"):
        connect(script).submit(market_order(), timeout_s=1)

    assert len(script.sent(PLACE)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"orderId":',
        b'{"orderId": NaN}',
        b'{"orderId": 1e9999999999999999999}',
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'{"orderId": "5"}',
        b'{"orderId": true}',
        b'{"orderId": 5.5}',
        b'{"orderId": 5, "failureReason": "TooLate"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_acknowledgement_that_cannot_be_read_is_unknown(body: bytes) -> None:
    script = Script().on(PLACE, httpx.Response(200, content=body))

    with pytest.raises(BrokerOutcomeUnknown):
        connect(script).submit(market_order(), timeout_s=1)

    assert len(script.sent(PLACE)) == 1


@pytest.mark.parametrize(
    ("reply", "reason", "text"),
    [
        (
            {"failureReason": "MaxPosLimitReached", "failureText": "Too many"},
            "MaxPosLimitReached",
            "Too many",
        ),
        ({"failureReason": "SessionClosed"}, "SessionClosed", ""),
        ({"failureReason": "ANewReasonOf2027"}, "ANewReasonOf2027", ""),
        (
            {"failureText": "Your maximum order quantity has been met."},
            "",
            "Your maximum order quantity has been met.",
        ),
        ({"errorText": "Insufficient margin"}, "", "Insufficient margin"),
        ({"ok": False}, "", ""),
        (
            {"violations": [{"constraint": "x", "description": "accountId is missing"}]},
            "violations",
            "accountId is missing",
        ),
        (httpx.Response(400, text="bad request"), "HTTP 400", "bad request"),
        (httpx.Response(403, json="Forbidden"), "HTTP 403", "Forbidden"),
        (httpx.Response(404), "HTTP 404", ""),
    ],
)
def test_answer_no_is_refused(reply: object, reason: str, text: str) -> None:
    script = Script().on(PLACE, reply)

    with pytest.raises(BrokerRefused) as caught:
        connect(script).submit(market_order(), timeout_s=1)

    assert (caught.value.reason, caught.value.text) == (reason, text)
    assert len(script.sent(PLACE)) == 1


def test_failure_reason_success_is_no_refusal() -> None:
    script = Script().on(PLACE, {"failureReason": "Success", "orderId": 663695020149})

    assert connect(script).submit(market_order(), timeout_s=1) == 663695020149


@pytest.mark.parametrize(
    ("reply", "wait_s", "ticket"),
    [
        ({"p-ticket": "T1", "p-time": 15, "p-captcha": False}, 15, "T1"),
        ({"p-time": 2.5}, 2.5, ""),
        ({"p-time": 10**400}, WAIT_LIMIT_S, ""),
        ({"p-ticket": "T1", "p-time": 15, "p-captcha": True}, None, "T1"),
        ({"p-captcha": True}, None, ""),
        (httpx.Response(429, json={"p-ticket": "T2", "p-time": 30}), 30, "T2"),
        (httpx.Response(429, headers={"Retry-After": "7"}), 7, ""),
        (httpx.Response(429), RATE_LIMIT_WAIT_S, ""),
        (
            httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            RATE_LIMIT_WAIT_S,
            "",
        ),
        (httpx.Response(423), LOCK_WAIT_S, ""),
    ],
)
def test_penalty_is_throttled(reply: object, wait_s: float | None, ticket: str) -> None:
    script = Script().on(PLACE, reply)

    with pytest.raises(BrokerThrottled) as caught:
        connect(script).submit(market_order(), timeout_s=1)

    assert (caught.value.retry_after_s, caught.value.ticket) == (wait_s, ticket)
    assert len(script.sent(PLACE)) == 1


@pytest.mark.parametrize("made", ["orderId", "commandId"])
def test_id_beside_a_penalty_is_unknown(made: str) -> None:
    script = Script().on(PLACE, {made: 5, "p-captcha": False})

    with pytest.raises(BrokerOutcomeUnknown, match="both an id and a penalty"):
        connect(script).submit(market_order(), timeout_s=1)


def test_server_fault_with_a_penalty_in_it_is_unknown() -> None:
    script = Script().on(PLACE, httpx.Response(503, json={"p-ticket": "T1", "p-time": 15}))

    with pytest.raises(BrokerOutcomeUnknown):
        connect(script).submit(market_order(), timeout_s=1)


def test_401_that_outlives_a_renewal_is_auth_failed() -> None:
    script = Script().on(PLACE, httpx.Response(401, text="Access is denied"))

    with pytest.raises(BrokerAuthFailed, match="Access is denied"):
        connect(script).submit(market_order(), timeout_s=1)

    assert len(script.sent(PLACE)) == 2


@pytest.mark.parametrize("first", [hang_up, reset, answer(b"", "503 Service Unavailable"), answer(b"oops")])
def test_read_without_a_reply_is_repeated(dial: Dial, first: Callable[[socket.socket, Peer], None]) -> None:
    with listen(first, answer(b"[]")) as peer:
        positions = dial(peer.url).positions(ACCOUNT_ID, timeout_s=1)

    assert positions == []
    assert len(peer.received) == 2


def test_read_that_fails_three_times_is_not_repeated_again(dial: Dial) -> None:
    with listen(*[hang_up] * 3, answer(b"[]")) as peer, pytest.raises(BrokerOutcomeUnknown):
        dial(peer.url).positions(ACCOUNT_ID, timeout_s=1)

    assert len(peer.received) == 3


def test_hanging_read_ends_with_the_call(dial: Dial) -> None:
    with listen(hang, hang) as peer, pytest.raises(BrokerOutcomeUnknown):
        dial(peer.url).positions(ACCOUNT_ID, timeout_s=0.1)

    assert len(peer.received) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 423, 429])
def test_read_answered_with_no_is_not_repeated_as_a_fault_would_be(status: int) -> None:
    script = Script().on("/position/deps", httpx.Response(status))

    with pytest.raises(BrokerError):
        connect(script).positions(ACCOUNT_ID, timeout_s=1)

    assert len(script.sent("/position/deps")) == (2 if status == 401 else 1)


def test_order_after_an_idle_close_uses_a_new_connection(dial: Dial) -> None:
    closed = threading.Event()

    def answer_and_close(connection: socket.socket, peer: Peer) -> None:
        connection.sendall(whole(b"[]"))
        connection.close()
        closed.set()

    with listen(answer_and_close, answer(b'{"orderId": 5}')) as peer:
        broker = dial(peer.url)
        broker.positions(ACCOUNT_ID, timeout_s=1)
        assert closed.wait(5)

        assert broker.submit(market_order(), timeout_s=1) == 5


def test_two_calls_share_a_connection(dial: Dial) -> None:
    def answer_twice(connection: socket.socket, peer: Peer) -> None:
        connection.sendall(whole(b"[]"))
        read_request(connection, peer)
        connection.sendall(whole(b'{"orderId": 5}'))

    with listen(answer_twice) as peer:
        broker = dial(peer.url)
        broker.positions(ACCOUNT_ID, timeout_s=1)
        order_id = broker.submit(market_order(), timeout_s=1)

    assert order_id == 5
    assert len(peer.received) == 2
