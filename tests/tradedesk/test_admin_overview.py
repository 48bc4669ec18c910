from datetime import datetime
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.test import Client

from strategy.machine import memory_of
from strategy.types import Color, Cross, Event, Indicator
from tests.builders import (
    at,
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_incident,
    make_order,
    make_strategy,
    set_held,
)
from tests.fakes import START, FakeClock
from tests.tradedesk.page_costs import cost_of
from tradedesk.models import Account, Bot, Instrument, OrderSide, Reason
from tradedesk.selectors import profit

BLUE = Event("1", Indicator.TREND, Color.BLUE, START, START)
DOWN = Event("2", Indicator.DI, Cross.DOWN, at(5), at(5))


def page(client: Client) -> str:
    return client.get("/admin/").content.decode()


def test_fresh_desk_shows_the_checklist_below_its_tiles(panel: Client) -> None:
    html = page(panel)

    assert "Set the desk up" in html
    assert "1 of 11 done" in html
    assert "/admin/tradedesk/account/add/" in html
    assert "Latest alerts" not in html
    assert "P&amp;L today" in html


def test_desk_with_a_strategy_points_to_its_page(panel: Client) -> None:
    strategy = make_strategy()

    assert f'href="/admin/tradedesk/strategy/{strategy.pk}/change/#alerts"' in page(panel)


def test_desk_with_a_bot_shows_where_alerts_are_awaited(panel: Client) -> None:
    make_bot()

    html = page(panel)

    assert "No alert yet." in html
    assert "http://testserver/webhooks/tradingview/TOKEN/" in html
    assert "manage.py send_alert --trend blue" in html
    assert "Set the desk up" not in html


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
    assert "15:11:00</td>" in html


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

    assert cost_of(panel, "/admin/", trade_on) == 18


def test_person_without_rights_sees_the_state_only(viewer: Client) -> None:
    bot = make_bot()
    make_decision(make_alert(bot.strategy), bot)

    html = page(viewer)

    assert "Trading on" in html
    assert "Bots and positions" not in html
    assert "Latest alerts" not in html


def test_tiles_show_result_equity_and_what_is_open(panel: Client, clock: FakeClock) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    Account.objects.update(cash={"net_liquidation": "50060.00", "profit": "60"}, cash_read_at=clock.now())
    _fill(bot, OrderSide.BUY, "6800", at(-60 * 24 * 3))
    _fill(bot, OrderSide.SELL, "6810", at(1))
    _fill(bot, OrderSide.BUY, "6812", at(2))
    set_held(bot, 1, average_price="6812")
    make_alert(bot.strategy, close=Decimal("6814.25"))

    html = page(panel)

    # Ten points at 5 dollars less two fees, and 2.25 points that are open.
    assert '<strong class="gain">▴ +$59.55</strong>' in html
    assert "+0.12% · realised $48.30 · the broker says $60.00" in html
    assert "<strong>$50,060.00</strong>" in html
    assert "by the broker, 15:00:00 UTC" in html
    assert '<strong class="gain">▴ +$11.25</strong>' in html
    assert "last 6,814.25" in html
    assert "1 position · at closes since 15:00:00 UTC" in html


def test_equity_that_was_read_long_ago_is_not_shown(panel: Client) -> None:
    make_bot()
    Account.objects.update(cash={"net_liquidation": "50060.00"}, cash_read_at=at(-26))

    html = page(panel)

    assert "$50,060.00" not in html
    assert "the broker's figure is not known" in html


def test_page_is_about_the_account_bot_and_day_of_its_address(panel: Client) -> None:
    bot = make_bot()
    other = make_bot("other", account=make_account("second"))
    _fill(bot, OrderSide.BUY, "6800", at(0))
    _fill(bot, OrderSide.SELL, "6810", at(1))
    _fill(other, OrderSide.BUY, "6800", at(-60 * 24 * 3))
    _fill(other, OrderSide.SELL, "6780", at(-60 * 24 * 3 + 1))
    make_alert(bot.strategy, close=Decimal(6900))
    set_held(other, 1, average_price="6800")

    totals = {
        query: panel.get(f"/admin/{query}").context["result"].total
        for query in ("", "?account=second", "?bot=mes-paper", "?day=2026-11-20", "?bot=nonsense&day=x")
    }

    assert totals == {
        "": 550,
        "?account=second": 500,
        "?bot=mes-paper": 50,
        "?day=2026-11-20": -100,
        "?bot=nonsense&day=x": 550,
    }


def test_positions_are_said_to_differ_while_an_incident_says_so(panel: Client) -> None:
    bot = make_bot()

    assert "all equal to the broker" in page(panel)
    make_incident(bot)
    assert "not all equal to the broker" in page(panel)


def test_card_that_cannot_be_read_fails_alone(panel: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bot()

    def fail() -> profit.Book:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(profit, "book", fail)
    html = page(panel)

    assert "<h2>Equity</h2>" in html
    assert "This could not be read from the database, 15:00:00 UTC." in html
    assert "Bots and positions" in html
    assert "statement timeout" not in html


def test_poll_answers_nothing_until_something_changes(panel: Client) -> None:
    bot = make_bot()

    first = panel.get("/admin/", headers={"HX-Trigger": "poll"})
    known = {"HX-Trigger": "poll", "X-Panel-Version": first["X-Panel-Version"]}
    second = panel.get("/admin/", headers=known)
    make_alert(bot.strategy)
    third = panel.get("/admin/", headers=known)

    assert [answer.status_code for answer in (first, second, third)] == [200, 204, 200]
    assert "<html" not in first.content.decode()


def _fill(bot: Bot, side: OrderSide, price: str, moment: datetime) -> None:
    order = make_order(bot, side=side, created_at=moment)
    make_fill(order, price=Decimal(price), filled_at=moment)
