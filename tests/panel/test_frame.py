import re

import pytest
from playwright.sync_api import expect

from tests.builders import make_alert, make_bot, make_decision, make_order, set_held
from tests.panel.visiting import Scheme, Visitor, findings_of, overflow_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Bot, TradingMode, TradingState

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PAGES = ["/admin/", "/admin/tradedesk/alert/", "/admin/tradedesk/bot/", "/admin/kill-switch/"]


@pytest.fixture
def bot(desk: object) -> Bot:
    """Return a bot that holds a position which an alert led to."""
    bot = make_bot()
    make_order(bot, decision=make_decision(make_alert(bot.strategy), bot))
    set_held(bot, 2)
    return bot


def mode() -> str:
    return TradingState.objects.get(scope="all").mode


def test_halt_button_halts_before_its_dialog_shows_and_offers_to_go_further(
    visitor: Visitor, bot: Bot
) -> None:
    page = visitor.open("/admin/", role="operator")

    page.get_by_role("button", name="Halt trading").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Trading is halted")

    assert mode() == TradingMode.HALTED
    expect(dialog).to_contain_text("Sends market orders: sell 2 MESZ6 (mes-paper). Then checks for zero.")
    expect(dialog.get_by_role("button", name="Keep halted")).to_be_focused()
    assert findings_of(page, "#dialog") == []
    dialog.get_by_label("Let exits through").check()
    dialog.get_by_role("button", name="Let exits through").click()
    expect(page.locator(".banner")).to_contain_text("entries are blocked, exits go through")
    assert mode() == TradingMode.REDUCING


def test_every_kind_of_page_halts(visitor: Visitor, bot: Bot) -> None:
    kinds = {
        "overview": "/admin/",
        "list": "/admin/tradedesk/alert/",
        "row of history": url_of(bot.decisions.get().alert),
        "form": url_of(bot),
        "new row": "/admin/tradedesk/bot/add/",
        "deletion": url_of(bot).replace("change", "delete"),
        "changes of a row": url_of(bot).replace("change", "history"),
        "page of its own": "/admin/connections/",
        "password": "/admin/password_change/",
    }
    page = visitor.open("/admin/")
    halted = []

    for kind, path in kinds.items():
        TradingState.objects.filter(scope="all").update(mode=TradingMode.ACTIVE)
        page.goto(path)
        page.get_by_role("button", name="Halt trading").click()
        expect(page.get_by_role("dialog")).to_contain_text("Trading is halted")
        halted += [kind] if mode() == TradingMode.HALTED else []

    assert halted == list(kinds)


def test_escape_closes_the_dialog_and_the_halt_stands(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/tradedesk/alert/", role="viewer")

    page.get_by_role("button", name="Halt trading").click()
    expect(page.get_by_role("dialog")).not_to_contain_text("Flatten")
    page.keyboard.press("Escape")

    expect(page.locator(".banner")).to_contain_text("Trading is halted: no order leaves.")
    expect(page).to_have_title(re.compile("^HALTED · "))
    assert mode() == TradingMode.HALTED


def test_halt_is_the_first_stop_of_the_keyboard_after_the_skip_link(visitor: Visitor) -> None:
    page = visitor.open("/admin/")

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Halt trading")).to_be_focused()


def test_halting_works_with_scripts_off(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/halt/", scripts=False)

    page.get_by_role("button", name="Halt all trading").click()

    expect(page.get_by_role("alert")).to_contain_text("Trading is halted: no order leaves")
    assert mode() == TradingMode.HALTED


def test_pages_fit_a_phone(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/login/", role="", width=390)
    assert overflow_of(page) == 0

    page = visitor.open("/admin/", width=390)
    for path in [*PAGES, url_of(bot), "/halt/"]:
        page.goto(path)
        assert overflow_of(page) == 0, path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_own_parts_are_accessible(scheme: Scheme, visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/", scheme=scheme)

    for path in [*PAGES, url_of(bot.decisions.get().alert)]:
        page.goto(path)
        assert findings_of(page, "#live, .summary, .desk-bar, .topbar, #banner") == [], path


def test_what_an_alert_says_never_runs(visitor: Visitor, bot: Bot) -> None:
    hostile = '"><img src=x onerror="window.ran=1"><p x-data x-init="window.ran=1" hx-get="/halt/">'
    alert = make_alert(
        bot.strategy, "SHORT_ENTRY", body=hostile, symbol=hostile[:32], exchange="{{window.ran=1}}"
    )
    page = visitor.open("/admin/")

    for path in ("/admin/", "/admin/tradedesk/alert/", url_of(alert)):
        page.goto(path)
        assert page.evaluate("window.ran") is None, path
        assert page.locator("[x-init*=ran], [onerror]").count() == 0, path


def test_docs_of_the_api_keep_to_the_policy_too(visitor: Visitor) -> None:
    page = visitor.open("/api/docs/")

    expect(page.get_by_text("/api/v1/kill-switch/").first).to_be_visible()


def test_open_page_learns_of_a_halt_by_itself(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open("/admin/")
    answers: list[int] = []
    ask = "htmx.trigger('#poll', 'now')"
    page.evaluate("document.getElementById('poll').setAttribute('hx-trigger', 'every 5s, now')")
    page.evaluate("htmx.process(document.getElementById('poll'))")

    for halted in (False, False, True):
        if halted:
            TradingState.objects.filter(scope="all").update(mode=TradingMode.HALTED, by="ada")
        with page.expect_response("**/admin/") as answer:
            page.evaluate(ask)
        answers.append(answer.value.status)

    expect(page.locator(".banner")).to_contain_text("By ada")
    assert answers == [200, 204, 200]
