import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from tests.builders import (
    at,
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_order,
    make_strategy,
    make_token,
    set_held,
)
from tests.fakes import START, FakeBroker
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.trial_steps import of_alert
from tradedesk.models import Alert, AuditEntry, Bot, Decision, Order, WebhookToken


def path_of(bot: Bot) -> str:
    return f"/admin/setup/test/{bot.strategy_id}/"


def test_test_alert_on_paper_goes_through_the_webhook_and_trades(panel: Client, broker: FakeBroker) -> None:
    bot = make_bot()
    make_token(bot.strategy)

    answer = panel.post(path_of(bot), {"action": "LONG_ENTRY", "close": "6842.25"}, follow=True)

    html = answer.content.decode()
    alert, order = Alert.objects.get(), Order.objects.get()
    assert answer.redirect_chain == [(f"{path_of(bot)}{alert.pk}/", 302)]
    assert (alert.symbol, alert.timeframe, alert.close) == ("MES1!", "10", Decimal("6842.25"))
    assert (alert.received_at, alert.effective_at, alert.source_address) == (START, START, "127.0.0.1")
    assert json.loads(alert.body)["note"] == "test alert of grace"
    assert (order.side, order.status) == ("BUY", "filled")
    assert "mes-paper: It works: the order was filled." in html
    for step in ("Received, let in and read", "Decided: enter long", "Gate passed", "Order sent", "Filled"):
        assert step in html
    assert "Nothing more will happen by itself." in html
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail["way"]) == ("send test alert", "webhook")


@pytest.mark.django_db
def test_fill_before_the_answer_has_no_time_since_it() -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    decision = make_decision(alert, bot, created_at=alert.received_at + timedelta(milliseconds=5))
    sent, filled, answered = (alert.received_at + timedelta(milliseconds=ms) for ms in (10, 30, 40))
    order = make_order(bot, decision=decision, sent_at=sent, acknowledged_at=answered)
    make_fill(order, filled_at=filled)

    steps = of_alert(alert).bots[0].steps

    assert [(step.name, step.delta) for step in steps[-3:]] == [
        ("Order sent", "+5 ms"),
        ("Acknowledged", "+30 ms"),
        ("Filled", ""),
    ]


def test_token_of_a_test_alert_ends_with_its_answer(panel: Client, broker: FakeBroker) -> None:
    bot = make_bot()

    panel.post(path_of(bot), {"action": "LONG_ENTRY", "close": ""})

    assert Decision.objects.exists()
    assert not WebhookToken.objects.exists()


@pytest.mark.parametrize("environment", ["demo", "live"])
@pytest.mark.parametrize("enabled", [True, False])
def test_bot_that_is_not_on_paper_makes_the_test_a_dry_run(
    panel: Client, broker: FakeBroker, environment: str, enabled: bool
) -> None:
    bot = make_bot()
    account = make_account("real", environment=environment, credentials="X")
    make_bot("real", account=account, enabled=enabled)

    html = panel.post(path_of(bot), {"action": "LONG_ENTRY", "close": "6842.25"}).content.decode()

    assert f"Not on paper: real ({environment})" in html
    assert "Dry-run: enter long" in html
    assert "it would buy 1 MESZ6" in html
    assert not Alert.objects.exists()
    assert not Order.objects.exists()
    assert broker.orders == {}
    assert AuditEntry.objects.get().detail["way"] == "dry-run"


def test_dry_run_names_the_rule_that_would_refuse(panel: Client, broker: FakeBroker) -> None:
    bot = make_bot(account=make_account("demo", environment="demo", credentials="X"))

    html = panel.post(path_of(bot), {"action": "LONG_ENTRY", "close": "6842.25"}).content.decode()

    assert "Gate refused" in html
    assert "CALENDAR_UNCONFIRMED" in html


def test_list_of_addresses_makes_the_test_a_dry_run_for_others(
    panel: Client, broker: FakeBroker, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_ADDRESSES = ["52.89.214.238"]
    bot = make_bot()

    html = panel.post(path_of(bot), {"action": "LONG_ENTRY"}).content.decode()

    assert "yours is not on it" in html
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    "data", [{"action": "HEARTBEAT"}, {"action": "LONG_ENTRY", "close": "NaN"}, {"close": "<script>"}]
)
def test_odd_event_or_price_sends_nothing(panel: Client, data: dict[str, str]) -> None:
    html = panel.post(path_of(make_bot()), data).content.decode()

    assert "No test alert was sent" in html
    assert "<script>" not in html
    assert not AuditEntry.objects.exists()


def test_alert_that_trades_nothing_says_why(panel: Client, broker: FakeBroker) -> None:
    bot = make_bot()

    html = panel.post(path_of(bot), {"action": "DI_CROSS_UP"}, follow=True).content.decode()

    assert "No order was sent." in html
    assert "Decided: no action" in html


def test_test_alert_wants_the_right_to_operate(viewer: Client) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)

    assert viewer.get(path_of(bot)).status_code == 403
    assert viewer.post(path_of(bot), {"action": "LONG_ENTRY"}).status_code == 403
    assert viewer.get(f"{path_of(bot)}{alert.pk}/").status_code == 403


def test_result_of_another_strategy_s_alert_is_not_found(panel: Client) -> None:
    alert = make_alert(make_strategy("other"))

    assert panel.get(f"{path_of(make_bot())}{alert.pk}/").status_code == 404


def test_arrivals_turn_green_one_by_one_and_then_the_page_stops_asking(panel: Client) -> None:
    strategy = make_strategy()
    page = f"/admin/tradedesk/strategy/{strategy.pk}/arrivals/"

    waiting = panel.get(page)
    assert waiting.content.decode().count("Waiting for the first alert") == 5
    make_alert(strategy, "SHORT_ENTRY")
    assert "1 of 5 came" in panel.get(page).content.decode()
    for action in ("LONG_ENTRY", "DI_CROSS_UP", "DI_CROSS_DOWN"):
        make_alert(strategy, action)
    strategy.heartbeat_at = START
    strategy.save()
    done = panel.get(page)

    assert (waiting.status_code, done.status_code) == (200, 286)
    assert "All 5 came" in done.content.decode()
    assert "hx-get" not in done.content.decode()


def test_arrivals_are_for_those_who_may_see_the_strategy(viewer: Client) -> None:
    strategy = make_strategy()
    page = f"/admin/tradedesk/strategy/{strategy.pk}/arrivals/"

    assert viewer.get(page).status_code == 403
    User.objects.get(username="eve").user_permissions.set(Permission.objects.filter(codename="view_strategy"))
    assert viewer.get(page).status_code == 200


def test_bot_page_has_the_messages_with_this_desk_s_address(panel: Client) -> None:
    html = panel.get(f"/admin/tradedesk/bot/{make_bot().pk}/change/").content.decode()

    assert html.count("<code>http://testserver/webhooks/tradingview/TOKEN/</code>") == 5
    assert html.count("Once per bar close") == 5
    assert "when the lines cross, at most once in 15 min" in html
    assert "every 10 min while the market is open" in html


def test_checklist_goes_by_what_the_desk_has_seen(panel: Client, broker: FakeBroker) -> None:
    html = panel.get("/admin/setup/").content.decode()
    assert "1 of 11 done" in html

    bot = make_bot()
    make_token(bot.strategy)
    panel.post(path_of(bot), {"action": "LONG_ENTRY", "close": "6842.25"})

    html = panel.get("/admin/setup/").content.decode()
    assert "8 of 11 done" in html
    assert 'Set limits</strong> <span class="chip chip-info">' in html


def test_checklist_costs_as_much_with_more_rows(panel: Client) -> None:
    def more() -> None:
        name = f"bot-{Bot.objects.count()}"
        bot = make_bot(name, account=make_account(name), strategy=make_strategy(name))
        make_token(bot.strategy, name)
        set_held(bot, 1)

    assert cost_of(panel, "/admin/setup/", more) == 13


def test_page_of_a_bot_costs_as_much_with_more_history(panel: Client) -> None:
    bot = make_bot()

    def more() -> None:
        make_alert(bot.strategy, fired_at=at(Alert.objects.count()))
        AuditEntry.objects.create(by="ada", action="change", subject=f"bot {bot}", created_at=START)

    assert cost_of(panel, f"/admin/tradedesk/bot/{bot.pk}/change/", more) == 25
