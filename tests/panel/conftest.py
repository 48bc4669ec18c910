import os
import shutil
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.builders import make_user
from tests.panel.visiting import Visitor
from tradedesk.services.desk import Desk
from tradedesk.services.people import roles

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not for the session: while Playwright runs, this thread counts as one with an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return a Chromium without a window; without one on the machine the tests say so and do not run."""
    if not CHROMIUM:
        missing = "Chromium is missing: apt-get install chromium"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, desk: Desk, live_server: LiveServer) -> Iterator[Visitor]:
    """Return what opens pages of the desk in the browser, signed in by role.

    The test fails where a page wrote an error to the console, asked another host, or was answered by a 5xx.
    """
    roles.ensure_roles()
    visitor = Visitor(browser, live_server.url, _session_of)
    yield visitor
    visitor.leave()
    assert visitor.troubles == []


def _session_of(role: str) -> str:
    """Return the session of a person in one of the desk's groups."""
    user = User.objects.filter(username=role).first() or make_user(role, is_superuser=role == roles.ADMIN)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
