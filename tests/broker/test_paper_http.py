from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker.paper_server import ACCOUNT, Clock, log_in, running

ORDER = {
    "accountId": ACCOUNT,
    "accountSpec": "PAPER-1",
    "symbol": "MESZ6",
    "action": "Buy",
    "orderQty": 1,
    "orderType": "Market",
    "clOrdId": "desk-1",
    "text": "desk-1",
    "isAutomated": True,
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def anonymous(tmp_path: Path, clock: Clock) -> Iterator[httpx.Client]:
    """A client without a token, with a paper broker of its own behind it."""
    with running(tmp_path / "journal", clock=clock) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture
def client(anonymous: httpx.Client) -> httpx.Client:
    """A client that is logged in."""
    anonymous.headers["Authorization"] = f"Bearer {log_in(anonymous)['accessToken']}"
    return anonymous


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    reply = client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def place(client: httpx.Client, market: str | None = None, **changes: Any) -> dict[str, Any]:
    """Place the order above with some fields changed; None leaves a field out."""
    body = {name: value for name, value in {**ORDER, **changes}.items() if value is not None}
    headers = {} if market is None else {"X-Paper-Price": market}
    reply = client.post("/order/placeorder", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def status_with(client: httpx.Client, token: str) -> tuple[int, str]:
    reply = client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    return reply.status_code, "" if reply.status_code == 200 else reply.text


def test_login_gives_a_token_that_lives_eighty_minutes(anonymous: httpx.Client, clock: Clock) -> None:
    login = log_in(anonymous)

    assert login["expirationTime"] == "2026-11-24T19:20:00.000Z"
    clock.advance(minutes=79, seconds=59)
    assert status_with(anonymous, login["accessToken"]) == (200, "")
    clock.advance(seconds=1)
    assert status_with(anonymous, login["accessToken"]) == (401, "Expired Access Token")


@pytest.mark.parametrize(
    "body", [{}, {"name": "paper"}, {"name": "paper", "password": "wrong"}, {"name": 1, "password": "secret"}]
)
def test_wrong_login_is_refused_inside_a_200(anonymous: httpx.Client, body: dict[str, Any]) -> None:
    reply = anonymous.post("/auth/accesstokenrequest", json=body)

    assert reply.status_code == 200
    assert list(reply.json()) == ["errorText"]


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eA=="}]
)
def test_request_without_a_living_token_is_denied(anonymous: httpx.Client, header: dict[str, str]) -> None:
    reply = anonymous.get("/account/list", headers=header)

    assert (reply.status_code, reply.text) == (401, "Access is denied")


def test_renewed_token_replaces_the_old_one(anonymous: httpx.Client, clock: Clock) -> None:
    old = log_in(anonymous)["accessToken"]
    clock.advance(minutes=70)

    reply = anonymous.get("/auth/renewaccesstoken", headers={"Authorization": f"Bearer {old}"}).json()

    assert reply["expirationTime"] == "2026-11-24T20:30:00.000Z"
    assert status_with(anonymous, reply["accessToken"]) == (200, "")
    assert status_with(anonymous, old) == (401, "Access is denied")


def test_third_login_closes_the_oldest_session(anonymous: httpx.Client) -> None:
    tokens = [log_in(anonymous)["accessToken"] for _ in range(3)]

    assert [status_with(anonymous, token)[0] for token in tokens] == [401, 200, 200]


def test_renewal_leaves_the_age_of_a_session_as_it_is(anonymous: httpx.Client) -> None:
    first, second = (log_in(anonymous)["accessToken"] for _ in range(2))
    renewed = anonymous.get("/auth/renewaccesstoken", headers={"Authorization": f"Bearer {first}"}).json()

    log_in(anonymous)

    assert status_with(anonymous, renewed["accessToken"])[0] == 401
    assert status_with(anonymous, second)[0] == 200


def test_accounts_are_two_with_fixed_ids(client: httpx.Client) -> None:
    accounts = get(client, "/account/list")

    assert [(row["id"], row["name"], row["active"]) for row in accounts] == [
        (ACCOUNT, "PAPER-1", True),
        (ACCOUNT + 1, "PAPER-2", True),
    ]
    assert get(client, "/account/find", name="PAPER-2") == accounts[1]
    assert get(client, "/account/items", ids=f"{ACCOUNT},{ACCOUNT + 1},9") == accounts


def test_front_contract_is_found_through_product_and_maturity(client: httpx.Client) -> None:
    product = get(client, "/product/find", name="MES")
    maturities = get(client, "/contractMaturity/deps", masterid=product["id"])
    [front] = [row for row in maturities if row["isFront"]]

    [contract] = get(client, "/contract/deps", masterid=front["id"])

    assert (product["tickSize"], product["valuePerPoint"]) == (0.25, 5)
    assert (front["expirationMonth"], front["expirationDate"]) == (202612, "2026-12-18T14:30:00.000Z")
    assert contract["name"] == "MESZ6"
    assert get(client, "/contract/find", name="MESZ6") == contract
    assert get(client, "/contract/item", id=contract["id"]) == contract
    assert get(client, "/contract/suggest", t="MES", l=1) == [contract]


def test_running_broker_moves_the_front_month_on_roll_day(anonymous: httpx.Client, clock: Clock) -> None:
    clock.advance(days=20)
    anonymous.headers["Authorization"] = f"Bearer {log_in(anonymous)['accessToken']}"

    product = get(anonymous, "/product/find", name="MES")
    maturities = get(anonymous, "/contractMaturity/deps", masterid=product["id"])

    assert [row["expirationMonth"] for row in maturities if row["isFront"]] == [202703]


def test_market_order_is_filled_when_its_answer_arrives(client: httpx.Client) -> None:
    reply = place(client, "6842.25", orderQty=2)

    order_id = reply["orderId"]
    assert list(reply) == ["orderId"]
    assert get(client, "/order/item", id=order_id) == {
        "id": order_id,
        "accountId": ACCOUNT,
        "contractId": get(client, "/contract/find", name="MESZ6")["id"],
        "timestamp": "2026-11-24T18:00:00.000Z",
        "action": "Buy",
        "ordStatus": "Filled",
        "admin": False,
    }
    assert get(client, "/orderVersion/deps", masterid=order_id) == [
        {"id": order_id, "orderId": order_id, "orderQty": 2, "orderType": "Market", "text": "desk-1"}
    ]
    [command] = get(client, "/command/deps", masterid=order_id)
    assert (command["id"], command["clOrdId"], command["isAutomated"]) == (order_id, "desk-1", True)
    reports = get(client, "/commandReport/deps", masterid=order_id)
    assert [row["commandStatus"] for row in reports] == ["RiskPassed", "AtExecution"]
    executions = get(client, "/executionReport/deps", masterid=order_id)
    assert [row["execType"] for row in executions] == ["New", "Trade"]
    [fill] = get(client, "/fill/deps", masterid=order_id)
    assert (fill["qty"], fill["tradeDate"]) == (2, {"year": 2026, "month": 11, "day": 24})
    assert abs(fill["price"] - 6842.25) <= 0.5
    [position] = get(client, "/position/list")
    assert (position["netPos"], position["netPrice"]) == (2, fill["price"])


def test_ids_need_more_than_thirty_two_bits(client: httpx.Client) -> None:
    assert place(client)["orderId"] > 2**32


@pytest.mark.parametrize("header", ["", "abc", "NaN", "-3", "1e30", "6842,25"])
def test_malformed_price_header_is_ignored(client: httpx.Client, header: str) -> None:
    order_id = place(client, header)["orderId"]

    [fill] = get(client, "/fill/deps", masterid=order_id)
    assert abs(fill["price"] - 6840) <= 0.5


def test_round_trip_leaves_a_flat_row_a_pair_and_its_profit(client: httpx.Client) -> None:
    place(client, "6840.00", orderQty=2)
    place(client, "6850.00", orderQty=2, action="Sell")

    [position] = get(client, "/position/deps", masterid=ACCOUNT)
    assert position["netPos"] == 0
    assert "netPrice" not in position
    [pair] = get(client, "/fillPair/deps", masterid=position["id"])
    profit = (pair["sellPrice"] - pair["buyPrice"]) * pair["qty"] * 5
    money = client.post("/cashBalance/getcashbalancesnapshot", json={"accountId": ACCOUNT}).json()
    assert (money["realizedPnL"], money["openPnL"]) == (profit, 0)
    fees = 4 * 0.85
    assert money["totalCashValue"] == money["netLiq"] == 50_000 + profit - fees
    assert [row["amount"] for row in get(client, "/cashBalance/list")] == [50_000 + profit - fees, 50_000]


def test_open_position_shows_profit_at_the_last_price(client: httpx.Client) -> None:
    place(client, "6840.00")
    place(client, "6850.00", accountId=ACCOUNT + 1, accountSpec="PAPER-2", action="Sell")

    fills = get(client, "/fill/list")

    money = client.post("/cashBalance/getcashbalancesnapshot", json={"accountId": ACCOUNT}).json()
    assert money["openPnL"] == (fills[1]["price"] - fills[0]["price"]) * 5
    assert money["netLiq"] == 50_000 + money["openPnL"] - 0.85


@pytest.mark.parametrize("who", [{"accountId": None}, {"accountSpec": None}, {"accountSpec": "paper"}])
def test_account_may_be_named_in_either_way(client: httpx.Client, who: dict[str, Any]) -> None:
    order_id = place(client, **who)["orderId"]

    assert get(client, "/order/item", id=order_id)["accountId"] == ACCOUNT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"symbol": ""}, "InvalidContract"),
        ({"symbol": "MES1!"}, "InvalidContract"),
        ({"symbol": "MESZ2026"}, "InvalidContract"),
        ({"symbol": "MESU6"}, "InvalidContract"),
        ({"orderType": "QTS"}, "Unsupported"),
        ({"orderType": "Limit", "price": 6840.1}, "InvalidPrice"),
        ({"orderQty": 101}, "MaxOrderQtyLimitReached"),
        ({"accountId": 9}, "Unauthorized"),
        ({"accountSpec": "PAPER-2"}, "Unauthorized"),
        ({"accountId": None, "accountSpec": "PAPER-9"}, "Unauthorized"),
    ],
)
def test_impossible_order_is_refused_at_once_without_rows(
    client: httpx.Client, changes: dict[str, Any], reason: str
) -> None:
    reply = place(client, **changes)

    assert reply["failureReason"] == reason
    assert "orderId" not in reply
    assert get(client, "/order/list") == get(client, "/command/list") == []


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"accountId": None, "accountSpec": None}, "NotNull"),
        ({"symbol": None}, "NotNull"),
        ({"orderQty": 0}, "Positive"),
        ({"orderQty": -1}, "Positive"),
        ({"orderQty": 1.5}, "Positive"),
        ({"orderQty": True}, "Positive"),
        ({"orderQty": "1"}, "Positive"),
        ({"action": "BUY"}, "Enum"),
        ({"orderType": "Guess"}, "Enum"),
        ({"timeInForce": "Never"}, "Enum"),
        ({"clOrdId": "x" * 65}, "Size"),
        ({"text": 7}, "Size"),
        ({"isAutomated": "yes"}, "Boolean"),
    ],
)
def test_malformed_order_is_answered_with_violations(
    client: httpx.Client, changes: dict[str, Any], constraint: str
) -> None:
    reply = place(client, **changes)

    assert [violation["constraint"] for violation in reply["violations"]] == [constraint]
    assert get(client, "/order/list") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_no_json_object_is_a_400(client: httpx.Client, body: bytes) -> None:
    for path in ("/auth/accesstokenrequest", "/order/placeorder", "/order/cancelorder"):
        assert client.post(path, content=body).status_code == 400


@pytest.mark.parametrize("body", [b'{"orderQty":1e999}', b'{"symbol":"\\ud800","clOrdId":"\\udfff"}'])
def test_odd_values_in_a_body_never_break_the_server(client: httpx.Client, body: bytes) -> None:
    for path in ("/auth/accesstokenrequest", "/order/placeorder", "/order/liquidateposition"):
        reply = client.post(path, content=body)
        assert reply.status_code == 200
        assert reply.json()


def test_method_is_not_enforced(client: httpx.Client) -> None:
    assert "orderId" in client.request("GET", "/order/placeorder", json=ORDER).json()
    assert client.post("/position/list").json() == get(client, "/position/list") != []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_body_that_cannot_be_unpacked_is_a_400(client: httpx.Client, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}

    assert client.post("/order/placeorder", content=b"\x1f\x8b nonsense", headers=headers).status_code == 400


def test_body_of_more_than_a_mebibyte_is_a_413(client: httpx.Client) -> None:
    assert client.post("/order/placeorder", content=b" " * (2**20 + 1)).status_code == 413


@pytest.mark.parametrize(
    "query", ["ids=1,,2", "ids=%zz", "ids=%00", "ids=%ff", "ids=1%0a", "ids=\uff11", "ids=" + "1," * 2000]
)
def test_malformed_list_of_ids_is_a_400(client: httpx.Client, query: str) -> None:
    assert client.get(f"/order/items?{query}").status_code == 400


def test_first_of_repeated_parameters_counts(client: httpx.Client) -> None:
    assert client.get(f"/account/item?id={ACCOUNT}&id=x").json()["id"] == ACCOUNT


@pytest.mark.parametrize("path", ["/order/nothing", "/comet/list", "/order", "/ORDER/list", "/"])
def test_unknown_path_is_a_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_unknown_entity_is_a_404_alone_and_left_out_of_many(client: httpx.Client) -> None:
    assert client.get("/order/item", params={"id": 1}).status_code == 404
    assert client.get("/contract/find", params={"name": "XYZ"}).status_code == 404
    assert get(client, "/order/items", ids="1,2") == get(client, "/order/deps", masterid=1) == []


@pytest.mark.parametrize("query", ["", "id=", "id=x", "id=-1", "id=1.5", "id=" + "9" * 30])
def test_malformed_id_is_a_400(client: httpx.Client, query: str) -> None:
    assert client.get(f"/order/item?{query}").status_code == 400


def test_expired_contract_takes_no_order(client: httpx.Client, clock: Clock) -> None:
    clock.advance(days=24)
    client.headers["Authorization"] = f"Bearer {log_in(client)['accessToken']}"

    assert place(client)["failureReason"] == "InvalidContract"
    assert "orderId" in place(client, symbol="MESH7")


def test_cancel_of_a_filled_order_is_too_late(client: httpx.Client) -> None:
    order_id = place(client)["orderId"]

    reply = client.post("/order/cancelorder", json={"orderId": order_id, "isAutomated": True}).json()

    assert reply["failureReason"] == "TooLate"
    assert len(get(client, "/command/list")) == 1


def test_cancel_of_an_unknown_order_is_a_404(client: httpx.Client) -> None:
    assert client.post("/order/cancelorder", json={"orderId": 5}).status_code == 404


@pytest.mark.parametrize("action", ["Buy", "Sell"])
def test_liquidation_closes_the_position_of_that_account_only(client: httpx.Client, action: str) -> None:
    place(client, orderQty=3, action=action)
    place(client, orderQty=2, accountId=ACCOUNT + 1, accountSpec="PAPER-2")
    contract_id = get(client, "/contract/find", name="MESZ6")["id"]

    reply = client.post(
        "/order/liquidateposition", json={"accountId": ACCOUNT, "contractId": contract_id, "admin": False}
    ).json()

    assert list(reply) == ["orderId"]
    assert [row["netPos"] for row in get(client, "/position/list")] == [0, 2]


def test_liquidation_of_a_flat_account_is_refused(client: httpx.Client) -> None:
    contract_id = get(client, "/contract/find", name="MESZ6")["id"]

    reply = client.post(
        "/order/liquidateposition", json={"accountId": ACCOUNT, "contractId": contract_id, "admin": False}
    ).json()

    assert reply["failureReason"] == "UnknownReason"
    assert get(client, "/order/list") == []
