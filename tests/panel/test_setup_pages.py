import re

import pytest
from playwright.sync_api import expect

from tests.builders import make_account, make_alert, make_bot, make_token, set_held
from tests.panel.visiting import Scheme, Visitor, findings_of, overflow_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Bot, SessionRule

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture
def bot(desk: object) -> Bot:
    """Return a bot with a limit, a token and a position."""
    bot = make_bot(daily_loss=200)
    make_token(bot.strategy)
    set_held(bot, 2)
    return bot


def pages_of(bot: Bot) -> list[str]:
    rule = SessionRule.objects.get(name="CME equity index")
    rows = [url_of(row) for row in (bot, bot.account, bot.strategy, bot.instrument, rule)]
    tabs = [f"{url_of(bot)}#limits", f"{url_of(bot)}#history", f"{url_of(bot.strategy)}#alerts"]
    return [*rows, *tabs, "/admin/limits/", "/admin/setup/", f"/admin/setup/test/{bot.strategy_id}/"]


def test_tabs_show_one_part_each(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(url_of(bot))
    limit, size = page.locator("#id_daily_loss"), page.locator("#id_size")

    expect(size).to_be_visible()
    expect(limit).to_be_hidden()
    page.get_by_role("link", name="Limits", exact=True).click()
    expect(limit).to_be_visible()
    expect(size).to_be_hidden()


def test_tab_with_the_error_opens_by_itself(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(f"{url_of(bot)}#limits")

    page.locator("#id_daily_loss").fill("-5")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#id_daily_loss")).to_be_visible()
    expect(page.get_by_text("greater than or equal to 0.01").first).to_be_visible()


def test_limit_is_raised_in_two_steps_with_a_reason(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(f"{url_of(bot)}#limits")

    page.locator("#id_daily_loss").fill("300")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("More can be lost")).to_be_visible()
    page.get_by_label(re.compile("Reason")).fill("CPI week")
    page.get_by_role("button", name="Save 1 change to mes-paper").click()

    expect(page.locator("#result_list")).to_be_visible()
    bot.refresh_from_db()
    assert bot.daily_loss == 300


def test_waiting_line_turns_green_by_itself(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(f"{url_of(bot.strategy)}#alerts")
    expect(page.get_by_text("Waiting for the first alert …")).to_have_count(5)

    page.clock.install()
    page.goto(f"{url_of(bot.strategy)}?again#alerts")
    make_alert(bot.strategy)
    with page.expect_response("**/arrivals/"):
        page.clock.run_for(6_000)

    expect(page.get_by_text("1 of 5 came")).to_be_visible()


def test_message_is_copied(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(f"{url_of(bot.strategy)}#alerts")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.get_by_role("button", name="Copy message of Trend turned blue").click()

    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert '"action": "LONG_ENTRY"' in page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_fit_a_phone_and_are_accessible(scheme: Scheme, visitor: Visitor, bot: Bot) -> None:
    make_account("other")
    page = visitor.open("/admin/", width=390, scheme=scheme)

    for path in pages_of(bot):
        page.goto("about:blank")
        page.goto(path)
        assert overflow_of(page) == 0, path
        assert findings_of(page, "#live, .summary, .tabs") == [], path
