from datetime import timedelta

from django.test import Client

from tests.builders import at, make_alert, make_bot, make_decision, make_order
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Alert, Bot

PAGE = "/admin/latency/"
DAY = 60 * 24


def trade(bot: Bot, minute: float, fill_ms: int) -> Alert:
    """Book an alert whose bar closed two seconds before, and whose order filled after so many ms."""
    received = at(minute)
    alert = make_alert(bot.strategy, fired_at=received, effective_at=received - timedelta(seconds=2))
    decision = make_decision(alert, bot)
    marks = {"created_at": 5, "sent_at": 10, "acknowledged_at": 110, "settled_at": fill_ms}
    times = {name: received + timedelta(milliseconds=ms) for name, ms in marks.items()}
    make_order(bot, decision=decision, **times)
    return alert


def test_page_without_orders_says_when_there_will_be_times(panel: Client) -> None:
    assert "No order yet" in panel.get(PAGE).content.decode()


def test_stages_stand_against_their_targets(panel: Client) -> None:
    bot = make_bot()
    for minute in range(1, 4):
        trade(bot, minute, 1200 + minute)

    answer = panel.get(PAGE)
    rows = {row.name: (row.found, row.is_over) for row in answer.context["rows"]}

    assert rows["Sent → acknowledged"] == ([100, 100, 100], False)
    assert rows["Receipt → fill"] == ([1202, 1203, 1203], True)
    assert "▲ 1,203 ms" in answer.content.decode()


def test_bar_close_to_receipt_is_kept_apart(panel: Client) -> None:
    trade(make_bot(), 1, 300)

    answer = panel.get(PAGE)

    assert answer.context["from_close"] == [2000, 2000, 2000]
    assert "TradingView and the network, not ours" in answer.content.decode()


def test_slowest_alert_comes_first_with_the_part_that_took_most(panel: Client) -> None:
    bot = make_bot()
    trade(bot, 1, 300)
    slow = trade(bot, 2, 900)

    answer = panel.get(PAGE)
    first = answer.context["slowest"][0]

    assert (first.alert, first.total_ms, first.longest) == (slow, 900, "Acknowledged → filled")
    assert f'href="{url_of(slow)}"' in answer.content.decode()


def test_days_are_told_apart(panel: Client) -> None:
    bot = make_bot()
    trade(bot, 1, 300)
    trade(bot, -DAY * 3, 500)

    today, week = panel.get(PAGE), panel.get(f"{PAGE}?days=7")

    assert [len(answer.context["by_day"]) for answer in (today, week)] == [1, 2]
    assert [f"{day.day}" for day in week.context["by_day"]] == ["2026-11-23", "2026-11-20"]
    assert panel.get(f"{PAGE}?days=5000").context["days"] == 1


def test_page_costs_the_same_with_many_orders(panel: Client) -> None:
    bot = make_bot()

    def trade_on() -> None:
        for number in range(5):
            trade(bot, number + bot.orders.count(), 300)

    assert cost_of(panel, PAGE, trade_on) == 8


def test_times_need_the_right_to_see_orders(viewer: Client) -> None:
    assert viewer.get(PAGE).status_code == 403
