from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from tests.builders import make_account, make_bot
from tradedesk.admin.cells import url_of
from tradedesk.models import AuditEntry, Bot
from tradedesk.services.people.limit_changes import changes_of


@pytest.mark.parametrize(
    ("name", "before", "after", "is_looser"),
    [
        ("daily_loss", Decimal(200), Decimal(300), True),
        ("daily_loss", Decimal(200), None, True),
        ("daily_loss", None, Decimal(300), False),
        ("orders_per_day", 40, 20, False),
        ("max_clock_offset_s", 2, 3, True),
        ("margin_factor", Decimal("1.5"), Decimal(2), False),
        ("margin_factor", Decimal("1.5"), Decimal("1.2"), True),
        ("margin_factor", Decimal("1.5"), None, True),
        ("margin_factor", None, Decimal(2), False),
        ("flat_by", time(15, 8), time(15, 30), True),
        ("flat_by", time(15, 8), None, True),
        ("broker_account", "A", "B", False),
    ],
)
def test_limit_of_an_account_is_looser_when_more_can_be_lost(
    db: None, name: str, before: Any, after: Any, is_looser: bool
) -> None:
    account = make_account(**{name: before})

    (change,) = changes_of(account, [name], {name: after})

    assert (change.before, change.after, change.is_looser) == (before, after, is_looser)


@pytest.mark.parametrize(
    ("fields", "wanted", "looser"),
    [
        ({"size": 2, "max_position": 4}, {"max_position": None, "size": 2}, []),
        ({"size": 2}, {"max_position": 3, "size": 2}, ["max_position"]),
        ({"size": 1}, {"size": 2}, ["size"]),
        ({"stop_points": Decimal(10)}, {"stop_points": None}, ["stop_points"]),
        ({"stop_points": Decimal(10)}, {"stop_points": Decimal(12)}, ["stop_points"]),
        ({}, {"stop_points": Decimal(12)}, []),
        ({}, {"stop_points": Decimal(12), "risk_percent": Decimal(1)}, ["risk_percent"]),
    ],
)
def test_limit_of_a_bot_is_looser_when_more_can_be_lost(
    db: None, fields: dict[str, Any], wanted: dict[str, Any], looser: list[str]
) -> None:
    bot = make_bot(**fields)

    assert [change.name for change in changes_of(bot, list(wanted), wanted) if change.is_looser] == looser


def form_of(bot: Bot, **fields: object) -> dict[str, object]:
    return {
        "slug": bot.slug,
        "strategy": bot.strategy_id,
        "account": bot.account_id,
        "size": bot.size,
        "enabled": "on",
        "daily_loss": "200",
        **fields,
    }


def test_saving_shows_the_difference_first_and_asks_why_a_limit_is_raised(panel: Client) -> None:
    bot = make_bot(daily_loss=Decimal(200))

    html = panel.post(url_of(bot), form_of(bot, daily_loss="350.50")).content.decode()

    assert "1 change to mes-paper" in html
    assert "<strong>350.5</strong>" in html
    assert "More can be lost" in html
    assert '<input type="hidden" name="daily_loss" value="350.50">' in html
    bot.refresh_from_db()
    assert bot.daily_loss == 200
    assert not AuditEntry.objects.exists()


def test_raised_limit_is_not_saved_without_a_reason(panel: Client) -> None:
    bot = make_bot(daily_loss=Decimal(200))

    html = panel.post(
        url_of(bot), form_of(bot, daily_loss="350", confirmed="1", change_reason=" ")
    ).content.decode()

    assert "nothing was saved" in html
    bot.refresh_from_db()
    assert bot.daily_loss == 200


def test_reason_of_a_raised_limit_is_in_the_audit_log_and_on_the_page(panel: Client) -> None:
    bot = make_bot(daily_loss=Decimal(200))

    panel.post(url_of(bot), form_of(bot, daily_loss="350", confirmed="1", change_reason="CPI <b>week</b>"))

    bot.refresh_from_db()
    entry = AuditEntry.objects.get()
    assert bot.daily_loss == 350
    assert (entry.reason, entry.detail) == ("CPI <b>week</b>", {"daily_loss": ["200.00", "350"]})
    html = panel.get(url_of(bot)).content.decode()
    assert "CPI &lt;b&gt;week&lt;/b&gt;" in html
    assert "daily_loss: 200.00 → 350" in html


def test_lowered_limit_needs_no_reason(panel: Client) -> None:
    bot = make_bot(daily_loss=Decimal(200))

    panel.post(url_of(bot), form_of(bot, daily_loss="100", confirmed="1"))

    bot.refresh_from_db()
    assert bot.daily_loss == 100
