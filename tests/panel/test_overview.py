from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.builders import at, make_alert, make_bot, make_fill, make_order, make_token
from tests.panel.visiting import Visitor
from tests.posting import post
from tradedesk.models import Bot, OrderSide


@pytest.fixture
def bot(desk: object) -> Bot:
    """Return a bot that won on three days."""
    bot = make_bot()
    for day in range(3):
        for side, price in ((OrderSide.BUY, 6800), (OrderSide.SELL, 6810 - 8 * day)):
            order = make_order(bot, side=side)
            make_fill(order, price=Decimal(price), filled_at=at(-60 * 24 * (3 - day) + price / 100))
    return bot


def poll(page: Page) -> None:
    """Let the open page ask what has changed."""
    with page.expect_response("**/admin/"):
        page.evaluate("htmx.ajax('GET', '/admin/', {source: '#poll', target: '#live'})")


def test_curve_is_drawn_and_stays_when_the_page_renews_itself(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/")
    curve = page.locator("#equity-chart")

    expect(curve.locator("canvas").first).to_be_visible()
    expect(page.locator("[data-range='0']")).to_have_attribute("aria-pressed", "true")
    page.locator("[data-range='1']").click()
    expect(page.locator("[data-range='1']")).to_have_attribute("aria-pressed", "true")
    page.evaluate("document.querySelector('#equity-chart').dataset.mark = 'same'")
    make_alert(bot.strategy)
    poll(page)

    expect(page.get_by_text("Trend turned blue, MES1!, 10 min")).to_be_visible()
    assert curve.get_attribute("data-mark") == "same"


def test_alert_that_comes_is_on_the_open_page_within_one_poll(visitor: Visitor, bot: Bot) -> None:
    make_token(bot.strategy)
    page = visitor.open("/admin/")
    page.clock.install()
    page.goto("/admin/")

    assert post().decision["action"] == "ENTER_LONG"
    with page.expect_response("**/admin/"):
        page.clock.run_for(5_000)

    expect(page.get_by_text("Trend turned blue, MES1!, 10 min")).to_be_visible()


def test_figures_of_a_desk_that_does_not_answer_are_grey_and_say_from_when(
    visitor: Visitor, bot: Bot
) -> None:
    page = visitor.open("/admin/")
    page.clock.install()
    page.goto("/admin/")
    page.route("**/admin/", lambda route: route.abort())

    page.clock.run_for(21_000)

    expect(page.locator("body")).to_have_attribute("data-stale", "")
    expect(page.locator(".freshness")).to_contain_text("Last good 15:00:0")
    # The browser wrote down that its polls failed.
    visitor.troubles.clear()


def test_updates_can_be_paused(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/")

    page.get_by_role("button", name="Pause updates").click()

    expect(page.locator(".freshness")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
