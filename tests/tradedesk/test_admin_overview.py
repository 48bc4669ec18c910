from django.test import Client

from strategy.machine import memory_of
from strategy.types import Color, Cross, Event, Indicator
from tests.builders import (
    at,
    make_alert,
    make_bot,
    make_decision,
    make_incident,
    make_order,
    make_strategy,
    set_held,
)
from tests.fakes import START
from tests.tradedesk.page_costs import cost_of
from tradedesk.models import Reason

BLUE = Event("1", Indicator.TREND, Color.BLUE, START, START)
DOWN = Event("2", Indicator.DI, Cross.DOWN, at(5), at(5))


def page(client: Client) -> str:
    return client.get("/admin/").content.decode()


def test_fresh_desk_explains_the_first_steps(panel: Client) -> None:
    html = page(panel)

    assert "No bot yet." in html
    assert "/admin/tradedesk/strategy/add/" in html
    assert "No alert yet." in html
    assert "http://testserver/webhooks/tradingview/TOKEN/" in html
    assert "manage.py send_alert --trend blue" in html


def test_desk_with_a_strategy_points_to_its_page(panel: Client) -> None:
    strategy = make_strategy()

    assert f'href="/admin/tradedesk/strategy/{strategy.pk}/change/"' in page(panel)


def test_bot_shows_what_it_holds(panel: Client) -> None:
    set_held(make_bot(), -2, memory=memory_of((BLUE,)))

    html = page(panel)

    assert "Short, but the strategy has left: closes at the next event or a flatten" in html
    assert "<strong>−2</strong>" in html
    assert "target long" in html
    assert "6,842.25" in html
    assert "MESZ6, paper" in html
    assert '<span class="trend trend-blue" aria-hidden="true"></span> Blue' in html


def test_waiting_bot_says_what_for(panel: Client) -> None:
    set_held(make_bot(), 0, memory=memory_of((BLUE, DOWN)))

    assert "Flat, waiting for DI+ above DI-" in page(panel)


def test_latest_ten_alerts_with_action_reason_and_order(panel: Client) -> None:
    bot = make_bot()
    for minute in range(12):
        decision = make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot)
    make_order(bot, decision=decision)

    answer = panel.get("/admin/")
    html = answer.content.decode()

    assert html.count("Trend turned blue, MES1!, 10 min") == 10
    assert "<strong>Enter long.</strong> The trend turned blue. Bought 1 MESZ6 @ 6,842.25." in html
    assert "2026-11-23 15:11:00" in html


def test_open_incidents_are_on_top(panel: Client) -> None:
    make_incident(make_bot())
    other = make_bot("mnq-paper", strategy=make_strategy("mnq-trend", root="MNQ"))
    make_incident(other, closed_at=START)

    html = page(panel)

    assert html.count('class="incident"') == 1
    assert html.index("Open incidents</h2>") < html.index("Bots and positions")
    assert "Stopped: openings of this bot." in html


def test_page_costs_the_same_with_many_rows(panel: Client) -> None:
    bot = make_bot()

    def trade_on() -> None:
        for minute in range(bot.decisions.count(), bot.decisions.count() + 12):
            alert = make_alert(bot.strategy, fired_at=at(minute))
            make_order(bot, decision=make_decision(alert, bot, reason=Reason.TREND_BLUE))
            make_incident(bot, subject=f"{minute}")

    assert cost_of(panel, "/admin/", trade_on) == 10


def test_person_without_rights_sees_the_state_only(viewer: Client) -> None:
    bot = make_bot()
    make_decision(make_alert(bot.strategy), bot)

    html = page(viewer)

    assert "Trading on" in html
    assert "Bots and positions" not in html
    assert "Latest alerts" not in html
