import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from tests.builders import make_account
from tests.fakes import START
from tradedesk.admin.cells import url_of
from tradedesk.models import Bot, Cause, Environment, Strategy, TradingMode, TradingState
from tradedesk.services.halting import versions

HALT = '<button class="halt" name="act" value="halt">'


def switch(mode: TradingMode, scope: str = "all") -> None:
    TradingState.objects.filter(scope=scope).update(
        mode=mode, cause=Cause.PERSON, by="ada", reason="CPI <print>", since=START
    )


def kinds_of_page(rows: list[Model]) -> list[str]:
    bot = next(row for row in rows if isinstance(row, Bot))
    return [
        "/admin/",
        "/admin/tradedesk/",
        "/admin/tradedesk/alert/",
        url_of(rows[6]),
        url_of(bot),
        "/admin/tradedesk/bot/add/",
        reverse("admin:tradedesk_bot_delete", args=[bot.pk]),
        reverse("admin:tradedesk_bot_history", args=[bot.pk]),
        "/admin/kill-switch/",
        "/admin/password_change/",
        "/admin/auth/user/add/",
    ]


def test_every_kind_of_page_has_clock_state_halt_button_and_release(panel: Client, rows: list[Model]) -> None:
    release = versions.release()
    for path in kinds_of_page(rows):
        html = panel.get(path).content.decode()
        assert HALT in html, path
        assert "15:00:00 <small>UTC</small>" in html, path
        assert "Trading on" in html, path
        assert f"TradeDesk {release.version} · code {release.code} · schema {release.schema} · " in html, path
        assert 'role="alert"' not in html, path


def test_every_kind_of_page_says_that_trading_is_halted(panel: Client, rows: list[Model]) -> None:
    switch(TradingMode.HALTED)

    for path in kinds_of_page(rows):
        html = panel.get(path).content.decode()
        assert "<title> HALTED · " in html, path
        assert 'class="banner" role="alert"' in html, path
        assert "2026-11-23 15:00:00 UTC</time>: “CPI &lt;print&gt;”" in html, path


def test_new_token_page_has_the_button_too(panel: Client, rows: list[Model]) -> None:
    strategy = next(row for row in rows if isinstance(row, Strategy))

    answer = panel.post(f"/admin/tradedesk/strategy/{strategy.pk}/tokens/")

    assert HALT in answer.content.decode()


def test_blocked_entries_are_told_from_halted(panel: Client) -> None:
    switch(TradingMode.REDUCING)

    html = panel.get("/admin/").content.decode()

    assert "<title> ENTRIES BLOCKED · " in html
    assert "Trading is reduced: entries are blocked, exits go through." in html
    assert HALT in html


@pytest.mark.parametrize(
    ("environment", "chip"),
    [
        (Environment.PAPER, '<span class="mode mode-paper">Paper</span>'),
        (Environment.DEMO, '<span class="mode mode-demo">Demo</span>'),
        (Environment.LIVE, '<span class="mode mode-live">LIVE</span>'),
    ],
)
def test_chip_says_with_what_money(environment: Environment, chip: str, panel: Client) -> None:
    make_account(environment=environment)
    make_account("off", environment=Environment.LIVE, enabled=False)

    html = panel.get("/admin/").content.decode()

    assert chip in html
    assert html.count('class="mode ') == 1


def test_login_page_shows_no_state(desk: object) -> None:
    html = Client().get("/admin/login/").content.decode()

    assert "desk-bar" not in html
    assert "Trading on" not in html
