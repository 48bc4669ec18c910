"""What is loaded before the first alert is answered: on Lambda somebody waits for that."""

import subprocess
import sys

import pytest
from django.contrib import admin
from django.urls import reverse

RESOLVE = """
import sys, django
django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.urls import resolve
WSGIHandler()
print(resolve("/webhooks/tradingview/token/").func.cls.__name__, *sys.modules)
"""


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """Return the view that takes alerts and the modules that a process has when it has found it."""
    found = subprocess.run([sys.executable, "-c", RESOLVE], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_alert_loads_neither_panel_nor_api_nor_what_only_a_worker_needs(loaded: list[str]) -> None:
    view, *modules = loaded

    unwanted = {
        "tradedesk.admin",
        "unfold.sites",
        "tradedesk.api.urls",
        "drf_spectacular.plumbing",
        "celery",
        "boto3",
        "apprise",
        "websockets",
    }
    assert view == "TradingViewWebhook"
    assert unwanted.isdisjoint(modules)


def test_panel_is_sound_once_its_addresses_are_loaded() -> None:
    """Django's own check of the panel may run before they are, and then has nothing to look at."""
    assert reverse("admin:index") == "/admin/"

    assert admin.site.check(None) == []
    assert len(admin.site._registry) > 20
