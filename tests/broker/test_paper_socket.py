import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker.paper_server import ACCOUNT, USER_ID, Server, log_in, running
from tests.broker.paper_socket import SocketClient, as_frame, open_deaf, open_socket

ORDER = {
    "accountId": ACCOUNT,
    "symbol": "MESZ6",
    "action": "Buy",
    "orderQty": 1,
    "orderType": "Market",
    "clOrdId": "desk-1",
    "isAutomated": True,
}

type Open = Callable[[], AbstractContextManager[SocketClient]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "journal") as server:
        yield server


@pytest.fixture
def rest(server: Server) -> Iterator[httpx.Client]:
    """A client of the same broker over HTTP, logged in."""
    with httpx.Client(base_url=server.url) as client:
        client.headers["Authorization"] = f"Bearer {log_in(client)['accessToken']}"
        yield client


@pytest.fixture
def token(rest: httpx.Client) -> str:
    return rest.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def open_one(server: Server) -> Open:
    return partial(open_socket, server.socket_url)


@pytest.fixture
def client(open_one: Open) -> Iterator[SocketClient]:
    with open_one() as client:
        yield client


@pytest.mark.parametrize("form", ["{}", '"{}"'])
def test_token_opens_the_socket_bare_or_as_a_json_string(client: SocketClient, token: str, form: str) -> None:
    client.connection.send(f"authorize\n7\n\n{form.format(token)}")

    assert client.frame() == 'a[{"s":200,"i":7}]'


def test_refused_token_is_answered_and_the_connection_closed(client: SocketClient) -> None:
    assert client.authorize("nonsense") == {"s": 401, "i": 1, "d": "Access is denied"}
    assert client.closing() == ('c[1000,"Bye"]', 1000, "Bye")


def test_expired_token_does_not_open_the_socket(server: Server, client: SocketClient, token: str) -> None:
    server.clock.advance(minutes=80)

    assert client.authorize(token) == {"s": 401, "i": 1, "d": "Expired Access Token"}


def test_open_socket_survives_the_expiry_of_its_token(
    server: Server, client: SocketClient, token: str
) -> None:
    client.authorize(token)
    server.clock.advance(minutes=81)

    assert client.ask("account/list")["s"] == 200


@pytest.mark.parametrize("endpoint", ["account/list", "user/syncrequest", "order/placeorder"])
def test_request_before_authorisation_is_denied(client: SocketClient, endpoint: str) -> None:
    assert client.ask(endpoint, ORDER) == {"s": 401, "i": 1, "d": "Access is denied"}


def test_reads_answer_as_over_http(client: SocketClient, token: str, rest: httpx.Client) -> None:
    client.authorize(token)

    assert client.ask("account/list")["d"] == rest.get("/account/list").json()
    query = f"id={ACCOUNT}"
    assert client.ask("account/item", query=query)["d"] == rest.get(f"/account/item?{query}").json()


def test_order_and_refusal_answer_as_over_http(client: SocketClient, token: str, rest: httpx.Client) -> None:
    client.authorize(token)

    placed = client.ask("order/placeorder", ORDER)
    cancelled = client.ask("order/cancelorder", {"orderId": placed["d"]["orderId"]})

    assert (placed["s"], list(placed["d"])) == (200, ["orderId"])
    assert (cancelled["s"], cancelled["d"]["failureReason"]) == (200, "TooLate")
    [command] = rest.get("/command/list").json()
    assert (command["id"], command["clOrdId"]) == (placed["d"]["orderId"], "desk-1")


def test_parameters_of_a_read_in_the_body_are_not_found(client: SocketClient, token: str) -> None:
    client.authorize(token)

    assert client.ask("account/item", {"id": ACCOUNT}) == {"s": 404, "i": 2, "d": ""}


@pytest.mark.parametrize(
    ("endpoint", "query", "status"),
    [
        ("order/nothing", "", 404),
        ("", "", 404),
        ("order/\x00%zz?#", "", 404),
        ("../paper/book", "", 404),
        ("websocket", "", 405),
        ("order/placeOSO", "", 401),
        ("order/placeOrder", "", 401),
        ("order/item", "id=5", 404),
        ("order/item", "id=x", 400),
        ("order/item", "\ud7ff%%=\x00", 404),
        ("order/placeorder", "", 400),
    ],
)
def test_odd_request_is_answered_with_its_status(
    client: SocketClient, token: str, endpoint: str, query: str, status: int
) -> None:
    client.authorize(token)

    assert client.ask(endpoint, query=query)["s"] == status


@pytest.mark.parametrize("text", ["", "hello", "authorize\n", "a\nb\nc\nd", "a\n-1\n\n", "a\n" + "9" * 30])
def test_text_that_is_no_request_is_a_400_and_keeps_the_connection(
    client: SocketClient, token: str, text: str
) -> None:
    client.connection.send(text)

    assert client.frame() == 'a[{"s":400,"i":0,"d":"Malformed request"}]'
    assert client.authorize(token)["s"] == 200


def test_binary_frame_is_ignored(client: SocketClient, token: str) -> None:
    client.connection.send(b"\x00\xff")

    assert client.authorize(token)["s"] == 200


def test_address_without_a_handshake_is_a_400(rest: httpx.Client) -> None:
    assert rest.get("/websocket").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"users": [USER_ID]},
        {"users": [USER_ID], "splitResponses": False},
        {"splitResponses": False},
    ],
)
def test_user_sync_starts_with_the_rows_of_today(
    client: SocketClient, token: str, rest: httpx.Client, body: Any
) -> None:
    order_id = rest.post("/order/placeorder", json=ORDER).json()["orderId"]

    reply = client.follow(token, body)

    assert reply["s"] == 200
    rows = reply["d"]
    assert [row["id"] for row in rows["users"]] == [USER_ID]
    assert rows["accounts"] == rest.get("/account/list").json()
    assert [row["id"] for row in rows["orders"]] == [order_id]
    for name, path in (
        ("fills", "/fill/list"),
        ("positions", "/position/list"),
        ("commands", "/command/list"),
    ):
        assert rows[name] == rest.get(path).json()
    assert [row["name"] for row in rows["contracts"]] == ["MESZ6"]
    assert [row["name"] for row in rows["products"]] == ["MES"]
    assert not {"prices", "progresses", "drafts"} & rows.keys()


def test_user_sync_leaves_the_orders_of_earlier_days_out(
    server: Server, client: SocketClient, token: str, rest: httpx.Client
) -> None:
    rest.post("/order/placeorder", json=ORDER)
    server.clock.advance(days=1)

    rows = client.follow(log_in(rest)["accessToken"])["d"]

    assert rows["orders"] == rows["fills"] == rows["commandReports"] == []
    assert [row["netPos"] for row in rows["positions"]] == [1]


def test_entity_types_limit_the_first_reply_and_the_events(
    client: SocketClient, token: str, rest: httpx.Client
) -> None:
    rows = client.follow(token, {"splitResponses": False, "entityTypes": ["fill", "comet"]})["d"]
    rest.post("/order/placeorder", json=ORDER)
    rest.post("/order/placeorder", json=ORDER)

    assert sorted(rows) == ["contractGroups", "fills", "users"]
    assert [kind for kind, _, _ in client.rows(2)] == ["fill", "fill"]


def test_split_responses_send_arrays(client: SocketClient, token: str, rest: httpx.Client) -> None:
    reply = client.follow(token, {"splitResponses": True})

    assert sorted(reply["d"]) == ["contractGroups", "users"]
    kind, event, rows = client.rows(1)[0]
    assert (kind, event, rows) == ("account", "Created", rest.get("/account/list").json())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"users": 5}, 400),
        ({"users": ["5"]}, 400),
        ({"users": [True]}, 400),
        ({"users": [5]}, 403),
        ({"splitResponses": "no"}, 400),
        ({"entityTypes": ["fill"]}, 400),
        ({"users": [USER_ID], "splitResponses": False, "entityTypes": ["fill"]}, 400),
        ({"splitResponses": False, "entityTypes": "fill"}, 400),
        ([], 400),
    ],
)
def test_user_sync_in_another_form_is_refused(
    client: SocketClient, token: str, body: Any, status: int
) -> None:
    client.authorize(token)

    assert client.ask("user/syncrequest", body)["s"] == status


def test_second_user_sync_on_one_connection_is_refused(client: SocketClient, token: str) -> None:
    client.follow(token)

    assert client.ask("user/syncrequest", {"splitResponses": False})["s"] == 400


def test_rows_that_an_order_changes_arrive_as_events(
    client: SocketClient, token: str, rest: httpx.Client
) -> None:
    client.follow(token)
    order_id = rest.post("/order/placeorder", json=ORDER).json()["orderId"]

    events = client.rows(9)

    orders = [(event, row["ordStatus"]) for kind, event, row in events if kind == "order"]
    assert orders[0] == ("Created", "PendingNew")
    assert ("Created", order_id) in [(event, row["id"]) for kind, event, row in events if kind == "command"]
    assert "price" not in {kind for kind, _, _ in events}


def test_events_are_the_rows_as_they_end(client: SocketClient, token: str, rest: httpx.Client) -> None:
    client.follow(token)
    order_id = rest.post("/order/placeorder", json=ORDER).json()["orderId"]

    last: dict[str, Any] = {}
    while "position" not in last:
        kind, _, row = client.rows(1)[0]
        last[kind] = row

    assert last["order"] == rest.get("/order/item", params={"id": order_id}).json()
    assert [last["fill"]] == rest.get("/fill/list").json()
    assert [last["position"]] == rest.get("/position/list").json()


def test_events_that_a_connection_missed_are_not_repeated(
    open_one: Open, token: str, rest: httpx.Client
) -> None:
    with open_one() as first:
        first.follow(token)
        rest.post("/order/placeorder", json=ORDER)
        assert first.rows(1)

    with open_one() as second:
        second.follow(token)
        second.ask("account/list")

        assert second.events == []


def test_connection_without_user_sync_gets_no_events(client: SocketClient, token: str) -> None:
    client.authorize(token)

    client.ask("order/placeorder", ORDER)
    client.ask("account/list")

    assert client.events == []


def test_every_follower_hears_of_every_row(open_one: Open, token: str, rest: httpx.Client) -> None:
    with open_one() as one, open_one() as other:
        one.follow(token)
        other.follow(token)

        rest.post("/order/placeorder", json=ORDER)

        assert one.rows(8) == other.rows(8)


def test_server_beats_after_two_and_a_half_silent_seconds(server: Server, client: SocketClient) -> None:
    server.seconds.value += 2.5

    assert client.frame() == "h"


def test_client_that_beats_stays_connected(server: Server, client: SocketClient, token: str) -> None:
    for _ in range(6):
        server.seconds.value += 2.5
        assert client.frame() == "h"
        client.connection.send("[]")

    assert client.authorize(token)["s"] == 200


def test_client_that_is_silent_for_ten_seconds_is_closed(server: Server, client: SocketClient) -> None:
    server.seconds.value += 10

    assert client.closing() == ('c[1008,"Heartbeat missing"]', 1008, "Heartbeat missing")


def test_third_login_closes_the_socket_of_the_oldest_session(
    client: SocketClient, token: str, rest: httpx.Client
) -> None:
    client.follow(token)

    for _ in range(2):
        log_in(rest)

    last, code, _ = client.closing()
    assert (last[0], code) == ("c", 1001)


def test_socket_of_a_renewed_session_can_renew_again(
    client: SocketClient, token: str, rest: httpx.Client
) -> None:
    client.authorize(token)
    rest.get("/auth/renewaccesstoken")

    reply = client.ask("auth/renewaccesstoken")

    assert reply["s"] == 200
    headers = {"Authorization": f"Bearer {reply['d']['accessToken']}"}
    assert rest.get("/auth/me", headers=headers).status_code == 200


def test_reader_that_does_not_read_is_cut_off_and_holds_up_nobody(
    server: Server, token: str, rest: httpx.Client
) -> None:
    def place_for_ever() -> None:
        while True:
            assert "orderId" in rest.post("/order/placeorder", json=ORDER).json()
            deaf.send(as_frame("[]"))

    with open_deaf(server.socket_url) as deaf:
        deaf.sendall(as_frame(f"authorize\n1\n\n{token}"))
        deaf.sendall(as_frame('user/syncrequest\n2\n\n{"splitResponses": false}'))

        with pytest.raises(ConnectionError):
            place_for_ever()


def test_stop_of_the_broker_is_announced(tmp_path: Path) -> None:
    server = Server(tmp_path / "journal")
    with httpx.Client(base_url=server.url) as rest, open_socket(server.socket_url) as client:
        client.follow(log_in(rest)["accessToken"])

        server.stop()

        shutdown = json.loads(client.frame()[1:])[0]
        assert (shutdown["e"], shutdown["d"]["reasonCode"]) == ("shutdown", "Maintenance")
        assert client.closing()[1] == 1001
