from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.builders import at, make_alert, make_bot, make_decision, make_fill, make_order, set_held
from tests.panel.visiting import Scheme, Visitor, findings_of, overflow_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Bot, Instrument, Order, OrderPurpose, OrderSide, OrderStatus

PAGES = [
    "/admin/tradedesk/order/",
    "/admin/tradedesk/fill/",
    "/admin/tradedesk/botstate/",
    "/admin/profit/",
    "/admin/latency/?days=7",
]


@pytest.fixture
def bot(desk: object) -> Bot:
    """Return a bot that traded on twelve days, holds a position with a stop, and has an unresolved order."""
    bot = make_bot(stop_points=Decimal(18))
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    for day in range(12):
        for number, (side, price) in enumerate(((OrderSide.BUY, 6800), (OrderSide.SELL, 6809 - day % 5 * 4))):
            moment = at(-60 * 24 * (13 - day) + 30 * number)
            order = _order(bot, moment, side=side)
            make_fill(order, price=Decimal(price), filled_at=moment)
    set_held(bot, 2)
    make_order(bot, purpose=OrderPurpose.STOP, price=Decimal(6824), status=OrderStatus.WORKING)
    make_order(bot, status=OrderStatus.UNCONFIRMED, looks=2, note="No answer within 2 s.")
    return bot


def _order(bot: Bot, moment: datetime, **fields: Any) -> Order:
    alert = make_alert(bot.strategy, fired_at=moment)
    marks = {"created_at": 9, "sent_at": 21, "acknowledged_at": 182, "settled_at": 386}
    times = {name: moment + timedelta(milliseconds=ms) for name, ms in marks.items()}
    return make_order(bot, decision=make_decision(alert, bot), **times, **fields)


def test_operator_compares_with_the_broker_and_the_answer_stays(visitor: Visitor) -> None:
    set_held(make_bot(), 1)
    page = visitor.open("/admin/tradedesk/botstate/", role="operator")

    page.get_by_role("button", name="Reconcile paper now").click()

    expect(page.locator("#compare output")).to_contain_text("1 difference; a second look in 5 s")
    page.evaluate("htmx.ajax('GET', location.pathname, {source: '#poll', target: '#live'})")
    expect(page.locator("#live")).to_contain_text("2nd look in")
    expect(page.locator("#compare output")).to_contain_text("1 difference")


def test_file_of_rows_tells_how_far_it_is_and_is_saved(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/tradedesk/fill/")

    with page.expect_download() as saved:
        page.get_by_role("link", name="Export fills as CSV").click()

    expect(page.locator(".export [role=status]")).to_have_text("24 rows in fills.csv")
    assert saved.value.suggested_filename == "fills.csv"
    assert len(Path(saved.value.path()).read_text().splitlines()) == 25


def test_pages_fit_a_phone(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(PAGES[0], width=390)

    for path in [*PAGES, url_of(bot.orders.filter(fills__isnull=False)[0])]:
        page.goto(path)
        assert overflow_of(page) == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_own_parts_are_accessible(scheme: Scheme, visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(PAGES[0], scheme=scheme)

    for path in [*PAGES, url_of(bot.orders.filter(fills__isnull=False)[0])]:
        page.goto(path)
        assert findings_of(page, "#live, .summary, #compare, .export") == [], path
