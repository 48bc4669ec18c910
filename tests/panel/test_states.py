"""What only a browser can tell of every page: that it opens without an error, fits, and grows old."""

import pytest
from django.db.models import Model
from playwright.sync_api import Route, expect

from tests.builders import make_user
from tests.panel.visiting import Visitor, overflow_of
from tests.panel_pages import all_pages, is_own, list_of, make_rows
from tradedesk.admin.cells import url_of
from tradedesk.models import Alert
from tradedesk.services.desk import Desk


@pytest.fixture
def rows(desk: Desk) -> list[Model]:
    """Return one row of every kind that the panel shows."""
    return make_rows(make_user("grace"))


def test_every_page_opens_without_an_error_and_fits(visitor: Visitor, rows: list[Model]) -> None:
    page = visitor.open("/admin/", scheme="dark")

    for path in all_pages(rows):
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(path)
        assert overflow_of(page) == 0, path
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 900})
        assert overflow_of(page) == 0, path
        assert visitor.troubles == [], path


def test_every_page_that_asks_again_is_grey_while_no_answer_comes(
    visitor: Visitor, rows: list[Model]
) -> None:
    page = visitor.open("/admin/")
    page.clock.install()
    page.route("**/*", fail_polls)
    alert = next(row for row in rows if isinstance(row, Alert))

    # Lists and rows ask for bar and banner only, each in the same way.
    for path in [*filter(is_own, all_pages(rows)), url_of(alert), list_of(Alert)]:
        page.goto(path)
        every_s = page.evaluate(
            "parseInt(document.getElementById('poll').getAttribute('hx-trigger').slice(6))"
        )
        page.clock.run_for(3_000 * every_s + 2_000)
        expect(page.locator("body")).to_have_attribute("data-stale", "")
        expect(page.locator(".stale-note")).to_contain_text("Last good 15:00:0")
    # The browser wrote down that its polls failed.
    visitor.troubles.clear()


def fail_polls(route: Route) -> None:
    """Let nothing through that an open page asks for by itself."""
    route.abort() if route.request.headers.get("hx-trigger") == "poll" else route.continue_()
