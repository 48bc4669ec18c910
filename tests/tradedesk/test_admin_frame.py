import pytest
from django.db.models import Model
from django.test import Client

from tests.builders import make_alert, make_bot, make_decision
from tradedesk.models import Reason


def links(html: str) -> int:
    return html.count('<a class="bg-base-100')


def test_search_finds_pages_by_name(panel: Client, viewer: Client) -> None:
    assert "/admin/tradedesk/webhooktoken/" in panel.get("/admin/search/?s=webhook").content.decode()
    assert links(panel.get("/admin/search/?s=").content.decode()) == 0
    assert links(viewer.get("/admin/search/?s=webhook").content.decode()) == 0


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/halt/", "/api/docs/", "/healthz"])
def test_every_answer_says_that_nothing_may_be_loaded_from_elsewhere(
    path: str, panel: Client, rows: list[Model]
) -> None:
    policy = panel.get(path)["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "http" not in policy


def test_page_that_stands_still_asks_for_bar_and_banner_only(panel: Client) -> None:
    html = panel.get("/admin/header/", headers={"HX-Trigger": "poll"}).content.decode()

    assert html.count('hx-swap-oob="true"') == 2
    assert "<h1>" not in html


def test_sidebar_counts_the_alerts_that_were_stopped_in_this_session(panel: Client) -> None:
    bot = make_bot()
    make_decision(make_alert(bot.strategy), bot, action="NONE", reason=Reason.SAME_COLOR)
    assert "sidebar-badge" not in panel.get("/admin/").content.decode()

    make_decision(make_alert(bot.strategy, "SHORT_ENTRY"), bot, action="NONE", reason=Reason.TOO_OLD)

    assert "sidebar-badge" in panel.get("/admin/").content.decode()


def test_sidebar_shows_a_person_only_what_they_may_see(panel: Client, viewer: Client) -> None:
    page = "/admin/tradedesk/alert/"

    assert f'href="{page}"' in panel.get("/admin/").content.decode()
    assert f'href="{page}"' not in viewer.get("/admin/").content.decode()
