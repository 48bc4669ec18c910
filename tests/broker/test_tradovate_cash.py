"""An account's money, and the broker's clock beside ours."""

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from broker.base import BrokerOutcomeUnknown, BrokerRefused
from tests.broker.wire import ACCOUNT_ID, Clock, Script, connect

SNAPSHOT, LIST = "/cashBalance/getcashbalancesnapshot", "/account/list"


def test_money_is_told_in_exact_dollars() -> None:
    reply = {"totalCashValue": 50000, "netLiq": 49_880.1, "totalPnL": -119.9, "initialMargin": 2400, "x": 1}
    script = Script().on(SNAPSHOT, reply)

    cash = connect(script).cash(ACCOUNT_ID, timeout_s=1)

    figures = (cash.net_liq, cash.total_pnl, cash.initial_margin)
    assert figures == (Decimal("49880.1"), Decimal("-119.9"), Decimal(2400))
    assert (script.requests[-1].method, script.requests[-1].body) == ("POST", {"accountId": ACCOUNT_ID})


def test_money_that_is_not_told_is_not_zero() -> None:
    cash = connect(Script().on(SNAPSHOT, {"netLiq": 5})).cash(ACCOUNT_ID, timeout_s=1)

    assert (cash.net_liq, cash.total_pnl, cash.initial_margin) == (Decimal(5), None, None)


def test_refused_snapshot_raises() -> None:
    with pytest.raises(BrokerRefused, match="No account"):
        connect(Script().on(SNAPSHOT, {"errorText": "No account"})).cash(ACCOUNT_ID, timeout_s=1)


def test_money_in_words_is_unreadable() -> None:
    with pytest.raises(BrokerOutcomeUnknown, match="netLiq"):
        connect(Script().on(SNAPSHOT, {"netLiq": "much"})).cash(ACCOUNT_ID, timeout_s=1)


@pytest.mark.parametrize(
    ("date", "offset_s"),
    [
        ("Mon, 23 Nov 2026 15:00:00 GMT", 0.5),
        ("Mon, 23 Nov 2026 15:00:03 GMT", 3.5),
        ("Mon, 23 Nov 2026 14:59:57 GMT", -2.5),
        ("yesterday", None),
        ("", None),
    ],
)
def test_clock_is_compared_by_the_date_of_the_last_answer(date: str, offset_s: float | None) -> None:
    clock = Clock()
    answer = httpx.Response(200, json=[], headers={"Date": date} if date else {})
    broker = connect(Script(clock).on(LIST, answer))
    assert broker.clock_offset_s is None

    broker.accounts(timeout_s=1)
    # What passes afterwards makes no difference.
    clock.advance(timedelta(minutes=5))

    assert broker.clock_offset_s == offset_s
