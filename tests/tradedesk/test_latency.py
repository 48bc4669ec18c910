from datetime import timedelta

from tests.builders import at, make_alert, make_bot, make_decision, make_order
from tests.fakes import START
from tradedesk.models import Bot, OrderStatus
from tradedesk.selectors import latency


def way(bot: Bot, minute: int, *marks_ms: int, **fields: object) -> None:
    """Book an order that was decided, sent, acknowledged and settled so many milliseconds after receipt."""
    received = at(minute)
    decided, sent, acknowledged, settled = (received + timedelta(milliseconds=mark) for mark in marks_ms)
    alert = make_alert(bot.strategy, fired_at=received)
    decision = make_decision(alert, bot, created_at=decided)
    times = {"sent_at": sent, "acknowledged_at": acknowledged, "settled_at": settled, "created_at": decided}
    make_order(bot, decision=decision, **{**times, **fields})


def test_each_stage_is_measured_from_the_end_of_the_one_before(desk: object) -> None:
    bot = make_bot()
    for number in range(1, 21):
        way(bot, number, number, 2 * number, 12 * number, 112 * number)

    found = latency.ways(START, at(60))

    assert {stage.name: stage.percentile(95) for stage in latency.stages(found)} == {
        "Received → decided, gated": 19,
        "Decided → sent": 19,
        "Sent → acknowledged": 190,
        "Acknowledged → filled": 1900,
    }
    assert latency.percentile(latency.totals(found), 50) == 1120


def test_order_that_did_not_fill_has_no_total(desk: object) -> None:
    way(make_bot(), 1, 10, 20, 30, 40, status=OrderStatus.REJECTED)

    found = latency.ways(START, at(60))

    assert latency.totals(found) == []
    assert [len(stage.times) for stage in latency.stages(found)] == [1, 1, 1, 0]
    assert latency.percentile([], 95) is None


def test_orders_of_another_day_or_bot_do_not_count(desk: object) -> None:
    bot = make_bot()
    way(bot, 1, 10, 20, 30, 40)

    assert latency.ways(at(2), at(60)) == []
    assert latency.ways(START, at(60), bot_id=bot.account_id) == []
    assert len(latency.ways(START, at(60), bot_id=bot.pk, account_id=bot.account_id)) == 1
