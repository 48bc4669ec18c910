"""What is left of an opening or of a reversal is closed over the wire, however it came to be left."""

from tests.flows.desks import Desk

PLACE = "/order/placeorder"


def test_exit_cancels_the_rest_of_an_entry_and_closes_its_part(flow: Desk) -> None:
    bot = flow.next_bot()
    flow.database.rows("UPDATE tradedesk_bot SET size = 3 WHERE slug = %s RETURNING id", bot.slug)
    flow.broker.scenario("faults", {"kind": "fate", "on": PLACE, "hold": True})
    assert flow.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "working")
    (entry,) = flow.orders(bot)
    flow.broker.scenario("release", {"orderId": int(entry["broker_order_id"]), "quantity": 1})

    answer = flow.send(bot, "down", "10:30")

    assert answer.summary == ("EXIT", "DI_DOWN", "filled")
    assert answer.seconds < 2.5
    assert [(row["quantity"], row["filled_quantity"], row["status"]) for row in flow.orders(bot)] == [
        (3, 1, "cancelled"),
        (1, 1, "filled"),
    ]
    assert flow.booked(bot) == flow.held(bot) == 0
    assert flow.open_incidents(bot) == []


def test_throttled_reversal_that_may_not_open_any_more_closes_alone(flow: Desk) -> None:
    bot = flow.next_bot()
    assert flow.send(bot, "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
    flow.broker.scenario("faults", {"kind": "penalty", "on": PLACE, "p-time": 0})
    assert flow.send(bot, "red", "10:20").summary == ("REVERSE_TO_SHORT", "TREND_RED", "pending")
    assert flow.open_incidents(bot) == ["UNHELD_TARGET"]
    switch = {"engaged": True, "scope": f"bot:{bot.slug}", "mode": "reduce", "reason": "test"}
    assert flow.api("POST", "/api/v1/kill-switch/", switch).status == 200

    flow.let_seconds_pass(6)
    flow.recover()

    assert [(row["side"], row["quantity"], row["status"]) for row in flow.orders(bot)] == [
        ("BUY", 1, "filled"),
        ("SELL", 2, "denied"),
        ("SELL", 1, "filled"),
    ]
    assert flow.booked(bot) == flow.held(bot) == 0
    assert flow.open_incidents(bot) == []
