"""Every page of the panel on an empty desk, without its tables, and on a halted desk."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern

from tests.panel_pages import NO_PAGES, OWN, all_pages, is_own, standing_pages
from tradedesk.admin import urls
from tradedesk.models import Cause, TradingMode, TradingState

# What a desk without rows says where rows would be, and where it leads to.
EMPTY = {
    "/admin/": "Set the desk up",
    "/admin/profit/": "No trade yet A trade is listed once a fill closed what another had opened.",
    "/admin/latency/": "No order yet Times are shown once an alert led to an order that was sent.",
    "/admin/kill-switch/": "Halting takes effect at once",
    "/admin/kill-switch/resume/": "There is nothing to resume.",
    "/admin/connections/": "Nothing was looked at yet The worker looks once a minute.",
    "/admin/setup/": "1 of 11 done",
    "/admin/limits/": "No account yet Limits belong to accounts and bots. The checklist leads",
    "/admin/reasons/TREND_BLUE/": "No alert so far.",
    "/admin/tradedesk/account/": "No account yet Paper needs nothing but a name.",
    "/admin/tradedesk/alert/": "No alert yet TradingView posts to this address",
    "/admin/tradedesk/auditentry/": "No audit entry yet What a person changes,",
    "/admin/tradedesk/bot/": "No bot yet A bot is one strategy on one account. Add an account",
    "/admin/tradedesk/botstate/": "No bot yet A position belongs to a bot",
    "/admin/tradedesk/decision/": "No decision yet Every alert is decided by each bot of its strategy",
    "/admin/tradedesk/fill/": "No fill yet A fill comes from the broker",
    "/admin/tradedesk/flattenwish/": "No flatten yet A flatten closes what a scope holds.",
    "/admin/tradedesk/incident/": "No incident yet The desk opens one where it found something",
    "/admin/tradedesk/notice/": "No notice yet Messages to people are listed here",
    "/admin/tradedesk/order/": "No order yet An order is made where an alert leads to one. Send a test alert",
    "/admin/tradedesk/strategy/": "No strategy yet A strategy is one stream of alerts",
    "/admin/tradedesk/tradingstatechange/": "No trading state change yet Each halt and each release",
    "/admin/tradedesk/webhooktoken/": "No webhook token yet A token lets alerts of one strategy in.",
    "/admin/knox/authtoken/": "No auth token yet Programs sign in to the API with one.",
}
# What has rows on a fresh desk, by the migrations or because a person is signed in, or shows none.
NEVER_EMPTY = {
    "/admin/reasons/",
    "/admin/second-factor/",
    "/admin/tradedesk/",
    "/admin/auth/",
    "/admin/knox/",
    "/admin/password_change/",
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/tradedesk/sessionrule/",
    "/admin/tradedesk/holiday/",
    "/admin/tradedesk/instrument/",
    "/admin/tradedesk/tradingstate/",
}
# The two pages about halting say it on the plain page, in red.
STATE_UNKNOWN = {"/admin/kill-switch/", "/admin/kill-switch/resume/"}
# What shows no row, or only those of the bar.
WITHOUT_ROWS = {
    "/admin/tradedesk/",
    "/admin/auth/",
    "/admin/knox/",
    "/admin/password_change/",
    "/admin/tradedesk/tradingstate/",
    "/admin/tradedesk/flattenwish/",
}
BARE_TABLE = re.compile(r"<tbody>\s*</tbody>")


def words_of(html: str) -> str:
    """Return what a person reads on a page, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_table_of_pages_has_every_address_of_the_panel() -> None:
    routes = {
        str(pattern.pattern)
        for pattern in urls.urlpatterns
        if isinstance(pattern, URLPattern) and str(pattern.pattern).startswith("admin/")
    }

    assert routes == {*OWN, *NO_PAGES}
    assert set(standing_pages()) == {*EMPTY, *NEVER_EMPTY}


def test_rows_of_the_tests_are_of_every_model_in_the_panel(rows: list[Model]) -> None:
    assert {type(row) for row in rows} == set(admin.site._registry)


def test_page_of_a_fresh_desk_says_what_to_do(panel: Client) -> None:
    for path in standing_pages():
        answer = panel.get(path)
        words = words_of(answer.content.decode())
        assert answer.status_code == 200, path
        assert EMPTY.get(path, "") in words, path
        assert not re.search(r"\bNone\b|\b0 results\b|No results", words), path
        assert not BARE_TABLE.search(answer.content.decode()), path


def test_page_of_a_halted_desk_says_so_in_banner_and_title(panel: Client, rows: list[Model]) -> None:
    TradingState.objects.filter(scope="all").update(
        mode=TradingMode.HALTED, cause=Cause.PERSON, by="ada", reason="CPI <print>"
    )

    for path in all_pages(rows):
        html = panel.get(path).content.decode()
        assert "<title> HALTED · " in html, path
        assert "Trading is halted: no order leaves. By ada: “CPI <print>”" in words_of(html), path


# What is still read where the rows of a page are not: who asks, and whether trading is on.
READABLE = ("django_session", "auth_user", "tradedesk_tradingstate", "tradedesk_flattenwish")
HALT = '<button class="halt" name="act" value="halt">'
UNREAD = "The database did not tell what belongs here, 15:00:00 UTC."
BROKEN = "This page could not be made. Trading does not depend on it."


class Unread:
    """Fails every query but those that read the tables named first."""

    def __init__(self, *readable: str) -> None:
        self._readable = readable

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        table = re.search(r'FROM "(\w+)"', sql)
        if table is None or table[1] in self._readable:
            return execute(sql, *rest)
        raise OperationalError("canceling statement due to statement timeout")


@pytest.fixture
def unlucky(panel: Client) -> Client:
    """Return the browser of an admin, which shows what is answered for an exception."""
    panel.raise_request_exception = False
    return panel


def test_page_whose_rows_cannot_be_read_says_so_and_keeps_the_trading_state(
    unlucky: Client, rows: list[Model]
) -> None:
    paths = all_pages(rows)

    with connection.execute_wrapper(Unread(*READABLE)):
        answers = {path: unlucky.get(path) for path in paths}

    for path, answer in answers.items():
        html = answer.content.decode()
        words = words_of(html)
        assert "statement timeout" not in words, path
        if path in STATE_UNKNOWN:
            assert (answer.status_code, "STATE UNKNOWN" in words) == (503, True), path
            continue
        assert "Trading on" in words, path
        if is_own(path):
            assert (answer.status_code, UNREAD in words, HALT in html) == (503, True, True), path
        elif answer.status_code != 200:
            assert (answer.status_code, BROKEN in words, 'href="/halt/"' in html) == (500, True, True), path
    assert {path for path in standing_pages() if answers[path].status_code == 200} == WITHOUT_ROWS


def test_page_says_state_unknown_where_nothing_can_be_read(unlucky: Client, rows: list[Model]) -> None:
    paths = all_pages(rows)

    with connection.execute_wrapper(Unread()):
        answers = {path: unlucky.get(path) for path in paths}

    for path, answer in answers.items():
        html = answer.content.decode()
        assert answer.status_code in {500, 503}, path
        assert "STATE UNKNOWN" in words_of(html), path
        assert 'href="/halt/"' in html, path
