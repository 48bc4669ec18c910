import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.builders import (
    at,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_order,
    make_rejected_alert,
    make_token,
)
from tests.panel.visiting import Scheme, Visitor, findings_of, overflow_of
from tests.posting import post
from tradedesk.admin.cells import url_of
from tradedesk.models import Alert, Bot, Decision, Reason

LIST = "/admin/tradedesk/alert/"
HOSTILE = (
    '<script>window.hit = 1</script><img src=x onerror="window.hit = 2">'
    '<div x-data="{a: 1}" x-init="window.hit = 3" hx-get="/halt/" hx-trigger="load">{{ 7 * 7 }}</div>'
    '"><a href="javascript:window.hit = 4" accesskey=h>x</a>\u202eevil\u2066\u200b' + "9" * 20_000
)


@pytest.fixture
def bot(desk: object) -> Bot:
    """Return a bot that traded twice, and refused the last alert because it came too late."""
    bot = make_bot()
    make_token(bot.strategy)
    for minute in (0, 10):
        decision = make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot)
        make_fill(make_order(bot, decision=decision), filled_at=at(minute))
    make_decision(
        make_alert(bot.strategy, "SHORT_ENTRY", fired_at=at(20)),
        bot,
        action="NONE",
        reason=Reason.TOO_OLD,
        detail={"figures": "71.0 s old, at most 60 s", "rules": [["TOO_OLD", "P7", False, "71.0 s old"]]},
    )
    return bot


def late() -> Decision:
    return Decision.objects.get(reason=Reason.TOO_OLD)


def test_hostile_messages_stay_texts(visitor: Visitor, bot: Bot) -> None:
    fields: dict[str, Any] = dict.fromkeys(("symbol", "exchange", "contract"), "<b/onclick=hit=5>")
    fields |= {"body": HOSTILE, "headers": {"User-Agent": HOSTILE[:200]}}
    hostile = make_alert(bot.strategy, fired_at=at(30), **fields)
    detail = {"figures": HOSTILE[:300]}
    decision = make_decision(hostile, bot, action="NONE", reason=Reason.HALTED, detail=detail)
    make_order(bot, decision=decision, note=HOSTILE, status="rejected")
    make_rejected_alert(bot.strategy, body=HOSTILE, errors={HOSTILE[:100]: [HOSTILE]})
    post(json.dumps({"action": HOSTILE, "market_data": HOSTILE}).encode())

    page = visitor.open(LIST, width=390)
    unreadable = map(url_of, Alert.objects.filter(action=""))
    for path in (LIST, url_of(hostile), *unreadable, "/admin/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hit") is None, path
        assert page.locator("#content :is([x-init], [onerror], a[href^=javascript])").count() == 0, path
        assert overflow_of(page) == 0, path

    page.goto(url_of(hostile))
    shown = page.locator("#alert-body").text_content() or ""
    assert "<script>window.hit = 1</script>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\\u202eevil\\u2066\\u200b" in shown
    assert not re.search("[\u202e\u2066\u200b]", page.content())


def test_request_shows_one_part_at_a_time(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(url_of(Alert.objects.order_by("id")[0]))

    expect(page.locator("#alert-body")).to_be_visible()
    page.get_by_text("Broker", exact=True).click()
    expect(page.locator("#alert-body")).to_be_hidden()
    expect(page.locator(".part-broker")).to_contain_text("Buy 1 MESZ6, at market, to open")


def test_dry_run_stays_beside_the_original(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(url_of(late().alert), role="operator")

    page.get_by_role("button", name="Dry-run again").click()

    expect(page.get_by_role("status")).to_contain_text("nothing was sent or written")
    expect(page.get_by_role("heading", name=re.compile("^Now"))).to_be_visible()
    expect(page.get_by_text("It did not trade. The event")).to_be_visible()


def test_viewer_has_no_dry_run_and_copies_the_message(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(url_of(late().alert), role="viewer")

    expect(page.get_by_role("button", name="Dry-run again")).to_have_count(0)
    page.get_by_role("button", name="Copy JSON").click()
    expect(page.get_by_role("button", name=re.compile("Copied|Selected"))).to_be_visible()


def test_keys_lead_to_the_older_and_the_newer_alert(visitor: Visitor, bot: Bot) -> None:
    older, newer = Alert.objects.order_by("id")[1:3]
    page = visitor.open(url_of(newer))

    page.keyboard.press("j")
    page.wait_for_url(f"**{url_of(older)}")
    page.keyboard.press("k")
    page.wait_for_url(f"**{url_of(newer)}")


def test_chart_shows_the_closes_around(visitor: Visitor, bot: Bot) -> None:
    page = visitor.open(url_of(late().alert))

    expect(page.locator("#alert-chart canvas").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(scheme: Scheme, visitor: Visitor, bot: Bot) -> None:
    paths = [LIST, url_of(late().alert), "/admin/tradedesk/decision/"]
    paths += ["/admin/reasons/", "/admin/reasons/TOO_OLD/"]
    page = visitor.open(LIST, scheme=scheme, width=390)

    for path in paths:
        page.goto(path)
        assert overflow_of(page) == 0, path
        assert findings_of(page, "#content") == [], path
