from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.flows.desks import Desk, alert, at_once

TIMES = 50


def test_alert_posted_fifty_times_at_once_trades_once(flow: Desk) -> None:
    bot = flow.next_bot()
    message = alert(bot, "blue", "10:10")
    orders_before = len(flow.broker.rows("order"))

    answers = at_once([partial(flow.post, bot, message)] * TIMES)

    assert Counter((answer.status, answer.body["status"]) for answer in answers) == {
        (200, "processed"): 1,
        (200, "duplicate"): TIMES - 1,
    }
    assert len({answer.body["alert_id"] for answer in answers}) == 1
    assert all(answer.body["decisions"] == [] for answer in answers if answer.body["status"] == "duplicate")
    (processed,) = [answer for answer in answers if answer.body["status"] == "processed"]
    assert processed.summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    stored = flow.database.rows(
        "SELECT a.id FROM tradedesk_alert a JOIN tradedesk_strategy s ON s.id = a.strategy_id"
        " WHERE s.slug = %s",
        bot.slug,
    )
    assert [str(row["id"]) for row in stored] == [processed.body["alert_id"]]
    assert flow.decisions(bot) == [("ENTER_LONG", "TREND_BLUE")]
    assert [(order["side"], order["quantity"], order["status"]) for order in flow.orders(bot)] == [
        ("BUY", 1, "filled")
    ]
    assert len(flow.fills(bot)) == 1
    assert len(flow.broker.rows("order")) == orders_before + 1
    assert flow.booked(bot) == flow.held(bot) == 1


@pytest.mark.parametrize("later", [{"timenow": "2026-01-05T10:10:00Z"}, {"exchange": "CME_MINI_DL"}])
def test_same_event_with_other_particulars_is_a_duplicate(flow: Desk, later: dict[str, Any]) -> None:
    bot = flow.next_bot()
    first = flow.send(bot, "blue", "10:10")

    again = flow.send(bot, "blue", "10:10", **later)

    assert (again.status, again.body) == (
        200,
        {"alert_id": first.body["alert_id"], "status": "duplicate", "decisions": []},
    )
    assert len(flow.orders(bot)) == 1
