"""The client of user sync against a socket that does as it is told."""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.base import Change, Connected
from broker.logins import AccessToken
from broker.tradovate.frames import ClosedByBroker, UnreadableFrame, changes_in, messages_of, unknown_word
from broker.tradovate.stream import UserStream
from broker.tradovate.synchronising import _penalty_s
from tests.broker.socket_script import (
    Peer,
    SocketServer,
    SteppingStop,
    let_in_and_stay,
    props,
    socket_server,
)
from tests.broker.wire import LOGIN, RENEW, MemoryTokens, Script, connect

type Item = Connected | Change | None
# An hour in quarters of a second, and some.
MOST_ITEMS = 20_000


@contextmanager
def following(
    server: SocketServer, script: Script | None = None, tokens: MemoryTokens | None = None
) -> Iterator[tuple[Iterator[Item], UserStream]]:
    """Yield the changes told by a server, waiting by a clock that whoever waits moves."""
    script = script or Script()
    client, stop = connect(script, tokens), SteppingStop(script.clock)
    stream = UserStream(server.url, client._session, monotonic=script.clock.monotonic, jitter=lambda: 1.0)
    changes = stream.changes(stop)
    try:
        yield changes, stream
    finally:
        stop.set()
        for _ in changes:
            pass
        client.close()


def next_said(changes: Iterator[Item]) -> Connected | Change:
    """Return the next item that is not None."""
    for item in itertools.islice(changes, MOST_ITEMS):
        if item is not None:
            return item
    raise AssertionError("nothing was told")


def said_after(*scripts: Any) -> tuple[SocketServer, float]:
    """Return the server once a connection stood, and the seconds that the client rested before."""
    script = Script()
    began = script.clock.monotonic()
    with socket_server(*scripts, let_in_and_stay) as server, following(server, script) as (changes, _):
        assert next_said(changes) == Connected()
        return server, script.clock.monotonic() - began


@pytest.mark.parametrize("frame", ["o", "h", "a[]", 'a[1, "x", null]', b"h"])
def test_frame_without_messages_has_none(frame: str | bytes) -> None:
    assert messages_of(frame) == []


@pytest.mark.parametrize("frame", ["", "x", "a", "a{", "a{}", "a[", "c", "[]", "a" + "[" * 100_000])
def test_frame_that_is_nonsense_is_unreadable(frame: str) -> None:
    with pytest.raises(UnreadableFrame):
        messages_of(frame)


def test_close_frame_tells_code_and_reason() -> None:
    with pytest.raises(ClosedByBroker, match="1000 Bye") as closed:
        messages_of('c[1000,"Bye"]')

    assert closed.value.code == 1000


@pytest.mark.parametrize(
    ("kind", "row", "change"),
    [
        ("order", {"id": 9, "accountId": 1, "ordStatus": "Levitating"}, Change(1, 9)),
        ("command", {"id": 9, "orderId": 9, "clOrdId": "td-1"}, Change(None, 9, "td-1")),
        ("orderVersion", {"id": 9, "orderId": 9, "text": "td-1"}, Change(None, 9, "td-1")),
        ("executionReport", {"id": 5, "orderId": 9, "accountId": 1, "text": "no"}, Change(1, 9)),
        ("fill", {"id": 663695020149, "orderId": 9, "qty": 1}, Change(None, 9, "", 663695020149)),
        ("position", {"id": 3, "accountId": 1, "netPos": 2}, Change(1)),
        ("fill", {"id": True, "orderId": "9"}, Change()),
        ("fill", {"id": 2**63, "orderId": -1}, Change()),
        ("command", {"orderId": 9, "clOrdId": "td-\x00"}, Change(None, 9)),
        ("command", {"orderId": 9, "clOrdId": "td-\ud800"}, Change(None, 9)),
        ("command", {"orderId": 9, "clOrdId": "x" * 65}, Change(None, 9)),
    ],
)
def test_row_tells_which_order_fill_or_account_it_is_about(
    kind: str, row: dict[str, Any], change: Change
) -> None:
    assert list(changes_in(props(kind, row))) == [change]


@pytest.mark.parametrize(
    "message",
    [
        {"s": 200, "i": 1},
        {"e": "clock", "d": {"t": 1}},
        {"e": "props"},
        {"e": "props", "d": {"entityType": "cashBalance", "entity": {"id": 1}}},
        {"e": "props", "d": {"entityType": "fill", "entity": None}},
        {"e": "props", "d": {"entityType": ["fill"], "entity": {"id": 1}}},
    ],
)
def test_message_about_anything_else_tells_nothing(message: dict[str, Any]) -> None:
    assert list(changes_in(message)) == []


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ({"e": []}, "event []"),
        ({"e": {"props": 1}}, "event {'props': 1}"),
        ({"e": "props", "d": {"entityType": ["fill"]}}, "row ['fill']"),
        ({"e": "props", "d": {"entityType": {}}}, "row {}"),
    ],
)
def test_word_that_is_no_text_is_unknown(message: dict[str, Any], word: str) -> None:
    assert unknown_word(message) == word


def test_several_messages_and_rows_of_a_frame_are_told_in_turn() -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        fills = [{"id": 11, "orderId": 9}, {"id": 12, "orderId": 9}]
        peer.tell(props("order", {"id": 9, "accountId": 1}), props("fill", fills), {"s": 200, "i": 99})
        peer.stay()

    with socket_server(script) as server, following(server) as (changes, _):
        told = [next_said(changes) for _ in range(4)]

    assert told == [Connected(), Change(1, 9), Change(None, 9, "", 11), Change(None, 9, "", 12)]


def test_event_that_comes_before_the_reply_to_sync_is_told_too() -> None:
    def script(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.tell(props("position", {"accountId": 1}))
        peer.answer(data={"users": []})
        peer.stay()

    with socket_server(script) as server, following(server) as (changes, _):
        assert [next_said(changes), next_said(changes)] == [Connected(), Change(1)]


def test_stop_closes_the_connection_in_good_order() -> None:
    with socket_server(let_in_and_stay) as server:
        with following(server) as (changes, _):
            next_said(changes)

        assert server.connections == 1
    assert server.close_codes == [1000]


def test_heartbeats_go_out_while_the_caller_is_at_work() -> None:
    with socket_server(let_in_and_stay) as server, following(server) as (changes, _):
        next_said(changes)

        assert server.beats.wait(10)


def refuse_token(peer: Peer) -> None:
    peer.socket.send("o")
    peer.answer(401, "Access is denied")
    peer.socket.send('c[1000,"Bye"]')


def say_bye(peer: Peer) -> None:
    peer.socket.send("o")
    peer.hear()
    peer.socket.send('c[1000,"Bye"]')


def hang_up_politely(peer: Peer) -> None:
    peer.socket.send("o")
    peer.hear()


@pytest.mark.parametrize("refusal", [refuse_token, say_bye, hang_up_politely])
def test_refused_token_is_renewed_once_before_the_next_connection(refusal: Any) -> None:
    script = Script()
    with socket_server(refusal, let_in_and_stay) as server, following(server, script) as (changes, _):
        assert next_said(changes) == Connected()

    assert server.tokens() == ["token-1", "token-2"]
    assert (len(script.sent(LOGIN)), len(script.sent(RENEW))) == (1, 1)


def test_new_token_refused_too_is_left_alone_for_a_quarter_of_an_hour() -> None:
    script = Script()
    began = script.clock.monotonic()
    with (
        socket_server(refuse_token, refuse_token, let_in_and_stay) as server,
        following(server, script) as (changes, _),
    ):
        assert next_said(changes) == Connected()

    assert script.clock.monotonic() - began >= 900
    assert server.tokens() == ["token-1", "token-2", "token-2"]
    assert len(script.sent(LOGIN)) + len(script.sent(RENEW)) == 2


def test_replacement_that_another_process_got_and_lost_is_replaced_at_once() -> None:
    script, tokens = Script(), MemoryTokens()
    began = script.clock.monotonic()

    def refuse_and_share(peer: Peer) -> None:
        (login,) = tokens.tokens
        tokens.tokens[login] = AccessToken("dead too", script.clock.now() + timedelta(minutes=80))
        refuse_token(peer)

    with (
        socket_server(refuse_and_share, refuse_token, let_in_and_stay) as server,
        following(server, script, tokens) as (changes, _),
    ):
        assert next_said(changes) == Connected()

    assert server.tokens() == ["token-1", "dead too", "token-2"]
    assert script.clock.monotonic() - began < 10


def test_token_refused_again_after_a_quarter_of_an_hour_is_replaced() -> None:
    script = Script()
    with (
        socket_server(refuse_token, refuse_token, refuse_token, let_in_and_stay) as server,
        following(server, script) as (changes, _),
    ):
        assert next_said(changes) == Connected()

    assert server.tokens() == ["token-1", "token-2", "token-2", "token-3"]


def test_token_about_to_end_is_renewed_before_connecting() -> None:
    script, tokens = Script(), MemoryTokens()
    script.on("/account/list", [])
    connect(script, tokens).accounts(timeout_s=1)
    script.clock.advance(timedelta(minutes=70))

    with socket_server(let_in_and_stay) as server, following(server, script, tokens) as (changes, _):
        next_said(changes)

    assert server.tokens() == ["token-2"]


def test_forms_of_sync_are_tried_in_turn_and_the_one_taken_comes_first_next_time() -> None:
    def picky(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.answer(400, "unknown field")
        peer.answer(data={"errorText": "not so"})
        peer.answer(data={"users": []})

    with socket_server(picky, let_in_and_stay) as server, following(server) as (changes, _):
        next_said(changes)
        next_said(changes)

    kinds, plain, by_user, again = server.syncs()
    assert (kinds["splitResponses"], "fill" in kinds["entityTypes"]) == (False, True)
    assert plain == {"splitResponses": False}
    assert by_user == again == {"users": [7]}


def test_form_whose_refusal_closes_the_connection_is_not_the_first_again() -> None:
    def refuse_and_close(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.hear()

    server, _ = said_after(refuse_and_close)

    assert ["entityTypes" in body for body in server.syncs()] == [True, False]


def test_penalties_are_waited_for_and_the_same_body_goes_with_each_ticket() -> None:
    def penalise(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.answer(data={"p-ticket": "one", "p-time": 0, "p-captcha": False})
        peer.answer(data={"p-ticket": "two", "p-time": 0})
        peer.answer(data={"users": []})
        peer.stay()

    with socket_server(penalise) as server, following(server) as (changes, _):
        assert next_said(changes) == Connected()

    first, second, third = server.syncs()
    assert second == first | {"p-ticket": "one"}
    assert third == first | {"p-ticket": "two"}


def test_penalty_for_each_ticket_ends_the_connection_and_rests() -> None:
    def penalise(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        while True:
            peer.answer(data={"p-ticket": "again", "p-time": 0})

    server, rested_s = said_after(penalise)

    assert rested_s >= 60
    assert len(server.syncs()) == 5


@pytest.mark.parametrize(
    ("wait", "wait_s"),
    [(10**400, 86400), (float("inf"), 86400), (float("nan"), 0), (-1, 0)],
    ids=["huge", "infinite", "no number", "negative"],
)
def test_penalty_of_an_impossible_length_has_a_possible_one(wait: float, wait_s: float) -> None:
    assert _penalty_s({"p-time": wait}) == wait_s


@pytest.mark.parametrize(
    ("status", "data", "wait_s"),
    [
        (429, None, 3600),
        (200, {"p-ticket": "t", "p-captcha": True}, 3600),
        (200, {"p-ticket": "t", "p-time": 120}, 120),
    ],
    ids=["429", "captcha", "long penalty"],
)
def test_lock_out_is_sat_through_without_a_connection(status: int, data: Any, wait_s: float) -> None:
    def lock_out(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.answer(status, data)

    server, rested_s = said_after(lock_out)

    assert rested_s >= wait_s
    assert server.connections == 2


@pytest.mark.parametrize(
    ("code", "least_s", "most_s"), [("ConnectionQuotaReached", 15, 16), ("Maintenance", 0, 2)]
)
def test_shutdown_ends_the_connection_and_a_quota_keeps_away_for_a_while(
    code: str, least_s: float, most_s: float
) -> None:
    def shut_down(peer: Peer) -> None:
        peer.let_in()
        peer.tell({"e": "shutdown", "d": {"reasonCode": code, "reason": "so it is"}})
        peer.stay()

    script = Script()
    with socket_server(shut_down, let_in_and_stay) as server, following(server, script) as (changes, _):
        assert next_said(changes) == Connected()
        began = script.clock.monotonic()
        assert next_said(changes) == Connected()
        rested_s = script.clock.monotonic() - began

    assert least_s <= rested_s <= most_s


@pytest.mark.parametrize("frame", ['c[1011,"oops"]', "nonsense"])
def test_close_or_unreadable_frame_begins_a_new_connection(frame: str) -> None:
    def break_off(peer: Peer) -> None:
        peer.let_in()
        peer.socket.send(frame)
        peer.stay()

    with socket_server(break_off, let_in_and_stay) as server, following(server) as (changes, _):
        assert [next_said(changes), next_said(changes)] == [Connected(), Connected()]

    assert server.connections == 2


def test_tries_to_connect_come_further_and_further_apart() -> None:
    script, tries = Script(), list[float]()

    def drop(peer: Peer) -> None:
        tries.append(script.clock.monotonic())
        peer.socket.close(1011)

    scripts = [drop] * 9
    with socket_server(*scripts, let_in_and_stay) as server, following(server, script) as (changes, _):
        next_said(changes)

    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(tries)]
    assert gaps == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_hour_with_three_hundred_syncs_has_no_more_of_them() -> None:
    script = Script()
    with socket_server(let_in_and_stay) as server, following(server, script) as (changes, stream):
        stream._sync._syncs.extend([script.clock.monotonic()] * 300)
        began = script.clock.monotonic()
        assert next_said(changes) == Connected()

    assert script.clock.monotonic() - began >= 3600
    assert len(server.syncs()) == 1


def test_unknown_kinds_are_passed_over_and_logged_once() -> None:
    def babble(peer: Peer) -> None:
        peer.let_in()
        for _ in range(3):
            peer.tell(
                {"e": "confetti", "d": 1}, props("hologram", {"id": 1}), props("cashBalance", {"id": 1})
            )
        peer.tell(props("position", {"accountId": 1}))
        peer.stay()

    with capture_logs() as logs, socket_server(babble) as server, following(server) as (changes, _):
        assert [next_said(changes), next_said(changes)] == [Connected(), Change(1)]

    passed_over = [line["what"] for line in logs if line["event"] == "stream.passed_over"]
    assert passed_over == ["event confetti", "row hologram"]


def test_outage_is_logged_once_and_its_end_once() -> None:
    def drop(peer: Peer) -> None:
        peer.socket.close(1011)

    with capture_logs() as logs:
        said_after(drop, drop, drop)

    assert [line["event"] for line in logs] == ["stream.down", "stream.up"]


def test_token_is_in_no_log_line_even_where_the_broker_repeats_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    def repeat(peer: Peer) -> None:
        peer.socket.send("o")
        _, number, token = peer.hear()
        peer.tell({"s": 500, "i": number, "d": f"what is {token}?"})

    with capture_logs() as logs:
        server, _ = said_after(repeat)

    assert server.tokens() == ["token-1", "token-1"]
    assert [line["error"] for line in logs if "error" in line] == ["answered 500: what is ***?"]
    client_lines = [line for line in caplog.records if not line.name.startswith("websockets.server")]
    assert "token-1" not in str([line.getMessage() for line in client_lines])


def test_user_is_not_asked_for_where_the_token_tells_none() -> None:
    script, tokens = Script(), MemoryTokens()
    expires = script.clock.now() + timedelta(minutes=80)
    tokens.save("ada@demo.example", AccessToken("token-0", expires))

    def refuse_all(peer: Peer) -> None:
        peer.socket.send("o")
        peer.answer()
        peer.answer(400, "no")
        peer.answer(400, "no")

    with (
        socket_server(refuse_all, let_in_and_stay) as server,
        following(server, script, tokens) as (changes, _),
    ):
        assert next_said(changes) == Connected()

    assert len(server.syncs()) == 3
