"""Replies as rows: what is required, what is tolerated, and what is logged once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import UnionType
from typing import get_type_hints

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from broker.base import BrokerOutcomeUnknown
from broker.tradovate import parse
from broker.tradovate.names import wire_name
from broker.tradovate.rows.accounts import Account, CashBalance, UserAccountAutoLiq
from broker.tradovate.rows.contracts import ProductFeeParams, ProductSession
from broker.tradovate.rows.orders import CommandReport, Fill, Order, OrderVersion, Position
from broker.tradovate.rows.replies import ProductFeeParamsResponse
from broker.tradovate.words import (
    Action,
    CommandStatus,
    DrawdownMode,
    ForceWord,
    OrderKind,
    OrdStatus,
    Reason,
)
from tests.broker.shapes import DAY, ORDER_ID, TIME, Row, account, decoded, fill, order, report

MOMENT = datetime(2026, 11, 23, 15, 0, 0, 250_000, UTC)


@contextmanager
def logged() -> Iterator[list[Row]]:
    """Collect what is logged inside, without the level."""
    rows: list[Row] = []
    with structlog.testing.capture_logs() as logs:
        yield rows
    rows += [{name: value for name, value in row.items() if name != "log_level"} for row in logs]


def test_fill_is_read_whole() -> None:
    assert parse.row(Fill, decoded(fill())) == Fill(
        id=50,
        order_id=ORDER_ID,
        contract_id=3001,
        timestamp=MOMENT,
        trade_date=date(2026, 11, 24),
        action=Action.BUY,
        qty=1,
        price=Decimal("6842.25"),
        active=True,
        finally_paired=0,
    )


def test_fields_left_out_are_none() -> None:
    row = {"id": 1, "orderId": 1, "orderQty": 2, "orderType": "Market"}

    assert parse.row(OrderVersion, row) == OrderVersion(
        id=1,
        order_id=1,
        order_qty=2,
        order_type=OrderKind.MARKET,
        price=None,
        stop_price=None,
        max_show=None,
        peg_difference=None,
        time_in_force=None,
        expire_time=None,
        text=None,
    )


def test_money_words_and_capitals_are_found() -> None:
    row = {"id": 1, "accountId": 2, "timestamp": TIME, "tradeDate": DAY, "currencyId": 1, "amount": 50000}
    more = {"realizedPnL": -12.5, "weekRealizedPnL": 0.1, "amountSOD": 50012.5}

    assert parse.row(CashBalance, decoded(row | more)) == CashBalance(
        1,
        2,
        MOMENT,
        date(2026, 11, 24),
        1,
        Decimal("50000"),
        Decimal("-12.5"),
        Decimal("0.1"),
        Decimal("50012.5"),
    )


def test_session_has_times_of_day() -> None:
    at = {"hour": 17, "minute": 0}
    row = {
        "id": 800,
        "openTime": at,
        "startTime": at,
        "stopTime": at,
        "closeTime": {"hour": 16, "minute": 15},
    }

    assert parse.row(ProductSession, row) == ProductSession(
        800, time(17), time(17), time(17), time(16, 15), None
    )


def test_row_inside_a_reply_is_read_too() -> None:
    reply = {"params": [{"productId": 800, "commission": 0.35, "fullMargin": None}]}

    (params,) = parse.row(ProductFeeParamsResponse, decoded(reply)).params

    assert isinstance(params, ProductFeeParams)
    assert (params.product_id, params.commission, params.full_margin) == (800, Decimal("0.35"), None)


def test_inherited_fields_are_read_too() -> None:
    row = {"id": 7, "dailyLossAutoLiq": 500, "trailingMaxDrawdownMode": "EOD", "flattenTimestamp": TIME}

    assert parse.row(UserAccountAutoLiq, row) == UserAccountAutoLiq(
        id=7,
        daily_loss_auto_liq=Decimal(500),
        trailing_max_drawdown_mode=DrawdownMode.EOD,
        flatten_timestamp=MOMENT,
    )


def test_ids_keep_all_their_64_bits() -> None:
    assert parse.row(Order, order(id=2**63 - 1)).id == 2**63 - 1


@pytest.mark.parametrize("kind", [Order, Fill, Position, CommandReport, Account])
def test_each_required_field_is_missed_by_name(kind: type) -> None:
    samples: dict[type, Row] = {Order: order(), Fill: fill(), CommandReport: report(), Account: account()}
    position = {"id": 1, "accountId": 2, "contractId": 3, "netPos": 0}
    sample = decoded(samples.get(kind, position))
    hints = get_type_hints(kind)
    required = [field.name for field in fields(kind) if not isinstance(hints[field.name], UnionType)]

    assert required
    for name in map(wire_name, required):
        for broken in ({k: v for k, v in sample.items() if k != name}, sample | {name: None}):
            with pytest.raises(BrokerOutcomeUnknown, match=f"unreadable reply: {name}$"):
                parse.row(kind, broken)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "50"}, "id"),
        ({"id": 50.0}, "id"),
        ({"qty": True}, "qty"),
        ({"active": 1}, "active"),
        ({"price": "6842.25"}, "price"),
        ({"price": False}, "price"),
        ({"action": 1}, "action"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"timestamp": "2026-11-23T15:00:00"}, "timestamp"),
        ({"tradeDate": "2026-11-24"}, "tradeDate"),
        ({"tradeDate": {"year": 2026, "month": 13, "day": 1}}, "tradeDate"),
        ({"tradeDate": {"year": 2026, "month": 12}}, "tradeDate"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"tradeDate": {"year": 10**30, "month": 12, "day": 1}}, "tradeDate"),
        ({"tradeDate": {"year": "2026", "month": 12, "day": 1}}, "tradeDate"),
    ],
)
def test_field_of_another_type_is_named(change: Row, field: str) -> None:
    with pytest.raises(BrokerOutcomeUnknown, match=f"unreadable reply: {field}$"):
        parse.row(Fill, decoded(fill(**change)))


def test_time_of_another_zone_becomes_utc() -> None:
    row = parse.row(Fill, decoded(fill(timestamp="2026-11-23T09:00:00.250-06:00")))

    assert row.timestamp == MOMENT
    assert row.timestamp.tzinfo is UTC


def test_unknown_field_is_logged_once_for_each_row_class() -> None:
    with logged() as rows:
        for _ in range(2):
            parse.row(Fill, decoded(fill(aFieldOf2027=1)))
            parse.row(Order, order(aFieldOf2027={"x": [1]}))

    assert rows == [
        {"event": "unknown field from Tradovate", "row": "Fill", "field": "aFieldOf2027"},
        {"event": "unknown field from Tradovate", "row": "Order", "field": "aFieldOf2027"},
    ]


def test_unknown_word_stays_itself_and_is_logged_once() -> None:
    with logged() as rows:
        first = parse.row(Order, order(ordStatus="AStatusOf2027")).ord_status
        second = parse.row(Order, order(ordStatus="AStatusOf2027")).ord_status

    assert (first, second) == ("AStatusOf2027", "AStatusOf2027")
    assert first is second
    assert first not in list(OrdStatus)
    assert rows == [{"event": "unknown word from Tradovate", "set": "OrdStatus", "word": "AStatusOf2027"}]


def test_word_that_one_set_knows_is_unknown_to_another() -> None:
    with logged() as rows:
        parse.row(CommandReport, report(commandStatus="Working"))

    assert rows == [{"event": "unknown word from Tradovate", "set": "CommandStatus", "word": "Working"}]


def test_words_of_the_document_are_its_members() -> None:
    row = parse.row(CommandReport, report())

    assert row.command_status is CommandStatus.RISK_REJECTED
    assert row.reject_reason is Reason.MAX_POS_LIMIT_REACHED
    assert ForceWord("GTC") is ForceWord.GTC


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from([*fill()]), ANY_JSON), ANY_JSON)
def test_whatever_a_reply_holds_is_a_row_or_an_unreadable_reply(changes: Row, other: object) -> None:
    for data in (decoded(fill()) | changes, other):
        try:
            row: object = parse.row(Fill, data)
        except BrokerOutcomeUnknown as error:
            row = error
        assert isinstance(row, Fill) or str(row).startswith("unreadable reply: ")


def test_token_is_in_no_representation() -> None:
    reply = {"accessToken": "secret-token-1", "expirationTime": TIME, "userId": 7, "hasLive": True}

    assert parse.access_token(reply).value == "secret-token-1"
    assert "secret-token-1" not in repr(parse.row(parse.AccessTokenResponse, reply))
