"""Every reply of the paper broker, held against the official document's response schemas."""

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from websockets.sync.client import connect

from broker.base import Side
from broker.orders import Leg
from broker.paper.records.accounts import User
from broker.paper.rest import orders as order_routes
from broker.paper.server import Settings, make_app
from tests.broker.conformance.bodies import ACCOUNT, BUY_LIMIT, SELL_STOP, at_market, resting
from tests.broker.conformance.conftest import COUNTS
from tests.broker.contract.venue import LIMIT_S, Venue, limit, stop, venue
from tests.broker.official import DOCUMENT, entity_differences, operations
from tests.broker.wire import NOW

# What the paper broker answers otherwise than the document says, and why.
DEVIATIONS: dict[str, str] = {}
NO_OPERATIONS = {"/websocket"}
# The user owns its accounts, so there is no permission to find.
NOTHING_TO_FIND = {"/tradingPermission/item"}
MASTERS = {
    "account": "userId",
    "cashBalance": "accountId",
    "command": "orderId",
    "commandReport": "commandId",
    "contract": "contractMaturityId",
    "contractMaturity": "productId",
    "executionReport": "commandId",
    "fill": "orderId",
    "fillPair": "positionId",
    "order": "accountId",
    "orderVersion": "orderId",
    "position": "accountId",
    "product": "exchangeId",
    "userAccountPositionLimit": "accountId",
    "userAccountRiskParameter": "userAccountPositionLimitId",
} | dict.fromkeys(
    ("accountRiskStatus", "fillFee", "marginSnapshot", "productSession", "userAccountAutoLiq"), "id"
)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A broker on which all has happened: fills, pairs, brackets, rejections, changes, cancellations."""
    with venue(tmp_path_factory.mktemp("replies") / "paper.journal") as at:
        at.submit("r-1", Side.BUY, 2)
        at.submit("r-2", Side.SELL, 4)
        at.fault("fate", "/order/placeorder", reject=["UnknownReason", "Insufficient margin"])
        at.submit("r-3")
        resting = at.submit("r-4", Side.BUY, 1, limit("6800"))
        at.client.modify(resting, 2, limit("6801"), "r-4-2", timeout_s=10)
        at.client.cancel(resting, timeout_s=10)
        legs = [Leg(Side.SELL, limit("6900"), "r-5-t"), Leg(Side.SELL, stop("6790"), "r-5-s")]
        at.client.submit_bracket(at.request("r-5", Side.BUY, 1, limit("6800")), legs, timeout_s=10)
        yield at


@pytest.fixture(scope="module")
def http(busy: Venue) -> Iterator[httpx.Client]:
    token = living_token(busy)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=busy.url, headers=headers, timeout=10) as client:
        yield client


def living_token(busy: Venue) -> str:
    """Return the client's token, after a question that replaces one which an earlier test ended."""
    busy.client.accounts(timeout_s=LIMIT_S)
    (token,) = busy.tokens.tokens.values()
    return token.value


def paper_broker(tmp_path: Path) -> web.Application:
    return make_app(Settings(tmp_path / "journal", User("paper", "paper")), lambda: NOW)


def uncovered(app: web.Application, asked: Set[str]) -> set[str]:
    """Return the operations of Tradovate's that a paper broker has and that are not among those asked."""
    paths = {route.resource.canonical for route in app.router.routes() if route.resource}
    paths = {path.removeprefix("/v1") for path in paths if path.startswith("/v1/")} - NO_OPERATIONS
    made = {path.replace("{operation}", word) for path in paths for word in ("create", "update")}
    return {path for path in made if "{" not in path} - asked


def samples(busy: Venue, http: httpx.Client) -> dict[str, dict[str, Any]]:
    """Return a row of each kind there is one of."""
    book = busy.scenario("book", method="GET")
    found = {kind: rows[0] for kind, rows in book.items() if rows}
    for kind in ("account", "currency", "exchange", "contractGroup", "product"):
        found[kind] = http.get(f"/{kind}/list").json()[0]
    found["contract"] = http.get("/contract/find", params={"name": busy.contract.name}).json()
    maturity_id = found["contract"]["contractMaturityId"]
    found["contractMaturity"] = http.get("/contractMaturity/item", params={"id": maturity_id}).json()
    found["productSession"] = {"id": found["product"]["id"]}
    return found


def query(path: str, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters of a read that finds something, where there is something to find."""
    kind, operation = path.strip("/").split("/")
    row = found.get(kind, {})
    row_id, name, master = row.get("id", 0), row.get("name", ""), row.get(MASTERS.get(kind, ""), 0)
    return {
        "item": {"id": row_id},
        "items": {"ids": f"{row_id},1"},
        "deps": {"masterid": master},
        "ldeps": {"masterids": f"{master},1"},
        "find": {"name": name},
        "suggest": {"t": name[:2], "l": 5},
    }.get(operation, {})


LIMIT = {"active": True, "totalBy": "Overall", "accountId": ACCOUNT, "longLimit": 50, "shortLimit": 50}
RESET = {"accountIds": [ACCOUNT], "resetTradeDate": {"year": 2026, "month": 11, "day": 25}}


def commands(busy: Venue) -> dict[str, Any]:
    """Return a body for each command that needs nothing but what there is."""
    levels = {"accountId": ACCOUNT, "dailyLossAutoLiq": 5000}
    return {
        "/auth/accesstokenrequest": {"name": "paper", "password": "paper", "cid": 1, "sec": "s"},
        "/cashBalance/getcashbalancesnapshot": {"accountId": ACCOUNT},
        "/contract/rollcontract": {"name": busy.contract.name, "forward": True},
        "/contract/getproductfeeparams": {"productIds": [702]},
        "/userAccountAutoLiq/create": {"id": ACCOUNT} | levels,
        "/userAccountAutoLiq/update": {"id": ACCOUNT} | levels,
        "/userAccountAutoLiq/updateuserautoliq": levels,
        "/accountRiskStatus/setadminautoliqaction": {
            "accountId": ACCOUNT,
            "adminAction": "Normal",
            "adminActionReasonCode": "Other",
        },
        "/accountRiskStatus/resetautoliqstatus": {"accountId": ACCOUNT},
        "/order/placeorder": at_market(busy),
        "/order/placeoco": resting(busy) | {"other": BUY_LIMIT},
        "/order/liquidateposition": {
            "accountId": ACCOUNT,
            "contractId": busy.contract.id,
            "admin": False,
        },
    }


def test_every_reply_of_the_paper_broker_is_one_of_the_official_document(
    busy: Venue, http: httpx.Client, tmp_path: Path
) -> None:
    app, official, asked, differences = paper_broker(tmp_path), operations(), set[str](), set[str]()

    def ask(path: str, body: Any = None, **query: Any) -> Any:
        method = "GET" if official[path].body is None else "POST"
        reply = http.request(method, path, params=query, json=body)
        data = reply.json() if reply.status_code == 200 else reply.text
        is_refused = isinstance(data, dict) and data.keys() & {"failureReason", "violations", "errorText"}
        assert reply.status_code == (404 if path in NOTHING_TO_FIND else 200), (path, data)
        assert not is_refused, (path, data)
        if path not in NOTHING_TO_FIND:
            differences.update(official[path].reply_differences(data))
        asked.add(path)
        return data

    limit = ask("/userAccountPositionLimit/create", LIMIT)
    ask("/userAccountPositionLimit/update", limit)
    rule = {"userAccountPositionLimitId": limit["id"], "maxOpeningOrderQty": 50}
    ask("/userAccountRiskParameter/update", ask("/userAccountRiskParameter/create", rule))
    entry = ask("/order/placeoso", resting(busy) | {"bracket1": SELL_STOP})["orderId"]
    ask("/order/modifyorder", {"orderId": entry, "orderQty": 2, "orderType": "Limit", "price": 6702.0})
    ask("/order/cancelorder", {"orderId": entry})
    for path, body in commands(busy).items():
        ask(path, body)
    found = samples(busy, http)
    for path in sorted(official.keys() & uncovered(app, asked)):
        if official[path].body is None and "/auth/" not in path:
            ask(path, **query(path, found))
    ask("/order/liquidatepositions", {"positions": [found["position"]["id"]], "admin": False})
    ask("/account/resetdemoaccountstate", RESET)
    ask("/auth/me")
    ask("/auth/renewaccesstoken")

    assert uncovered(app, asked) == set()
    assert differences == set(DEVIATIONS)
    COUNTS.append(
        f"paper broker: replies of {len(asked)} operations validate against the official document, "
        f"{len(DEVIATIONS)} deviations listed"
    )


def test_route_that_nobody_asks_is_named(tmp_path: Path) -> None:
    app = paper_broker(tmp_path)
    asked = uncovered(app, set())
    app.router.add_post("/v1/order/cancelallorders", order_routes.cancel_order)

    assert "/order/placeorder" in asked
    assert uncovered(app, asked) == {"/order/cancelallorders"}
    assert uncovered(app, asked - {"/order/placeorder"}) == {"/order/cancelallorders", "/order/placeorder"}


def test_refusals_of_orders_are_ones_of_the_official_document(busy: Venue) -> None:
    official = operations()["/order/placeorder"]
    token = living_token(busy)
    replies = [
        httpx.post(
            f"{busy.url}/order/placeorder",
            json={"accountId": ACCOUNT, "action": "Buy", "symbol": symbol, "orderQty": 1, "orderType": kind},
            headers={"Authorization": f"Bearer {token}"},
        )
        for symbol, kind in (("NOPE", "Market"), ("MESZ6", "QTS"))
    ]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert all(reply.json()["failureReason"] for reply in replies)
    assert [official.reply_differences(reply.json()) for reply in replies] == [set(), set()]


def test_user_sync_and_its_events_are_rows_of_the_official_document(busy: Venue) -> None:
    message = DOCUMENT["components"]["schemas"]["SyncMessage"]["properties"]
    token = living_token(busy)
    found: set[str] = set()
    with connect(busy.url.replace("http", "ws") + "/websocket", proxy=None, close_timeout=0.1) as socket:
        assert socket.recv(5) == "o"
        socket.send(f"authorize\n1\n\n{token}")
        assert json.loads(str(socket.recv(5))[1:])[0]["s"] == 200
        socket.send('user/syncrequest\n2\n\n{"splitResponses": false}')
        reply = json.loads(str(socket.recv(5))[1:])[0]
        busy.submit("sync-1")
        events = [json.loads(str(socket.recv(5))[1:])[0] for _ in range(5)]

    assert (reply["s"], reply["i"]) == (200, 2)
    assert set(reply["d"]) <= set(message)
    for name, rows in reply["d"].items():
        kind = message[name]["items"]["$ref"].rsplit("/", 1)[-1]
        for row in rows:
            found |= entity_differences(kind[:1].lower() + kind[1:], row)
    for event in events:
        assert event["e"] == "props"
        assert event["d"]["eventType"] in {"Created", "Updated"}
        found |= entity_differences(event["d"]["entityType"], event["d"]["entity"])

    assert found == set()
