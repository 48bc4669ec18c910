import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker.paper_server import ACCOUNT, Server, log_in, running
from tests.broker.paper_socket import SocketClient, open_socket

ORDER = {"accountId": ACCOUNT, "symbol": "MESZ6", "action": "Buy", "orderQty": 1, "orderType": "Market"}
PLACE, CANCEL, ME = "/order/placeorder", "/order/cancelorder", "/auth/me"
WAIT_S = 5.0


class Scenario:
    """What a test sets under /paper/, without a token."""

    def __init__(self, server: Server) -> None:
        self.client = httpx.Client(base_url=server.url.removesuffix("/v1") + "/paper")

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(path, json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def fault(self, kind: str, on: str = PLACE, /, **options: Any) -> None:
        self.post("/faults", on=on, kind=kind, **options)

    def left(self) -> list[tuple[str, int]]:
        """Return the faults not met yet: kind and times."""
        return [(fault["kind"], fault["times"]) for fault in self.get("/faults")["faults"]]

    def wait_for_hanging(self, count: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while self.get("/faults")["hanging"] != count:
            assert time.monotonic() < deadline


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "journal", scenarios=True) as server:
        yield server


@pytest.fixture
def scenario(server: Server) -> Iterator[Scenario]:
    scenario = Scenario(server)
    yield scenario
    scenario.client.close()


@pytest.fixture
def rest(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        client.headers["Authorization"] = f"Bearer {log_in(client)['accessToken']}"
        yield client


@pytest.fixture
def socket(server: Server, rest: httpx.Client) -> Iterator[SocketClient]:
    """A connection that follows user sync."""
    with open_socket(server.socket_url) as client:
        client.follow(rest.headers["Authorization"].removeprefix("Bearer "))
        yield client


def place(rest: httpx.Client, **changes: Any) -> httpx.Response:
    return rest.post(PLACE, json=ORDER | changes)


def orders(rest: httpx.Client) -> int:
    return len(rest.get("/order/list").json())


def test_scenarios_are_not_found_unless_asked_for(tmp_path: Path) -> None:
    with running(tmp_path / "journal") as server, httpx.Client() as client:
        base = server.url.removesuffix("/v1") + "/paper"
        assert client.get(f"{base}/faults").status_code == 404
        assert client.post(f"{base}/faults", json={"on": PLACE, "kind": "drop"}).status_code == 404


def test_fault_is_shown_until_it_was_met_so_many_times(scenario: Scenario, rest: httpx.Client) -> None:
    shown = scenario.post("/faults", on=PLACE, kind="status", status=503, times=2)

    assert shown == {"id": 1, "on": PLACE, "kind": "status", "times": 2, "status": 503, "text": None}
    assert [place(rest).status_code for _ in range(2)] == [503, 503]
    assert scenario.left() == []
    assert place(rest).status_code == 200


def test_fault_waits_for_its_own_path(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", CANCEL)

    assert place(rest).status_code == 200
    assert scenario.left() == [("status", 1)]


def test_faults_of_one_path_are_met_in_turn(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", status=503)
    scenario.fault("status", status=404)

    assert [place(rest).status_code for _ in range(3)] == [503, 404, 200]


def test_star_means_every_operation(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", "*", times=2)

    assert [rest.get(ME).status_code, place(rest).status_code] == [500, 500]


def test_cleared_faults_are_gone(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", times=5)
    scenario.client.delete("/faults")

    assert scenario.left() == []
    assert place(rest).status_code == 200


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "Access is denied"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (408, "Request Timeout"),
        (423, "Locked"),
        (429, ""),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
    ],
)
def test_status_is_answered_instead_of_the_order(
    scenario: Scenario, rest: httpx.Client, status: int, text: str
) -> None:
    scenario.fault("status", status=status)

    reply = place(rest)

    assert (reply.status_code, reply.text) == (status, text)
    assert orders(rest) == 0


def test_status_may_have_a_text_of_its_own(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", status=401, text="Expired Access Token")

    assert place(rest).text == "Expired Access Token"


def test_status_after_hides_an_order_that_was_taken(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status_after", status=500)

    assert place(rest).status_code == 500
    assert orders(rest) == 1


@pytest.mark.parametrize(("when", "taken"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(("reset", "error"), [(False, httpx.RemoteProtocolError), (True, httpx.ReadError)])
def test_dropped_connection_leaves_the_order_taken_or_not(
    scenario: Scenario, rest: httpx.Client, when: str, taken: int, reset: bool, error: type[Exception]
) -> None:
    scenario.fault("drop", when=when, reset=reset)

    with pytest.raises(error):
        place(rest)

    assert orders(rest) == taken


def test_garbage_hides_an_order_that_was_taken(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("garbage")

    reply = place(rest)

    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert orders(rest) == 1


@pytest.mark.parametrize(("when", "taken"), [("before", 0), ("after", 1)])
def test_hanging_request_is_answered_once_it_is_released(
    scenario: Scenario, rest: httpx.Client, when: str, taken: int
) -> None:
    scenario.fault("hang", when=when)

    with ThreadPoolExecutor() as pool:
        reply = pool.submit(place, rest)
        scenario.wait_for_hanging(1)
        assert orders(rest) == taken
        scenario.client.delete("/faults")

        assert "orderId" in reply.result(WAIT_S).json()


def test_request_that_hangs_before_it_is_carried_out_lands_after_its_client_left(
    scenario: Scenario, rest: httpx.Client
) -> None:
    scenario.fault("hang", when="before")
    with pytest.raises(httpx.ReadTimeout):
        rest.post(PLACE, json=ORDER, timeout=0.05)

    scenario.client.delete("/faults")

    scenario.wait_for_hanging(0)
    assert orders(rest) == 1


def test_hang_may_end_by_itself(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("hang", seconds=0)

    assert "orderId" in place(rest).json()


def test_broker_that_stops_does_not_carry_out_what_hangs(tmp_path: Path) -> None:
    server = Server(tmp_path / "journal", scenarios=True)
    scenario = Scenario(server)
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=server.url) as rest:
        rest.headers["Authorization"] = f"Bearer {log_in(rest)['accessToken']}"
        scenario.fault("hang")
        reply = pool.submit(place, rest)
        scenario.wait_for_hanging(1)
        scenario.client.close()

        server.stop()

        assert reply.result(WAIT_S).status_code == 503


def test_violations_and_refusals_make_no_order(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("violations", field="orderQty")
    scenario.fault("refuse", reason="SessionClosed", text="The market is closed.")
    scenario.fault("refuse", ME, text="No.")

    [violation] = place(rest).json()["violations"]

    assert violation == {"constraint": "NotNull", "value": None, "description": "orderQty is refused"}
    refusal = {"failureReason": "SessionClosed", "failureText": "The market is closed."}
    assert place(rest).json() == refusal
    assert rest.get(ME).json() == {"errorText": "No."}
    assert orders(rest) == 0


def test_unknown_word_and_extra_field_appear_in_the_next_reply(
    scenario: Scenario, rest: httpx.Client
) -> None:
    place(rest)
    scenario.fault("unknown_word", "/order/list", field="ordStatus", word="Frozen")
    scenario.fault("extra_field", "/order/list")

    first, second, third = (rest.get("/order/list").json()[0] for _ in range(3))

    assert first == third | {"ordStatus": "Frozen"}
    assert second == third | {"somethingNew": "SomethingNew"}


def test_unknown_word_waits_for_a_reply_that_has_its_field(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("unknown_word", "/order/list", field="ordStatus")

    assert rest.get("/order/list").json() == []
    assert scenario.left() == [("unknown_word", 1)]


def test_penalty_must_be_waited_out_and_the_same_body_sent_with_its_ticket(
    scenario: Scenario, server: Server, rest: httpx.Client
) -> None:
    scenario.post("/faults", **{"on": PLACE, "kind": "penalty", "p-time": 15})

    penalty = place(rest).json()

    assert (penalty["p-time"], penalty["p-captcha"]) == (15, False)
    assert orders(rest) == 0
    server.clock.advance(seconds=15)
    assert "orderId" in place(rest, **{"p-ticket": penalty["p-ticket"]}).json()
    assert orders(rest) == 1


@pytest.mark.parametrize(
    ("seconds", "changes"),
    [(14, {}), (15, {"p-ticket": "wrong"}), (15, {"orderQty": 2})],
    ids=["too early", "wrong ticket", "another body"],
)
def test_ticket_that_does_not_fit_is_penalised_again(
    scenario: Scenario, server: Server, rest: httpx.Client, seconds: int, changes: dict[str, Any]
) -> None:
    scenario.fault("penalty")
    first = place(rest).json()
    server.clock.advance(seconds=seconds)

    second = place(rest, **{"p-ticket": first["p-ticket"], **changes}).json()

    assert second["p-time"] == 15
    assert second["p-ticket"] != first["p-ticket"]
    assert orders(rest) == 0


def test_ticket_opens_once(scenario: Scenario, server: Server, rest: httpx.Client) -> None:
    scenario.fault("penalty")
    ticket = {"p-ticket": place(rest).json()["p-ticket"]}
    server.clock.advance(seconds=15)

    assert "orderId" in place(rest, **ticket).json()
    assert "p-ticket" in place(rest, **ticket).json()


def test_captcha_is_never_solved_by_a_ticket(scenario: Scenario, server: Server, rest: httpx.Client) -> None:
    scenario.post("/faults", **{"on": PLACE, "kind": "penalty", "p-captcha": True})
    penalty = place(rest).json()
    server.clock.advance(hours=1)

    assert place(rest, **{"p-ticket": penalty["p-ticket"]}).json()["p-captcha"] is True
    assert "orderId" in place(rest).json()


def test_faults_reach_requests_of_the_socket(
    scenario: Scenario, server: Server, rest: httpx.Client, socket: SocketClient
) -> None:
    scenario.fault("penalty", seconds=3)
    scenario.fault("status", status=429)

    penalty = socket.ask("order/placeorder", ORDER)
    throttled = socket.ask("order/placeorder", ORDER)
    server.clock.advance(seconds=3)
    placed = socket.ask("order/placeorder", ORDER | {"p-ticket": penalty["d"]["p-ticket"]})

    assert (penalty["s"], penalty["d"]["p-time"]) == (200, 3)
    assert throttled == {"s": 429, "i": throttled["i"]}
    assert "orderId" in placed["d"]


def test_faults_reach_authorisation_and_user_sync(
    scenario: Scenario, server: Server, rest: httpx.Client
) -> None:
    token = rest.headers["Authorization"].removeprefix("Bearer ")
    scenario.fault("penalty", "/authorize")
    scenario.fault("penalty", "/user/syncrequest")

    with open_socket(server.socket_url) as client:
        assert "p-ticket" in client.authorize(token)["d"]
        assert client.authorize(token)["s"] == 200
        penalty = client.ask("user/syncrequest", {"splitResponses": False})["d"]
        server.clock.advance(seconds=15)
        body = {"splitResponses": False, "p-ticket": penalty["p-ticket"]}

        assert "users" in client.ask("user/syncrequest", body)["d"]


def test_handshake_may_be_refused(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.fault("status", "/websocket", status=503)

    assert rest.get("/websocket").status_code == 503


def test_drop_cuts_the_socket_of_the_request(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient
) -> None:
    scenario.fault("drop", when="after")

    socket.send("order/placeorder", json.dumps(ORDER))

    assert socket.closing()[1] == 1006
    assert orders(rest) == 1


def test_silent_socket_says_nothing_and_the_next_one_speaks(
    scenario: Scenario, server: Server, rest: httpx.Client, socket: SocketClient
) -> None:
    token = rest.headers["Authorization"].removeprefix("Bearer ")
    scenario.fault("silent", "socket")
    place(rest)
    server.seconds.value += 2.5

    with open_socket(server.socket_url) as second:
        server.seconds.value += 2.5
        assert second.frame() == "h"
        second.follow(token)
        place(rest)
        assert second.rows(1)
    with pytest.raises(TimeoutError):
        socket.connection.recv(0)


def test_silence_may_wait_for_the_next_socket(scenario: Scenario, server: Server, rest: httpx.Client) -> None:
    scenario.fault("silent", "socket")

    with open_socket(server.socket_url) as client:
        client.follow(rest.headers["Authorization"].removeprefix("Bearer "))
        place(rest)
        with pytest.raises(TimeoutError):
            client.connection.recv(0.05)
    assert scenario.left() == []


def test_missed_frames_never_come(scenario: Scenario, rest: httpx.Client, socket: SocketClient) -> None:
    place(rest)
    read_step(socket)
    place(rest)
    plain = read_step(socket)
    scenario.fault("miss", "socket", times=3)
    place(rest)

    missed = read_step(socket)

    assert kinds(missed) == kinds(plain)[3:]
    assert scenario.left() == []


def test_duplicated_frames_come_twice(scenario: Scenario, rest: httpx.Client, socket: SocketClient) -> None:
    scenario.fault("duplicate", "socket", times=2)
    place(rest)

    one, again, two, two_again, three = socket.rows(5)

    assert one == again != two == two_again != three


def test_reordered_step_has_the_same_rows_in_an_order_that_the_seed_chooses(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient
) -> None:
    def seen() -> list[str]:
        place(rest)
        return kinds(read_step(socket))

    seen()
    plain = seen()
    scenario.fault("reorder", "socket", seed=5)
    shuffled = seen()
    scenario.fault("reorder", "socket", seed=5)

    assert shuffled != plain
    assert sorted(shuffled) == sorted(plain)
    assert seen() == shuffled


def test_split_step_sends_arrays(scenario: Scenario, rest: httpx.Client, socket: SocketClient) -> None:
    scenario.fault("split", "socket")
    place(rest)

    assert {type(row) for _, _, row in read_step(socket)} == {list}


def test_bent_event_has_an_unknown_word(scenario: Scenario, rest: httpx.Client, socket: SocketClient) -> None:
    scenario.fault("unknown_word", "socket", field="ordStatus", word="Frozen")
    place(rest)

    words = [row["ordStatus"] for kind, _, row in read_step(socket) if kind == "order"]

    assert words[0] == "Frozen"
    assert words[-1] == "Filled"


@pytest.mark.parametrize(("code", "text"), [(1011, "oops"), (4999, f"{'é' * 61}!")], ids=["plain", "longest"])
def test_close_ends_the_socket_with_its_code(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient, code: int, text: str
) -> None:
    scenario.fault("close", "socket", code=code, text=text)

    assert socket.closing() == (f"c{json.dumps([code, text], separators=(',', ':'))}", code, text)


def read_step(socket: SocketClient) -> list[tuple[str, str, Any]]:
    """Return the events up to a reply that was asked for after them."""
    socket.ask("account/list")
    return socket.rows(len(socket.events))


def kinds(events: list[tuple[str, str, Any]]) -> list[str]:
    return [f"{kind} {event}" for kind, event, _ in events]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"on": PLACE},
        {"on": PLACE, "kind": "meteor"},
        {"on": PLACE, "kind": ["drop"]},
        {"on": "order", "kind": "drop"},
        {"on": 5, "kind": "drop"},
        {"kind": "drop"},
        {"on": "socket", "kind": "drop"},
        {"on": PLACE, "kind": "silent"},
        {"on": PLACE, "kind": "drop", "seed": 1},
        {"on": PLACE, "kind": "drop", "when": "never"},
        {"on": PLACE, "kind": "drop", "reset": "yes"},
        {"on": PLACE, "kind": "status", "status": 200},
        {"on": PLACE, "kind": "status", "times": 0},
        {"on": PLACE, "kind": "status", "times": 1.5},
        {"on": PLACE, "kind": "status", "times": True},
        {"on": PLACE, "kind": "status", "text": 5},
        {"on": PLACE, "kind": "penalty", "p-time": -1},
        {"kind": "fate", "fate": "hold"},
    ],
)
def test_fault_that_cannot_be_read_is_a_400_with_a_reason(scenario: Scenario, body: dict[str, Any]) -> None:
    reply = scenario.client.post("/faults", json=body)

    assert reply.status_code == 400
    assert reply.text
    assert scenario.left() == []


def test_requests_are_counted_by_path(scenario: Scenario, rest: httpx.Client, socket: SocketClient) -> None:
    place(rest)
    socket.ask("order/placeorder", ORDER)
    scenario.get("/faults")

    counts = scenario.get("/requests")

    assert counts["/order/placeorder"] == 2
    assert counts["/user/syncrequest"] == 1
    assert not [path for path in counts if "paper" in path]


def test_book_shows_every_row(scenario: Scenario, rest: httpx.Client) -> None:
    order_id = place(rest).json()["orderId"]

    book = scenario.get("/book")

    assert [row["id"] for row in book["order"]] == [order_id]
    assert [row["name"] for row in book["account"]] == ["PAPER-1", "PAPER-2"]
    for kind in ("fill", "position", "command", "commandReport", "executionReport", "orderVersion"):
        assert book[kind] == rest.get(f"/{kind}/list").json()


def test_clock_moves_forward_for_tokens(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.post("/clock", advance_s=4799)
    assert rest.get(ME).status_code == 200

    scenario.post("/clock", advance_s=1)

    assert (rest.get(ME).status_code, rest.get(ME).text) == (401, "Expired Access Token")


@pytest.mark.parametrize("step", [0, -1, "1", True, None, 10**9, float("inf")])
def test_clock_does_not_move_by_nonsense(scenario: Scenario, step: Any) -> None:
    assert scenario.client.post("/clock", content=json.dumps({"advance_s": step})).status_code == 400


def test_clock_stops_before_the_years_end(server: Server, scenario: Scenario) -> None:
    server.clock.moment = datetime(9989, 12, 30, 12, tzinfo=UTC)
    scenario.post("/clock", advance_s=86_400)

    answer = scenario.client.post("/clock", json={"advance_s": 86_400})

    assert (answer.status_code, answer.text) == (400, "The clock ends with the year 9989")


def test_tokens_expire_or_are_revoked_on_demand(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient
) -> None:
    scenario.post("/tokens", expire=True)
    assert rest.get(ME).text == "Expired Access Token"
    assert socket.ask("account/list")["s"] == 200

    scenario.post("/tokens", revoke=True)

    assert rest.get(ME).text == "Access is denied"
    assert socket.closing()[1] == 1001


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
def test_token_of_a_pushed_out_session_is_answered_as_the_rules_say(
    scenario: Scenario, rest: httpx.Client, status: int
) -> None:
    scenario.post("/sessions", pushedOutStatus=status)
    for _ in range(2):
        log_in(rest)

    assert rest.get(ME).status_code == status


def test_socket_of_a_pushed_out_session_may_stay_open(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient
) -> None:
    scenario.post("/sessions", closesSocket=False)
    for _ in range(2):
        log_in(rest)

    assert socket.ask("account/list")["s"] == 200


def test_string_as_key_id_may_be_refused(scenario: Scenario, rest: httpx.Client) -> None:
    body = {"name": "paper", "password": "secret", "cid": "1"}
    assert "accessToken" in rest.post("/auth/accesstokenrequest", json=body).json()

    rules = scenario.post("/sessions", strictCid=True)

    assert rules == {"pushedOutStatus": 401, "closesSocket": True, "strictCid": True}
    assert list(rest.post("/auth/accesstokenrequest", json=body).json()) == ["errorText"]
    assert "accessToken" in rest.post("/auth/accesstokenrequest", json=body | {"cid": 1}).json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokens", {}),
        ("/tokens", {"expire": 1}),
        ("/tokens", {"expire": True, "revoke": True}),
        ("/sessions", {"pushedOutStatus": 200}),
        ("/sessions", {"pushedOutStatus": True}),
        ("/sessions", {"closesSocket": 1}),
        ("/sessions", {"colour": "red"}),
    ],
)
def test_scenario_that_cannot_be_read_is_a_400(scenario: Scenario, path: str, body: dict[str, Any]) -> None:
    assert scenario.client.post(path, json=body).status_code == 400


def test_late_rejection_is_the_fate_of_the_next_order_only(scenario: Scenario, rest: httpx.Client) -> None:
    fate = {"on": PLACE, "kind": "fate", "reject": ["TradingLocked", "Trading is locked."], "times": 2}
    assert scenario.post("/faults", **fate) == {"fates": 2}

    order_id = place(rest).json()["orderId"]

    assert rest.get("/order/item", params={"id": order_id}).json()["ordStatus"] == "Rejected"
    reports = rest.get("/commandReport/deps", params={"masterid": order_id}).json()
    assert (reports[-1]["rejectReason"], reports[-1]["text"]) == ("TradingLocked", "Trading is locked.")
    assert scenario.get("/faults")["fates"] == 1
    scenario.client.delete("/faults")
    assert scenario.get("/faults")["fates"] == 0


def test_held_order_fills_as_far_as_it_is_released(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.post("/faults", kind="fate", hold=True)
    order_id = place(rest, orderQty=3).json()["orderId"]
    fills = "/fill/deps?masterid=" + str(order_id)
    assert rest.get(fills).json() == []

    scenario.post("/release", orderId=order_id, quantity=1)
    assert [fill["qty"] for fill in rest.get(fills).json()] == [1]
    scenario.post("/release", orderId=order_id)

    assert sum(fill["qty"] for fill in rest.get(fills).json()) == 3


def test_release_tells_followers_of_user_sync(
    scenario: Scenario, rest: httpx.Client, socket: SocketClient
) -> None:
    scenario.post("/faults", kind="fate", parts=[1])
    order_id = place(rest, orderQty=2).json()["orderId"]
    read_step(socket)

    scenario.post("/release", orderId=order_id)

    assert [row["qty"] for kind, _, row in read_step(socket) if kind == "fill"] == [1]


def test_moved_price_fills_a_resting_order(scenario: Scenario, rest: httpx.Client) -> None:
    scenario.post("/prices", root="MES", price=6840)
    order_id = place(rest, orderType="Limit", price=6830).json()["orderId"]

    scenario.post("/prices", root="MES", price="6829.75")

    assert rest.get("/order/item", params={"id": order_id}).json()["ordStatus"] == "Filled"


def test_price_feed_works_without_scenarios_but_needs_a_token(tmp_path: Path) -> None:
    with running(tmp_path / "journal") as server, httpx.Client() as client:
        address = server.url.removesuffix("/v1") + "/paper/prices"
        body = {"root": "MES", "price": 6800}
        assert client.post(address, json=body).status_code == 401
        login = client.post(
            f"{server.url}/auth/accesstokenrequest", json={"name": "paper", "password": "secret"}
        )
        client.headers["Authorization"] = f"Bearer {login.json()['accessToken']}"

        assert client.post(address, json=body).json() == {"ok": True}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/prices", {"root": "MES"}, 400),
        ("/prices", {"root": "MES", "price": 0}, 400),
        ("/prices", {"root": "MES", "price": True}, 400),
        ("/prices", {"root": 5, "price": 6840}, 400),
        ("/prices", {"root": "COMET", "price": 6840}, 404),
        ("/release", {}, 400),
        ("/release", {"orderId": "1"}, 400),
        ("/release", {"orderId": 1, "quantity": 0}, 400),
        ("/release", {"orderId": 1}, 404),
        ("/faults", {"kind": "fate", "reject": "no"}, 400),
        ("/faults", {"kind": "fate", "reject": ["one"]}, 400),
        ("/faults", {"kind": "fate", "parts": [0]}, 400),
        ("/faults", {"kind": "fate", "hold": 1}, 400),
        ("/faults", {"kind": "fate", "times": 0}, 400),
    ],
)
def test_price_release_or_fate_that_cannot_be_read_is_refused(
    scenario: Scenario, path: str, body: dict[str, Any], status: int
) -> None:
    assert scenario.client.post(path, json=body).status_code == status
