import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.builders import make_account, make_bot, make_strategy, make_token
from tradedesk.admin.cells import url_of
from tradedesk.models import (
    Account,
    Alert,
    AuditEntry,
    Bot,
    BotState,
    Decision,
    Fill,
    Incident,
    Notice,
    Order,
    Strategy,
    TradingState,
    TradingStateChange,
    WebhookToken,
)

HISTORY = [
    Alert,
    Decision,
    Order,
    Fill,
    Incident,
    Notice,
    AuditEntry,
    TradingState,
    TradingStateChange,
    BotState,
    WebhookToken,
]
IDS = [model.__name__ for model in HISTORY]


def url(model: type[Model], page: str) -> str:
    return reverse(f"admin:tradedesk_{model._meta.model_name}_{page}")


@pytest.mark.parametrize("model", HISTORY, ids=IDS)
def test_history_cannot_be_added(model: type[Model], panel: Client) -> None:
    assert panel.get(url(model, "add")).status_code == 403
    assert panel.post(url(model, "add"), {}).status_code == 403


@pytest.mark.parametrize("model", HISTORY, ids=IDS)
def test_history_cannot_be_changed(model: type[Model], panel: Client, rows: list[Model]) -> None:
    row = next(row for row in rows if isinstance(row, model))
    before = model._default_manager.filter(pk=row.pk).values().get()

    html = panel.get(url_of(row)).content.decode()
    answer = panel.post(url_of(row), {"reason": "changed", "scope": "changed", "body": "changed"})

    assert 'name="_save"' not in html
    assert answer.status_code == 403
    assert model._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("model", HISTORY, ids=IDS)
def test_history_cannot_be_deleted(model: type[Model], panel: Client, rows: list[Model]) -> None:
    row = next(row for row in rows if isinstance(row, model))
    page = reverse(f"admin:tradedesk_{model._meta.model_name}_delete", args=[row.pk])
    bulk = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}

    assert panel.get(page).status_code == 403
    assert panel.post(page, {"post": "yes"}).status_code == 403
    panel.post(url(model, "changelist"), bulk)

    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", HISTORY, ids=IDS)
def test_history_offers_no_action_and_no_inline(model: type[Model], panel: Client, admin_user: User) -> None:
    request = RequestFactory().get("/")
    request.user = admin_user
    page = admin.site._registry[model]

    assert page.get_actions(request) == {}
    assert page.inlines == ()
    assert page.list_editable == ()
    assert "delete_selected" not in panel.get(url(model, "changelist")).content.decode()


def test_no_page_class_at_all_has_inlines() -> None:
    assert [page for page in admin.site._registry.values() if page.inlines] == []


@pytest.mark.parametrize("model", [Bot, Account, Strategy], ids=lambda model: model.__name__)
def test_row_with_history_stays_and_the_page_says_why(
    model: type[Model], panel: Client, rows: list[Model]
) -> None:
    row = next(row for row in rows if isinstance(row, model))
    page = reverse(f"admin:tradedesk_{model._meta.model_name}_delete", args=[row.pk])
    bulk = {"action": "delete_selected", "_selected_action": [str(row.pk)]}

    html = panel.get(page).content.decode()
    panel.post(page, {"post": "yes"})
    bulk_html = panel.post(url(model, "changelist"), bulk).content.decode()
    panel.post(url(model, "changelist"), {**bulk, "post": "yes"})

    assert f"{row} has " in html
    assert "history is kept for good." in html
    assert "history is kept for good." in bulk_html
    assert model._default_manager.filter(pk=row.pk).exists()


def test_bot_without_history_can_be_deleted_and_it_is_written_down(panel: Client) -> None:
    bot = make_bot()

    panel.post(reverse("admin:tradedesk_bot_delete", args=[bot.pk]), {"post": "yes"})

    assert not Bot.objects.exists()
    assert not TradingState.objects.filter(scope="bot:mes-paper").exists()
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == ("grace", "delete", "bot mes-paper")


def test_unused_account_and_strategy_can_be_deleted_in_bulk(panel: Client) -> None:
    account, strategy = make_account(), make_strategy()
    make_token(strategy)

    for row in (account, strategy):
        bulk = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
        panel.post(url(type(row), "changelist"), bulk)

    assert not Account.objects.exists()
    assert not Strategy.objects.exists()
    assert [entry.subject for entry in AuditEntry.objects.order_by("id")] == [
        "account paper",
        "strategy mes-trend",
    ]
