"""Orders joined from their rows: recorded shapes, in any order and with any repetition."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.base import BrokerFill, BrokerOrderStatus, Side
from broker.orders import BrokerOrder, CommandOutcome, CommandState
from broker.terms import OrderType, Terms, TimeInForce
from broker.tradovate import parse
from broker.tradovate.joins import command_outcome, join_orders
from broker.tradovate.rows.orders import Command, CommandReport, Fill, Order, OrderVersion
from tests.broker.shapes import ORDER_ID, Row, command, decoded, fill, order, report, version
from tests.broker.wire import ACCOUNT_ID

MOMENT = datetime(2026, 11, 23, 15, 0, 0, 250_000, UTC)
MODIFY_ID, CANCEL_ID = ORDER_ID + 10, ORDER_ID + 20
SECOND_LATER = "2026-11-23T15:00:01.250Z"


def joined(
    orders: list[Row],
    versions: list[Row] | None = None,
    commands: list[Row] | None = None,
    reports: list[Row] | None = None,
    fills: list[Row] | None = None,
) -> list[BrokerOrder]:
    return join_orders(
        parse.rows(Order, decoded(orders)),
        versions=parse.rows(OrderVersion, decoded(versions or [])),
        commands=parse.rows(Command, decoded(commands or [])),
        reports=parse.rows(CommandReport, decoded(reports or [])),
        fills=parse.rows(Fill, decoded(fills or [])),
    )


def limit(**fields: Any) -> Row:
    return version(orderType="Limit", price=6842.25, timeInForce="GTC") | fields


def modified(status: str, **fields: Any) -> Row:
    row = command(id=MODIFY_ID, commandType="Modify", commandStatus=status, clOrdId="td-0002")
    return row | {"timestamp": SECOND_LATER} | fields


def test_order_has_terms_fills_and_average_price() -> None:
    (found,) = joined(
        [order(ordStatus="Working", parentId=1, ocoId=2, linkedId=3)],
        [limit(orderQty=4)],
        [command()],
        fills=[fill(id=51, price=6842.5, qty=2), fill(id=50)],
    )

    first = BrokerFill(50, ORDER_ID, 3001, Side.BUY, 1, Decimal("6842.25"), MOMENT)
    second = BrokerFill(51, ORDER_ID, 3001, Side.BUY, 2, Decimal("6842.5"), MOMENT)
    assert found == BrokerOrder(
        id=ORDER_ID,
        account_id=ACCOUNT_ID,
        contract_id=3001,
        side=Side.BUY,
        status=BrokerOrderStatus.WORKING,
        created_at=MOMENT,
        quantity=4,
        terms=Terms(OrderType.LIMIT, price=Decimal("6842.25"), time_in_force=TimeInForce.GTC),
        client_order_id="td-0001",
        fills=(first, second),
        reject_reason="",
        parent_id=1,
        oco_id=2,
        linked_id=3,
    )
    assert (found.filled_quantity, found.average_price) == (3, Decimal("20527.25") / 3)


def test_order_of_which_nothing_else_is_known_says_so() -> None:
    (found,) = joined([order(ordStatus="PendingNew")])

    assert (found.quantity, found.terms, found.client_order_id) == (None, None, "")
    assert (found.fills, found.average_price) == ((), None)


def test_fill_taken_back_does_not_count() -> None:
    (found,) = joined([order()], fills=[fill(), fill(id=51, active=False, price=1)])

    assert (found.filled_quantity, found.average_price) == (1, Decimal("6842.25"))


@pytest.mark.parametrize("status", ["AtExecution", "OnHold", "ExecutionSuspended"])
def test_modification_that_was_taken_is_in_force(status: str) -> None:
    (found,) = joined(
        [order(ordStatus="Working")],
        [limit(), limit(id=MODIFY_ID, orderQty=3, price=6840, text="td-0002")],
        [command(), modified(status)],
    )

    assert (found.quantity, found.terms and found.terms.price) == (3, Decimal(6840))
    assert found.client_order_id == "td-0001"


@pytest.mark.parametrize(
    "status",
    ["Pending", "PendingExecution", "RiskPassed", "RiskRejected", "ExecutionRejected", "AWordOf2027"],
)
def test_old_terms_stay_while_a_modification_is_not_taken(status: str) -> None:
    (found,) = joined(
        [order(ordStatus="PendingReplace")],
        [limit(), limit(id=MODIFY_ID, price=6840)],
        [modified(status), command()],
    )

    assert found.terms == Terms(OrderType.LIMIT, price=Decimal("6842.25"), time_in_force=TimeInForce.GTC)


def test_terms_of_a_taken_modification_that_is_not_listed_are_unknown() -> None:
    (found,) = joined([order(ordStatus="Working")], [limit()], [command(), modified("AtExecution")])

    assert (found.quantity, found.terms) == (None, None)


def test_cancellation_changes_no_terms() -> None:
    cancelled = modified("AtExecution", id=CANCEL_ID, commandType="Cancel", clOrdId=None)

    (found,) = joined([order(ordStatus="Canceled")], [limit()], [command(), cancelled])

    assert (found.status, found.quantity) == (BrokerOrderStatus.CANCELLED, 2)


def test_text_of_the_first_version_names_an_order_without_its_command() -> None:
    (found,) = joined([order()], [version(), version(id=MODIFY_ID, text="td-0002")])

    assert found.client_order_id == "td-0001"


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({"orderType": "Market"}, Terms()),
        ({"orderType": "Market", "price": 1.5}, Terms()),
        ({"orderType": "Stop", "stopPrice": 6800}, Terms(OrderType.STOP, stop_price=Decimal(6800))),
        (
            {"orderType": "StopLimit", "stopPrice": 6800, "price": 6799.75},
            Terms(OrderType.STOP_LIMIT, price=Decimal("6799.75"), stop_price=Decimal(6800)),
        ),
        (
            {"orderType": "TrailingStop", "stopPrice": 6800, "pegDifference": -2.5},
            Terms(OrderType.TRAILING_STOP, stop_price=Decimal(6800), trail=Decimal("-2.5")),
        ),
        (
            {"orderType": "Market", "timeInForce": "GTD", "expireTime": SECOND_LATER},
            Terms(time_in_force=TimeInForce.GTD, expires_at=datetime.fromisoformat(SECOND_LATER)),
        ),
        ({"orderType": "Stop", "price": 6800}, None),
        ({"orderType": "Limit"}, None),
        ({"orderType": "Market", "timeInForce": "GTD"}, None),
        ({"orderType": "Market", "timeInForce": "AForceOf2027"}, None),
        ({"orderType": "MIT", "price": 6800}, None),
        ({"orderType": "AnOrderOf2027"}, None),
    ],
)
def test_terms_are_those_of_the_version_if_the_desk_has_words_for_them(
    fields: Row, terms: Terms | None
) -> None:
    (found,) = joined([order()], [version(**fields)], [command()])

    assert (found.terms, found.quantity) == (terms, 2)


def test_rejected_order_has_the_reason_of_the_command_that_made_it() -> None:
    (found,) = joined(
        [order(ordStatus="Rejected")],
        commands=[command(commandStatus="RiskRejected"), modified("RiskRejected")],
        reports=[
            report(id=72, commandId=MODIFY_ID, timestamp=SECOND_LATER, text="another command"),
            report(id=70, text="the first word"),
            report(id=71, text="the last word"),
        ],
    )

    assert found.status is BrokerOrderStatus.REJECTED
    assert found.reject_reason == "MaxPosLimitReached: the last word"


def test_order_whose_modification_was_rejected_has_no_reason() -> None:
    (found,) = joined(
        [order(ordStatus="Working")],
        commands=[command(), modified("RiskRejected")],
        reports=[report(commandId=MODIFY_ID)],
    )

    assert found.reject_reason == ""


@pytest.mark.parametrize(
    ("quantity", "status"), [(2, BrokerOrderStatus.FILLED), (3, BrokerOrderStatus.UNKNOWN)]
)
def test_completed_order_is_filled_if_its_fills_prove_it(quantity: int, status: BrokerOrderStatus) -> None:
    (found,) = joined(
        [order(ordStatus="Completed")], [version(orderQty=quantity)], [command()], fills=[fill(qty=2)]
    )

    assert found.status is status


def test_orders_come_oldest_first_each_with_its_own_rows() -> None:
    other = ORDER_ID + 1

    found = joined(
        [order(id=other, timestamp=SECOND_LATER), order()],
        [version(id=other, orderId=other, orderQty=7), version()],
        [command(id=other, orderId=other, clOrdId="td-0009"), command()],
        fills=[fill(id=51, orderId=other, qty=7), fill()],
    )

    assert [(row.id, row.client_order_id, row.quantity, row.filled_quantity) for row in found] == [
        (ORDER_ID, "td-0001", 2, 1),
        (other, "td-0009", 7, 7),
    ]


STORY: dict[str, list[Row]] = {
    "orders": [order(ordStatus="Working"), order(id=ORDER_ID + 1, ordStatus="Rejected")],
    "versions": [
        limit(orderQty=5),
        limit(id=MODIFY_ID, orderQty=3),
        version(id=ORDER_ID + 1, orderId=ORDER_ID + 1),
    ],
    "commands": [
        command(),
        modified("AtExecution"),
        modified("RiskRejected", id=MODIFY_ID + 1, timestamp="2026-11-23T15:00:02.250Z"),
        command(id=ORDER_ID + 1, orderId=ORDER_ID + 1, commandStatus="RiskRejected"),
    ],
    "reports": [
        report(id=70, commandId=ORDER_ID + 1),
        report(id=71, commandId=ORDER_ID + 1, text="last"),
        report(id=72, commandId=MODIFY_ID + 1),
    ],
    "fills": [fill(id=50), fill(id=51, price=6843), fill(id=52, active=False)],
}


@given(st.data())
def test_rows_in_any_order_and_any_number_join_to_the_same(data: st.DataObject) -> None:
    def mixed(rows: list[Row]) -> list[Row]:
        return data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=4))))

    assert joined(**{kind: mixed(rows) for kind, rows in STORY.items()}) == joined(**STORY)


@pytest.mark.parametrize(
    ("status", "reported", "outcome"),
    [
        ("Pending", [], CommandOutcome(CommandState.PENDING)),
        ("RiskPassed", ["RiskPassed"], CommandOutcome(CommandState.PENDING)),
        ("PendingExecution", [], CommandOutcome(CommandState.PENDING)),
        ("AtExecution", [], CommandOutcome(CommandState.DONE)),
        ("OnHold", [], CommandOutcome(CommandState.DONE)),
        ("ExecutionSuspended", [], CommandOutcome(CommandState.DONE)),
        ("Replaced", [], CommandOutcome(CommandState.DONE)),
        ("Pending", ["RiskPassed", "AtExecution"], CommandOutcome(CommandState.DONE)),
        ("RiskRejected", [], CommandOutcome(CommandState.REJECTED)),
        ("Pending", ["ExecutionRejected"], CommandOutcome(CommandState.REJECTED, "TooLate: over")),
        ("AtExecution", ["RiskRejected"], CommandOutcome(CommandState.REJECTED, "TooLate: over")),
        ("ExecutionStopped", [], CommandOutcome(CommandState.UNKNOWN)),
        ("AWordOf2027", ["RiskPassed"], CommandOutcome(CommandState.UNKNOWN)),
    ],
)
def test_command_and_its_reports_tell_what_became_of_it(
    status: str, reported: list[str], outcome: CommandOutcome
) -> None:
    asked = parse.row(Command, modified(status))
    reports = [
        report(id=70 + place, commandId=MODIFY_ID, commandStatus=word, rejectReason="TooLate", text="over")
        for place, word in enumerate(reported)
    ]
    foreign = report(id=60, commandStatus="RiskRejected")

    assert command_outcome(asked, parse.rows(CommandReport, [*reports, foreign])) == outcome
