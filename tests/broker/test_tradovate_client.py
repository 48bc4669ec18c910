"""The port's methods against replies shaped like the official document, and fields it does not have."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from broker.base import (
    Broker,
    BrokerAccount,
    BrokerContract,
    BrokerFill,
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerPosition,
    BrokerRefused,
    OrderReport,
    Side,
    WorkingOrder,
)
from broker.tradovate.client import TradovateBroker
from broker.tradovate.contracts import FRONT_MONTH_LASTS
from tests.broker.shapes import (
    ORDER_ID,
    Row,
    account,
    command,
    contract,
    fill,
    maturity,
    order,
    position,
    product,
    report,
    seen,
    version,
)
from tests.broker.wire import (
    ACCOUNT_ID,
    CANCEL,
    PLACE,
    RENEW,
    Clock,
    Request,
    Script,
    connect,
    market_order,
)

DOCUMENT = json.loads(
    (Path(__file__).parents[1] / "data" / "tradovate-openapi.json").read_text(encoding="utf-8")
)
MOMENT = datetime(2026, 11, 23, 15, 0, 0, 250_000, UTC)
MES = BrokerContract(
    id=3001,
    name="MESZ6",
    product="MES",
    tick_size=Decimal("0.25"),
    point_value=Decimal("5"),
    expires_on=date(2026, 12, 18),
    is_front=True,
)

ROWS: dict[str, Row] = {
    "Account": account(),
    "Product": product(),
    "ContractMaturity": maturity(),
    "Contract": contract(),
    "Position": position(),
    "Order": order(),
    "Fill": fill(),
    "Command": command(),
    "OrderVersion": version(),
    "CommandReport": report(),
}


@pytest.fixture
def script() -> Script:
    """Return a broker that has one account with one filled order of one front month contract."""
    return (
        Script()
        .on("/account/list", [seen(account())])
        .on("/product/find", seen(product()))
        .on("/product/item", seen(product()))
        .on("/contractMaturity/deps", [maturity(id=901, isFront=False), seen(maturity())])
        .on("/contractMaturity/item", seen(maturity()))
        .on("/contract/deps", [seen(contract())])
        .on("/contract/find", seen(contract()))
        .on("/contract/item", seen(contract()))
        .on("/position/deps", [seen(position())])
        .on("/order/item", seen(order()))
        .on("/order/deps", [seen(order())])
        .on("/fill/deps", [seen(fill())])
        .on("/commandReport/deps", [seen(report())])
        .on("/command/list", [command(id=1, orderId=1, clOrdId="other"), seen(command())])
        .on("/orderVersion/list", [seen(version())])
        .on(PLACE, {"orderId": ORDER_ID})
        .on(CANCEL, {"commandId": 71})
    )


def broker_says(script: Script, path: str, reply: object) -> TradovateBroker:
    return connect(script.on(path, reply))


# The official document.


def schema_errors(value: object, schema: Mapping[str, Any]) -> list[str]:
    validator = jsonschema.Draft4Validator({**schema, "components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", ROWS)
def test_row_of_these_tests_fits_the_official_schema(name: str) -> None:
    assert schema_errors(ROWS[name], {"$ref": f"#/components/schemas/{name}"}) == []


def check_request(request: Request) -> None:
    """Fail unless the document has this operation with this query and this body and no more."""
    operation = DOCUMENT["paths"][request.path][request.method.lower()]
    parameters = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
    assert request.query.keys() == parameters.keys()
    if "requestBody" not in operation:
        assert request.body is None
        return
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = DOCUMENT["components"]["schemas"][reference.split("/")[-1]]
    # The document calls the API key a string; the vendor's examples send a number, which is what works.
    body = request.body | ({"cid": str(request.body["cid"])} if "cid" in request.body else {})
    assert schema_errors(body, {**schema, "additionalProperties": False}) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda broker: broker.accounts(timeout_s=1),
        lambda broker: broker.front_contract("MES", timeout_s=1),
        lambda broker: broker.contract_by_name("MESZ6", timeout_s=1),
        lambda broker: broker.contract_by_id(3001, timeout_s=1),
        lambda broker: broker.positions(ACCOUNT_ID, timeout_s=1),
        lambda broker: broker.submit(market_order(client_order_id="x" * 64), timeout_s=1),
        lambda broker: broker.submit(market_order(side=Side.SELL), timeout_s=1),
        lambda broker: broker.fills(ORDER_ID, timeout_s=1),
        lambda broker: broker.order_report(ORDER_ID, timeout_s=1),
        lambda broker: broker.find_order(ACCOUNT_ID, "td-0001", timeout_s=1),
        lambda broker: broker.find_order(ACCOUNT_ID, "nowhere", timeout_s=1),
        lambda broker: broker.working_orders(ACCOUNT_ID, timeout_s=1),
        lambda broker: broker.named_orders(ACCOUNT_ID, timeout_s=1),
        lambda broker: broker.cancel(ORDER_ID, timeout_s=1),
    ],
)
def test_every_request_fits_the_official_document(
    script: Script, call: Callable[[TradovateBroker], object]
) -> None:
    script.on("/order/item", order(ordStatus="Rejected"))
    broker = connect(script)

    call(broker)
    script.clock.advance(timedelta(minutes=70))
    broker.accounts(timeout_s=1)

    assert RENEW in script.paths()
    for request in script.requests:
        check_request(request)


def test_client_is_a_broker(script: Script) -> None:
    broker: Broker = connect(script)

    calls = {name for name in dir(Broker) if not name.startswith("_")}
    assert calls <= set(dir(broker))


# Orders.


def test_order_names_account_twice_and_carries_our_id_twice(script: Script) -> None:
    order_id = connect(script).submit(market_order(side=Side.SELL, quantity=3), timeout_s=1)

    assert order_id == ORDER_ID
    assert script.sent(PLACE)[0].body == {
        "accountId": ACCOUNT_ID,
        "accountSpec": "DEMO-1",
        "action": "Sell",
        "symbol": "MESZ6",
        "orderQty": 3,
        "orderType": "Market",
        "timeInForce": "Day",
        "isAutomated": True,
        "clOrdId": "td-0001",
        "text": "td-0001",
    }


@pytest.mark.parametrize(
    ("paper", "price", "header"),
    [(True, Decimal("6842.25"), "6842.25"), (True, None, None), (False, Decimal("6842.25"), None)],
)
def test_only_the_paper_broker_hears_of_a_price(
    script: Script, paper: bool, price: Decimal | None, header: str | None
) -> None:
    connect(script, paper=paper).submit(market_order(reference_price=price), timeout_s=1)

    assert script.sent(PLACE)[0].headers.get("x-paper-price") == header


def test_cancel_names_the_order_and_the_machine(script: Script) -> None:
    connect(script).cancel(ORDER_ID, timeout_s=1)

    assert script.sent(CANCEL)[0].body == {"orderId": ORDER_ID, "isAutomated": True}


@pytest.mark.parametrize(
    "reply", [{"failureReason": "TooLate"}, httpx.Response(401, text="Access is denied"), httpx.Response(404)]
)
def test_cancel_of_a_dead_order_is_refused(script: Script, reply: object) -> None:
    with pytest.raises(BrokerRefused):
        broker_says(script, CANCEL, reply).cancel(ORDER_ID, timeout_s=1)


def test_cancel_without_a_reply_is_repeated(script: Script) -> None:
    script.on(CANCEL, httpx.ReadTimeout("slow"), {"commandId": 9})

    connect(script).cancel(ORDER_ID, timeout_s=1)

    first, second = script.sent(CANCEL)
    assert first.body == second.body


# What became of an order.


def test_filled_order_reports_its_fills_oldest_first(script: Script) -> None:
    later = fill(id=49, timestamp="2026-11-23T15:00:01.000Z", price=6842)
    broker = broker_says(script, "/fill/deps", [later, fill()])

    report_ = broker.order_report(ORDER_ID, timeout_s=1)

    first = BrokerFill(50, ORDER_ID, 3001, Side.BUY, 1, Decimal("6842.25"), MOMENT)
    second = BrokerFill(
        49, ORDER_ID, 3001, Side.BUY, 1, Decimal("6842"), datetime(2026, 11, 23, 15, 0, 1, tzinfo=UTC)
    )
    assert report_ == OrderReport(ORDER_ID, BrokerOrderStatus.FILLED, (first, second))
    assert broker.fills(ORDER_ID, timeout_s=1) == (first, second)


def test_partly_filled_order_is_still_working(script: Script) -> None:
    report_ = broker_says(script, "/order/item", order(ordStatus="Working")).order_report(
        ORDER_ID, timeout_s=1
    )

    assert report_.status is BrokerOrderStatus.WORKING
    assert report_.filled_quantity == 1


def test_fill_taken_back_by_the_exchange_does_not_count(script: Script) -> None:
    broker = broker_says(script, "/fill/deps", [fill(active=False)])

    assert broker.fills(ORDER_ID, timeout_s=1) == ()


def test_rejected_order_reports_the_last_reason(script: Script) -> None:
    script.on("/order/item", order(ordStatus="Rejected")).on("/fill/deps", [])
    nameless = report(id=72)
    del nameless["rejectReason"], nameless["text"]
    script.on(
        "/commandReport/deps",
        [report(), report(id=71, rejectReason="Success", text="Insufficient margin"), nameless],
    )

    report_ = connect(script).order_report(ORDER_ID, timeout_s=1)

    assert report_ == OrderReport(ORDER_ID, BrokerOrderStatus.REJECTED, (), "Insufficient margin")
    assert script.sent("/commandReport/deps")[0].query == {"masterid": str(ORDER_ID)}


def test_rejected_order_joins_reason_code_and_text(script: Script) -> None:
    broker = broker_says(script, "/order/item", order(ordStatus="Rejected"))

    assert broker.order_report(ORDER_ID, timeout_s=1).reject_reason == "MaxPosLimitReached: Too many"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PendingNew", BrokerOrderStatus.WORKING),
        ("Working", BrokerOrderStatus.WORKING),
        ("Suspended", BrokerOrderStatus.WORKING),
        ("PendingReplace", BrokerOrderStatus.WORKING),
        ("PendingCancel", BrokerOrderStatus.WORKING),
        ("Filled", BrokerOrderStatus.FILLED),
        ("Canceled", BrokerOrderStatus.CANCELLED),
        ("Expired", BrokerOrderStatus.CANCELLED),
        ("Rejected", BrokerOrderStatus.REJECTED),
        ("Completed", BrokerOrderStatus.UNKNOWN),
        ("Unknown", BrokerOrderStatus.UNKNOWN),
        ("AWordOf2027", BrokerOrderStatus.UNKNOWN),
    ],
)
def test_each_status_word_has_its_meaning(script: Script, word: str, status: BrokerOrderStatus) -> None:
    broker = broker_says(script, "/order/item", order(ordStatus=word))

    assert broker.order_report(ORDER_ID, timeout_s=1).status is status


def test_order_is_found_by_the_id_of_its_command(script: Script) -> None:
    assert connect(script).find_order(ACCOUNT_ID, "td-0001", timeout_s=1) == ORDER_ID
    assert "/orderVersion/list" not in script.paths()


def test_order_is_found_by_the_text_of_its_version(script: Script) -> None:
    broker = broker_says(script, "/command/list", [command(orderId=1, clOrdId=None)])

    assert broker.find_order(ACCOUNT_ID, "td-0001", timeout_s=1) == ORDER_ID


def test_order_of_another_account_is_not_ours(script: Script) -> None:
    broker = broker_says(script, "/order/item", order(accountId=2))

    assert broker.find_order(ACCOUNT_ID, "td-0001", timeout_s=1) is None


def test_order_that_no_list_shows_is_not_found(script: Script) -> None:
    assert connect(script).find_order(ACCOUNT_ID, "td-9999", timeout_s=1) is None


def test_lookup_that_fails_is_not_an_order_that_is_absent(script: Script) -> None:
    with pytest.raises(BrokerOutcomeUnknown):
        broker_says(script, "/orderVersion/list", httpx.Response(500)).find_order(
            ACCOUNT_ID, "td-9999", timeout_s=1
        )


def test_working_orders_are_those_not_known_to_be_over(script: Script) -> None:
    over = [
        order(id=id_, ordStatus=word)
        for id_, word in enumerate(["Filled", "Canceled", "Rejected", "Expired", "Completed"])
    ]
    spread = order(id=12, ordStatus="AWordOf2027", action="Sell")
    del spread["contractId"]
    alive = [order(id=11, ordStatus="Suspended"), spread, order(id=13, ordStatus="Working", accountId=2)]

    found = broker_says(script, "/order/deps", over + alive).working_orders(ACCOUNT_ID, timeout_s=1)

    assert found == [
        WorkingOrder(11, 3001, Side.BUY, BrokerOrderStatus.WORKING),
        WorkingOrder(12, None, Side.SELL, BrokerOrderStatus.UNKNOWN),
    ]


def test_named_orders_are_those_of_the_account_whose_making_command_has_our_id(script: Script) -> None:
    script.on("/order/deps", [order(), order(id=11), order(id=12), order(id=13, accountId=2)])
    script.on(
        "/command/list",
        [
            command(id=ORDER_ID, orderId=ORDER_ID, clOrdId="td-0001"),
            command(id=99, orderId=11, clOrdId="td-change"),
            command(id=12, orderId=12, clOrdId=None),
            command(id=13, orderId=13, clOrdId="td-elsewhere"),
        ],
    )

    (found,) = connect(script).named_orders(ACCOUNT_ID, timeout_s=1)

    assert (found.id, found.client_order_id) == (ORDER_ID, "td-0001")
    assert found.placed_at.tzinfo is not None


# Accounts and positions.


def test_accounts_are_active_unless_told_otherwise(script: Script) -> None:
    without = account(id=3, name="NEW")
    del without["active"]
    broker = broker_says(
        script, "/account/list", [account(), account(id=2, name="OLD", active=False), without]
    )

    assert broker.accounts(timeout_s=1) == [
        BrokerAccount(ACCOUNT_ID, "DEMO-1", True),
        BrokerAccount(2, "OLD", False),
        BrokerAccount(3, "NEW", True),
    ]


def test_positions_are_signed_and_of_this_account_only(script: Script) -> None:
    flat = position(contractId=3003, netPos=0)
    del flat["netPrice"]
    carried = position(contractId=3002, netPos=-1, prevPrice=6800.5)
    del carried["netPrice"]
    rows = [position(), carried, flat, position(accountId=2)]

    assert broker_says(script, "/position/deps", rows).positions(ACCOUNT_ID, timeout_s=1) == [
        BrokerPosition(ACCOUNT_ID, 3001, 2, Decimal("6842.25")),
        BrokerPosition(ACCOUNT_ID, 3002, -1, Decimal("6800.5")),
        BrokerPosition(ACCOUNT_ID, 3003, 0, None),
    ]
    assert script.sent("/position/deps")[0].query == {"masterid": str(ACCOUNT_ID)}


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([position(netPos="2")], "netPos"),
        ([position(netPos=1.5)], "netPos"),
        ([position(netPos=True)], "netPos"),
        ([position(netPrice="6842")], "netPrice"),
        ([{"id": 1}], "accountId"),
        (["row"], "not an object"),
        (position(), "not a list"),
        (httpx.Response(200, text="null"), "not a list"),
    ],
)
def test_position_that_cannot_be_read_is_no_flat_position(script: Script, rows: object, field: str) -> None:
    with pytest.raises(BrokerOutcomeUnknown, match=field):
        broker_says(script, "/position/deps", rows).positions(ACCOUNT_ID, timeout_s=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-11-23T15:00:00"}, "timestamp"),
        ({"action": "Short"}, "action"),
        ({"price": None}, "price"),
        ({"active": 1}, "active"),
        ({"qty": 1.0}, "qty"),
    ],
)
def test_fill_that_cannot_be_read_names_the_field(script: Script, change: Row, field: str) -> None:
    with pytest.raises(BrokerOutcomeUnknown, match=field):
        broker_says(script, "/fill/deps", [fill(**change)]).fills(ORDER_ID, timeout_s=1)


def test_price_has_no_noise_of_binary_fractions(script: Script) -> None:
    broker = broker_says(script, "/fill/deps", httpx.Response(200, text=json.dumps([fill(price=0.1)])))

    assert broker.fills(ORDER_ID, timeout_s=1)[0].price == Decimal("0.1")


# Contracts.


def test_front_contract_is_the_one_the_broker_calls_front(script: Script) -> None:
    assert connect(script).front_contract("MES", timeout_s=1) == MES
    assert [request.query for request in script.requests[1:]] == [
        {"name": "MES"},
        {"masterid": "800"},
        {"masterid": "900"},
    ]


def test_front_contract_is_believed_for_ten_minutes(script: Script) -> None:
    broker = connect(script)
    broker.front_contract("MES", timeout_s=1)
    script.on("/contractMaturity/deps", [maturity(id=901, expirationDate="2027-03-19T14:30:00.000Z")])
    script.on("/contract/deps", [contract(id=3002, name="MESH7", contractMaturityId=901)])

    script.clock.advance(FRONT_MONTH_LASTS - timedelta(seconds=1))
    before = broker.front_contract("MES", timeout_s=1)
    script.clock.advance(timedelta(seconds=1))
    after = broker.front_contract("MES", timeout_s=1)

    assert (before.name, after.name) == ("MESZ6", "MESH7")
    assert len(script.sent("/product/find")) == 1


@pytest.mark.parametrize(
    ("path", "rows"),
    [("/contractMaturity/deps", [maturity(isFront=False)]), ("/contract/deps", [])],
)
def test_root_without_a_front_month_is_refused(script: Script, path: str, rows: object) -> None:
    with pytest.raises(BrokerRefused, match="MES"):
        broker_says(script, path, rows).front_contract("MES", timeout_s=1)


def test_contract_is_read_once_by_name_and_id(script: Script) -> None:
    broker = connect(script)

    assert broker.contract_by_name("MESZ6", timeout_s=1) == MES
    assert broker.contract_by_id(3001, timeout_s=1) == MES
    assert len(script.requests) == 4


def test_contract_has_the_day_of_its_first_notice(script: Script) -> None:
    script.on("/contract/item", contract())
    script.on("/contractMaturity/item", maturity(firstIntentDate="2026-11-30T06:00:00.000Z"))
    script.on("/product/item", product())

    found = connect(script).contract_by_id(3001, timeout_s=1)

    assert (found.first_notice_on, found.expires_on) == (date(2026, 11, 30), date(2026, 12, 18))


def test_contract_learns_that_it_is_front_no_more(script: Script) -> None:
    broker = connect(script)
    broker.contract_by_id(3001, timeout_s=1)
    script.on("/contractMaturity/item", maturity(isFront=False))
    script.clock.advance(FRONT_MONTH_LASTS)

    assert not broker.contract_by_id(3001, timeout_s=1).is_front
    assert len(script.sent("/contract/item")) == 1
    assert len(script.sent("/product/item")) == 1


def test_unknown_contract_is_refused(script: Script) -> None:
    with pytest.raises(BrokerRefused, match="404"):
        broker_says(script, "/contract/find", httpx.Response(404)).contract_by_name("XX Z6", timeout_s=1)

    assert script.sent("/contract/find")[0].query == {"name": "XX Z6"}


def test_join_of_several_reads_shares_one_time_out(script: Script) -> None:
    clock: Clock = script.clock

    def slow(request: Request) -> Row:
        clock.advance(timedelta(seconds=0.8))
        return contract() if "contract/" in request.path else maturity()

    script.on("/contract/find", slow).on("/contractMaturity/item", slow)

    with pytest.raises(BrokerNotReached, match="no time left"):
        connect(script).contract_by_name("MESZ6", timeout_s=1.5)

    assert not script.sent("/product/item")
