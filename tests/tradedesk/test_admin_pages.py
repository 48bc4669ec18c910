import pytest
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from tests.builders import make_alert, make_bot, make_decision, make_order
from tradedesk.admin import base
from tradedesk.admin.base import AtLeast, CappedPaginator, PanelAdmin
from tradedesk.admin.cells import url_of
from tradedesk.models import Alert, AuditEntry, Bot, BotState, Decision, Fill, Incident, Order, TradingState

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
DESK_MODELS = ["alert", "decision", "order", "fill", "incident", "bot"]


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_every_model_of_the_desk_is_in_the_panel() -> None:
    names = {model.__name__ for model in MODELS if model._meta.app_label == "tradedesk"}

    assert names == {
        "Account",
        "Alert",
        "AuditEntry",
        "Bot",
        "BotState",
        "Decision",
        "Fill",
        "FlattenWish",
        "Holiday",
        "Incident",
        "Instrument",
        "Notice",
        "Order",
        "SessionRule",
        "Strategy",
        "TradingState",
        "TradingStateChange",
        "WebhookToken",
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_page_class_has_the_one_base(model: type[Model]) -> None:
    assert isinstance(admin.site._registry[model], PanelAdmin)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("tradedesk/auditentry", "Audit log"),
        ("tradedesk/instrument", "Symbols"),
        ("knox/authtoken", "API tokens"),
        ("auth/user", "People"),
    ],
)
def test_list_has_the_name_that_the_sidebar_gives_it(path: str, title: str, panel: Client) -> None:
    assert f"<h1>{title}</h1>" in panel.get(f"/admin/{path}/").content.decode()


def test_empty_list_says_whether_something_narrows_it(panel: Client) -> None:
    empty = panel.get("/admin/tradedesk/fill/").content.decode()
    narrowed = panel.get("/admin/tradedesk/fill/?side__exact=BUY").content.decode()

    assert "No fill yet" in empty
    assert "Show all" not in empty
    assert "No fill matches" in narrowed
    assert '<a href="?">Show all fills</a>' in narrowed


def test_page_of_a_decision_says_the_states_in_words(panel: Client) -> None:
    bot = make_bot()
    state = {
        "current_position": "LONG",
        "trend_color": "BLUE",
        "waiting_for_reentry": "NO",
        "last_updated": "2026-11-23T15:10:00.791072Z",
    }
    decision = make_decision(make_alert(bot.strategy), bot, state_after=state)

    html = panel.get(url_of(decision)).content.decode()

    assert '<td data-label="Position">Flat</td>' in html
    assert '<td data-label="Updated">never</td>' in html
    assert '<td data-label="Position">Long</td>' in html
    assert '<td data-label="Waiting">No</td>' in html
    assert '<td data-label="Updated">2026-11-23 15:10:00</td>' in html


# The list of positions is a page of its own.
@pytest.mark.parametrize(
    "model", [model for model in MODELS if model is not BotState], ids=lambda model: model._meta.label
)
def test_list_opens(model: type[Model], panel: Client, rows: list[Model]) -> None:
    answer = panel.get(list_url(model))

    assert answer.status_code == 200
    assert answer.context["cl"].result_count >= 1


def test_page_of_every_row_opens(panel: Client, rows: list[Model]) -> None:
    for row in rows:
        assert panel.get(url_of(row)).status_code == 200, row


def test_rows_link_to_each_other(panel: Client, rows: list[Model]) -> None:
    found: dict[type[Model], Model] = {type(row): row for row in reversed(rows)}
    linked: dict[type[Model], list[type[Model]]] = {
        Alert: [Decision, Order, Fill, Incident, Bot],
        Decision: [Alert, Order, Bot],
        Order: [Alert, Decision, Fill, Bot],
        Fill: [Order, Bot],
        Bot: [Decision, Incident],
        Incident: [Bot],
        TradingState: [Bot],
    }

    for model, others in linked.items():
        html = panel.get(url_of(found[model])).content.decode()
        assert [other for other in others if f'href="{url_of(found[other])}"' not in html] == [], model


def test_lists_cost_the_same_with_five_rows_and_with_thirty(
    panel: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bot = make_bot()
    # Session, person, header, badge, count, rows, bots for the filter; then what each line shows. The list of
    # alerts also reads its tabs, the symbols and the last heartbeat.
    costs = {"alert": 12, "decision": 8, "order": 8, "fill": 10, "incident": 7, "bot": 7}

    for wanted in (5, 30):
        for minute in range(Alert.objects.count(), wanted):
            _trade(bot, minute)
        for name in DESK_MODELS:
            with django_assert_num_queries(costs[name]):
                panel.get(reverse(f"admin:tradedesk_{name}_changelist"))


def _trade(bot: Bot, minute: int) -> None:
    from tests.builders import at, make_fill, make_incident

    decision = make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot)
    make_fill(make_order(bot, decision=decision))
    make_incident(bot, subject=f"{bot.slug} {minute}")


def test_list_never_counts_further_than_the_cap(
    panel: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(base, "COUNT_CAP", 3)
    for number in range(5):
        AuditEntry.objects.create(
            by="ada", action="flatten", subject=str(number), created_at="2026-11-23T15:00Z"
        )

    with django_assert_num_queries(1) as queries:
        count = CappedPaginator(AuditEntry.objects.all(), 25).count

    assert (count, str(count)) == (3, "more than 3")
    assert "LIMIT 4" in queries.captured_queries[0]["sql"]
    assert "more than 3" in panel.get(list_url(AuditEntry)).content.decode()


def test_short_list_is_counted_exactly(db: None) -> None:
    assert CappedPaginator(AuditEntry.objects.all(), 25).count == 0
    assert CappedPaginator([1, 2, 3], 25).count == 3
    assert isinstance(AtLeast(3), int)
    assert issubclass(CappedPaginator, Paginator)


@pytest.mark.parametrize("path", ["/admin/", "/admin/tradedesk/alert/", "/admin/kill-switch/"])
def test_page_asks_no_other_host_and_has_no_inline_script(
    path: str, panel: Client, rows: list[Model]
) -> None:
    html = panel.get(path).content.decode()

    assert "<script>" not in html
    assert 'src="http' not in html
    assert 'href="http' not in html
    assert " style=" not in html
