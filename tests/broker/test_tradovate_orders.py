"""Orders of every kind: what goes out, what the replies mean, and how orders are read back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from broker.base import BrokerNotReached, BrokerOrderStatus, BrokerOutcomeUnknown, BrokerRefused, Side
from broker.orders import CommandOutcome, CommandState, Leg, PlacedBracket
from broker.terms import OrderType, Terms, TimeInForce
from broker.tradovate.reads import IDS_PER_READ
from tests.broker.shapes import (
    ORDER_ID,
    Row,
    command,
    fill,
    order,
    position,
    report,
    seen,
    version,
)
from tests.broker.wire import ACCOUNT_ID, PLACE, Request, Script, connect, market_order

PLACE_OSO, PLACE_OCO = "/order/placeoso", "/order/placeoco"
MODIFY, LIQUIDATE = "/order/modifyorder", "/order/liquidateposition"
TARGET = Leg(Side.SELL, Terms(OrderType.LIMIT, price=Decimal("6850.25")), "td-0001-t")
STOP = Leg(
    Side.SELL,
    Terms(OrderType.STOP, stop_price=Decimal("6800.50"), time_in_force=TimeInForce.GTC),
    "td-0001-s",
)
TARGET_BODY = {
    "action": "Sell",
    "orderType": "Limit",
    "price": 6850.25,
    "timeInForce": "Day",
    "clOrdId": "td-0001-t",
    "text": "td-0001-t",
}
STOP_BODY = {
    "action": "Sell",
    "orderType": "Stop",
    "stopPrice": 6800.5,
    "timeInForce": "GTC",
    "clOrdId": "td-0001-s",
    "text": "td-0001-s",
}
MARKET_BODY = {
    "accountId": ACCOUNT_ID,
    "accountSpec": "DEMO-1",
    "action": "Buy",
    "symbol": "MESZ6",
    "orderQty": 2,
    "orderType": "Market",
    "timeInForce": "Day",
    "isAutomated": True,
    "clOrdId": "td-0001",
    "text": "td-0001",
}


@pytest.fixture
def script() -> Script:
    return Script()


# What terms look like on the wire.


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        (Terms(), {"orderType": "Market", "timeInForce": "Day"}),
        (
            Terms(OrderType.LIMIT, price=Decimal("6842.250"), time_in_force=TimeInForce.IOC),
            {"orderType": "Limit", "price": 6842.25, "timeInForce": "IOC"},
        ),
        (
            Terms(OrderType.STOP, stop_price=Decimal("6842"), time_in_force=TimeInForce.FOK),
            {"orderType": "Stop", "stopPrice": 6842, "timeInForce": "FOK"},
        ),
        (
            Terms(OrderType.STOP_LIMIT, price=Decimal("-0.1"), stop_price=Decimal("0.3")),
            {"orderType": "StopLimit", "price": -0.1, "stopPrice": 0.3, "timeInForce": "Day"},
        ),
        (
            Terms(OrderType.TRAILING_STOP, stop_price=Decimal("6842.25"), trail=Decimal("-2.5")),
            {
                "orderType": "TrailingStop",
                "stopPrice": 6842.25,
                "pegDifference": -2.5,
                "timeInForce": "Day",
            },
        ),
        (
            Terms(
                time_in_force=TimeInForce.GTD, expires_at=datetime(2026, 11, 24, 21, 0, 0, 500, tzinfo=UTC)
            ),
            {"orderType": "Market", "timeInForce": "GTD", "expireTime": "2026-11-24T21:00:00.000Z"},
        ),
    ],
)
def test_terms_fill_the_fields_that_belong_to_them(
    script: Script, terms: Terms, fields: dict[str, object]
) -> None:
    script.on(PLACE, {"orderId": ORDER_ID})

    connect(script).submit(market_order(terms=terms), timeout_s=1)

    rest = {name: value for name, value in MARKET_BODY.items() if name not in {"orderType", "timeInForce"}}
    assert script.sent(PLACE)[0].body == rest | fields


@pytest.mark.parametrize("price", ["6842.25", "0.1", "0.0005", "110.015625", "99999.99", "-37.63", "1E+3"])
def test_price_goes_out_with_just_its_digits(script: Script, price: str) -> None:
    script.on(PLACE, {"orderId": ORDER_ID})
    terms = Terms(OrderType.LIMIT, price=Decimal(price))

    connect(script).submit(market_order(terms=terms), timeout_s=1)

    digits = "1000" if price == "1E+3" else price
    assert f'"price":{digits},'.encode() in script.sent(PLACE)[0].content


def test_price_that_no_wire_number_holds_is_not_sent(script: Script) -> None:
    terms = Terms(OrderType.LIMIT, price=Decimal("0.12345678901234567891"))

    with pytest.raises(ValueError, match="more digits"):
        connect(script).submit(market_order(terms=terms), timeout_s=1)

    assert script.requests == []


# Orders with legs.


def test_bracket_goes_out_as_one_order_with_two_legs(script: Script) -> None:
    script.on(PLACE_OSO, {"orderId": ORDER_ID, "oso1Id": ORDER_ID + 1, "oso2Id": ORDER_ID + 2})

    placed = connect(script).submit_bracket(market_order(), [TARGET, STOP], timeout_s=1)

    assert placed == PlacedBracket(ORDER_ID, (ORDER_ID + 1, ORDER_ID + 2))
    assert script.sent(PLACE_OSO)[0].body == MARKET_BODY | {"bracket1": TARGET_BODY, "bracket2": STOP_BODY}
    assert "/command/list" not in script.paths()


def test_bracket_of_one_leg_has_one_id(script: Script) -> None:
    script.on(PLACE_OSO, {"orderId": ORDER_ID, "oso1Id": ORDER_ID + 1})

    placed = connect(script).submit_bracket(market_order(), [STOP], timeout_s=1)

    assert placed == PlacedBracket(ORDER_ID, (ORDER_ID + 1,))
    assert script.sent(PLACE_OSO)[0].body == MARKET_BODY | {"bracket1": STOP_BODY}


@pytest.mark.parametrize("legs", [[], [TARGET, STOP, STOP]])
def test_bracket_has_one_leg_or_two(script: Script, legs: list[Leg]) -> None:
    with pytest.raises(ValueError, match="one leg or two"):
        connect(script).submit_bracket(market_order(), legs, timeout_s=1)

    assert script.requests == []


def test_legs_without_ids_are_found_by_our_own(script: Script) -> None:
    script.on(PLACE_OSO, {"orderId": ORDER_ID, "oso1Id": ORDER_ID + 1})
    script.on(
        "/command/list",
        [
            command(),
            command(id=9, orderId=9, clOrdId="td-0001-s"),
            command(id=8, orderId=8, clOrdId="td-0001-t"),
            command(id=12, orderId=9, clOrdId="td-0001-t", commandType="Modify"),
        ],
    )

    placed = connect(script).submit_bracket(market_order(), [TARGET, STOP], timeout_s=1)

    assert placed == PlacedBracket(ORDER_ID, (8, 9))


def test_legs_that_carry_no_id_of_ours_are_found_by_their_entry(script: Script) -> None:
    script.on(PLACE_OSO, {"orderId": ORDER_ID}).on("/command/list", [command()])
    script.on(
        "/order/deps",
        [order(), order(id=ORDER_ID + 2, parentId=ORDER_ID), order(id=ORDER_ID + 1, parentId=ORDER_ID)],
    )

    placed = connect(script).submit_bracket(market_order(), [TARGET, STOP], timeout_s=1)

    assert placed == PlacedBracket(ORDER_ID, (ORDER_ID + 1, ORDER_ID + 2))


@pytest.mark.parametrize(
    ("commands", "orders"),
    [
        ([], []),
        ([command(clOrdId="td-0001-t")], [order(parentId=ORDER_ID)]),
        (httpx.Response(500), []),
        ([], httpx.ReadTimeout("slow")),
        (httpx.Response(429), []),
        ("not rows", []),
    ],
)
def test_legs_that_cannot_be_found_do_not_hide_a_placed_entry(
    script: Script, commands: object, orders: object
) -> None:
    script.on(PLACE_OSO, {"orderId": ORDER_ID}).on("/command/list", commands).on("/order/deps", orders)

    placed = connect(script).submit_bracket(market_order(), [TARGET, STOP], timeout_s=1)

    assert placed == PlacedBracket(ORDER_ID, ())
    assert len(script.sent(PLACE_OSO)) == 1


def test_legs_are_not_looked_for_once_the_time_is_up(script: Script) -> None:
    def slowly(_: Request) -> Row:
        script.clock.advance(timedelta(seconds=1))
        return {"orderId": ORDER_ID}

    script.on(PLACE_OSO, slowly)

    placed = connect(script).submit_bracket(market_order(), [TARGET], timeout_s=1)

    assert (placed, script.paths()[-1]) == (PlacedBracket(ORDER_ID, ()), PLACE_OSO)


def test_pair_goes_out_as_one_order_and_its_other(script: Script) -> None:
    script.on(PLACE_OCO, {"orderId": ORDER_ID, "ocoId": ORDER_ID + 1})

    placed = connect(script).submit_pair(market_order(), STOP, timeout_s=1)

    assert placed == (ORDER_ID, ORDER_ID + 1)
    assert script.sent(PLACE_OCO)[0].body == MARKET_BODY | {"other": STOP_BODY}


def test_pair_without_its_second_id_may_be_placed(script: Script) -> None:
    script.on(PLACE_OCO, {"orderId": ORDER_ID})

    with pytest.raises(BrokerOutcomeUnknown, match="ocoId"):
        connect(script).submit_pair(market_order(), STOP, timeout_s=1)


@pytest.mark.parametrize("path", [PLACE_OSO, PLACE_OCO])
def test_paper_broker_hears_of_the_price_of_every_entry(script: Script, path: str) -> None:
    script.on(PLACE_OSO, {"orderId": 1, "oso1Id": 2}).on(PLACE_OCO, {"orderId": 1, "ocoId": 2})
    broker = connect(script, paper=True)

    broker.submit_bracket(market_order(), [STOP], timeout_s=1)
    broker.submit_pair(market_order(), STOP, timeout_s=1)

    assert script.sent(path)[0].headers["x-paper-price"] == "6842.25"


# Changing and ending orders.


def test_modification_replaces_everything(script: Script) -> None:
    script.on(MODIFY, {"commandId": 71})

    command_id = connect(script).modify(ORDER_ID, 3, STOP.terms, "td-0002", timeout_s=1)

    assert command_id == 71
    assert script.sent(MODIFY)[0].body == {
        "orderId": ORDER_ID,
        "orderQty": 3,
        "orderType": "Stop",
        "stopPrice": 6800.5,
        "timeInForce": "GTC",
        "isAutomated": True,
        "clOrdId": "td-0002",
        "text": "td-0002",
    }


def test_cancel_returns_the_id_of_its_command(script: Script) -> None:
    script.on("/order/cancelorder", {"commandId": 71})

    assert connect(script).cancel(ORDER_ID, timeout_s=1) == 71


@pytest.mark.parametrize(
    "reply",
    [
        {"failureReason": "TooLate", "failureText": "the order is over"},
        {"failureReason": "AnotherCommandPending"},
        httpx.Response(401, text="Access is denied"),
        httpx.Response(404),
    ],
)
def test_modification_of_a_dead_order_is_refused(script: Script, reply: object) -> None:
    script.on(MODIFY, reply)

    with pytest.raises(BrokerRefused):
        connect(script).modify(ORDER_ID, 3, STOP.terms, "td-0002", timeout_s=1)


Call = Callable[[Any], object]
COMMANDS: dict[str, tuple[str, Call]] = {
    "submit_bracket": (PLACE_OSO, lambda broker: broker.submit_bracket(market_order(), [STOP], timeout_s=1)),
    "submit_pair": (PLACE_OCO, lambda broker: broker.submit_pair(market_order(), STOP, timeout_s=1)),
    "modify": (MODIFY, lambda broker: broker.modify(ORDER_ID, 3, STOP.terms, "td-0002", timeout_s=1)),
    "liquidate": (LIQUIDATE, lambda broker: broker.liquidate(ACCOUNT_ID, 3001, timeout_s=1)),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_without_a_reply_goes_out_once(script: Script, name: str) -> None:
    path, call = COMMANDS[name]
    script.on(path, httpx.ReadTimeout("slow")).on("/position/deps", [position()])

    with pytest.raises(BrokerOutcomeUnknown):
        call(connect(script))

    assert len(script.sent(path)) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_refused_command_says_why(script: Script, name: str) -> None:
    path, call = COMMANDS[name]
    reply = {"failureReason": "InvalidPrice", "failureText": "Wrong OCO combination"}
    script.on(path, reply).on("/position/deps", [position()])

    with pytest.raises(BrokerRefused, match="InvalidPrice: Wrong OCO combination"):
        call(connect(script))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("reply", [{}, [], {"orderId": "1", "commandId": "1"}])
def test_success_without_an_id_is_an_unknown_outcome(script: Script, name: str, reply: object) -> None:
    path, call = COMMANDS[name]
    script.on(path, reply).on("/position/deps", [position()])

    with pytest.raises(BrokerOutcomeUnknown, match="unreadable"):
        call(connect(script))


def test_outcome_of_a_command_is_read_from_it_and_its_reports(script: Script) -> None:
    script.on("/command/item", seen(command(id=71, commandType="Modify", commandStatus="Pending")))
    script.on("/commandReport/deps", [seen(report(commandId=71))])

    outcome = connect(script).command_outcome(71, timeout_s=1)

    assert outcome == CommandOutcome(CommandState.REJECTED, "MaxPosLimitReached: Too many")
    assert [request.query for request in script.requests[1:]] == [{"id": "71"}, {"masterid": "71"}]


def test_liquidation_names_contract_and_account(script: Script) -> None:
    script.on("/position/deps", [position()]).on(LIQUIDATE, {"orderId": ORDER_ID})

    assert connect(script).liquidate(ACCOUNT_ID, 3001, timeout_s=1) == ORDER_ID
    assert script.sent(LIQUIDATE)[0].body == {
        "accountId": ACCOUNT_ID,
        "contractId": 3001,
        "admin": False,
        "isAutomated": True,
    }


@pytest.mark.parametrize(
    "rows",
    [[], [position(netPos=0)], [position(contractId=3002)], [position(accountId=2)]],
)
def test_flat_position_is_not_liquidated(script: Script, rows: list[Row]) -> None:
    script.on("/position/deps", rows)

    with pytest.raises(BrokerRefused, match="flat"):
        connect(script).liquidate(ACCOUNT_ID, 3001, timeout_s=1)

    assert script.sent(LIQUIDATE) == []


def test_several_positions_are_liquidated_by_their_own_ids(script: Script) -> None:
    script.on("/order/liquidatepositions", {"ok": True})

    connect(script).liquidate_positions([1, 2], timeout_s=1)

    assert script.requests[-1].body == {"positions": [1, 2], "admin": False}


def test_liquidation_that_the_broker_answers_with_not_ok_is_refused(script: Script) -> None:
    script.on("/order/liquidatepositions", {"ok": False, "errorText": "no such position"})

    with pytest.raises(BrokerRefused, match="no such position"):
        connect(script).liquidate_positions([1], timeout_s=1)


# Orders as the broker has them.


def dependants(*rows: Row, of: str) -> Callable[[Request], list[Row]]:
    """Return an answer with the rows whose masters are asked for."""

    def answer(request: Request) -> list[Row]:
        masters = {int(master) for master in request.query["masterids"].split(",")}
        return [seen(row) for row in rows if row[of] in masters]

    return answer


@pytest.fixture
def book(script: Script) -> Script:
    """Return a broker with a working limit order and one that was rejected."""
    bad = ORDER_ID + 1
    orders = [order(ordStatus="Working"), order(id=bad, ordStatus="Rejected")]
    versions = [
        version(orderType="Limit", price=6842.25),
        version(id=bad, orderId=bad, orderQty=5, text="td-0002"),
    ]
    commands = [command(), command(id=bad, orderId=bad, clOrdId="td-0002", commandStatus="RiskRejected")]
    by_id = {str(row["id"]): row for row in orders}
    return (
        script.on("/order/item", lambda request: seen(by_id[request.query["id"]]))
        .on("/order/deps", [*map(seen, orders), order(id=5, accountId=2)])
        .on("/orderVersion/ldeps", dependants(*versions, of="orderId"))
        .on("/command/ldeps", dependants(*commands, of="orderId"))
        .on("/fill/ldeps", dependants(fill(), of="orderId"))
        .on("/commandReport/ldeps", dependants(report(commandId=bad), report(id=71), of="commandId"))
    )


def test_order_is_read_with_all_that_belongs_to_it(book: Script) -> None:
    found = connect(book).order(ORDER_ID, timeout_s=1)

    assert (found.id, found.status, found.quantity) == (ORDER_ID, BrokerOrderStatus.WORKING, 2)
    assert found.terms == Terms(OrderType.LIMIT, price=Decimal("6842.25"))
    assert (found.filled_quantity, found.average_price) == (1, Decimal("6842.25"))
    assert "/commandReport/ldeps" not in book.paths()


def test_rejected_order_is_read_with_its_reason(book: Script) -> None:
    found = connect(book).order(ORDER_ID + 1, timeout_s=1)

    assert (found.status, found.client_order_id) == (BrokerOrderStatus.REJECTED, "td-0002")
    assert found.reject_reason == "MaxPosLimitReached: Too many"
    assert book.sent("/commandReport/ldeps")[0].query == {"masterids": str(ORDER_ID + 1)}


def test_all_orders_of_an_account_take_five_requests(book: Script) -> None:
    broker = connect(book)

    found = broker.orders(ACCOUNT_ID, timeout_s=1)

    assert found == [broker.order(ORDER_ID, timeout_s=1), broker.order(ORDER_ID + 1, timeout_s=1)]
    assert book.paths()[1:6] == [
        "/order/deps",
        "/command/ldeps",
        "/orderVersion/ldeps",
        "/commandReport/ldeps",
        "/fill/ldeps",
    ]
    assert book.sent("/fill/ldeps")[0].query == {"masterids": f"{ORDER_ID},{ORDER_ID + 1}"}


def test_fills_of_an_account_take_two_requests(book: Script) -> None:
    broker = connect(book)
    orders = broker.orders(ACCOUNT_ID, timeout_s=1)
    asked = len(book.paths())

    found = broker.account_fills(ACCOUNT_ID, timeout_s=1)

    assert [row.id for row in found] == [50]
    assert found == orders[0].fills
    assert book.paths()[asked:] == ["/order/deps", "/fill/ldeps"]


def test_account_without_orders_takes_one_request(script: Script) -> None:
    script.on("/order/deps", [])

    assert connect(script).orders(ACCOUNT_ID, timeout_s=1) == []
    assert script.paths()[1:] == ["/order/deps"]


def test_ids_of_many_orders_are_spread_over_addresses_of_bearable_length(script: Script) -> None:
    ids = [ORDER_ID + place for place in range(2 * IDS_PER_READ + 1)]
    script.on("/order/deps", [order(id=id_) for id_ in ids])
    script.on("/fill/ldeps", dependants(*[fill(id=id_, orderId=id_) for id_ in ids], of="orderId"))
    script.on("/command/ldeps", []).on("/orderVersion/ldeps", [])

    found = connect(script).orders(ACCOUNT_ID, timeout_s=1)

    assert [row.id for row in found] == ids
    assert all(row.filled_quantity == 1 for row in found)
    asked = [request.query["masterids"] for request in script.sent("/fill/ldeps")]
    assert len(asked) == 3
    assert max(map(len, asked)) < 8000


def test_order_that_the_broker_does_not_know_is_refused(script: Script) -> None:
    script.on("/order/item", httpx.Response(404))

    with pytest.raises(BrokerRefused, match="404"):
        connect(script).order(1, timeout_s=1)


def test_half_of_an_order_is_no_order(book: Script) -> None:
    book.on("/fill/ldeps", httpx.ConnectError("refused"))

    with pytest.raises(BrokerNotReached):
        connect(book).order(ORDER_ID, timeout_s=1)


def test_execution_reports_are_those_of_the_orders_commands(script: Script) -> None:
    row = {
        "id": 90,
        "commandId": ORDER_ID,
        "name": "90",
        "accountId": ACCOUNT_ID,
        "contractId": 3001,
        "timestamp": "2026-11-23T15:00:00.250Z",
        "orderId": ORDER_ID,
        "execType": "Trade",
        "action": "Buy",
    }
    script.on("/command/ldeps", [command()]).on("/executionReport/ldeps", [seen(row)])

    (found,) = connect(script).execution_reports(ORDER_ID, timeout_s=1)

    assert (found.id, found.exec_type, found.last_px) == (90, "Trade", None)


def test_fees_of_fills_are_read_together(script: Script) -> None:
    script.on("/fillFee/ldeps", [seen({"id": 50, "commission": 0.35, "exchangeFee": 0.2})])

    (fee,) = connect(script).fill_fees([50, 51], timeout_s=1)

    assert (fee.id, fee.commission, fee.exchange_fee, fee.ip_fee) == (
        50,
        Decimal("0.35"),
        Decimal("0.2"),
        None,
    )
    assert script.requests[-1].query == {"masterids": "50,51"}


def test_cost_of_a_fill_is_left_out_until_it_is_told(script: Script) -> None:
    script.on("/fillFee/ldeps", [{"id": 50, "commission": 0.35, "nfaFee": 0.02}, {"id": 51}])

    assert connect(script).fill_costs([50, 51, 52], timeout_s=1) == {50: Decimal("0.37")}


def test_pairs_of_a_position_have_both_prices(script: Script) -> None:
    row = {"id": 60, "positionId": 1, "buyFillId": 50, "sellFillId": 51, "qty": 1, "active": True}
    script.on("/fillPair/deps", [seen(row | {"buyPrice": 6842.25, "sellPrice": 6843})])

    (pair,) = connect(script).fill_pairs(1, timeout_s=1)

    assert (pair.sell_price - pair.buy_price, pair.qty) == (Decimal("0.75"), 1)
