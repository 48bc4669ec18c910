import json
import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.utils.html import escape
from rest_framework.test import APIClient

from broker.base import BrokerNotReached
from tests.builders import (
    TOKEN,
    make_account,
    make_alert,
    make_bot,
    make_incident,
    make_order,
    make_strategy,
    make_token,
)
from tests.fakes import START, FakeBroker, FakeLinks
from tradedesk.admin.cells import url_of
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    IncidentKind,
    Strategy,
    WebhookToken,
)
from tradedesk.services.alerts.tokens import digest_of

ADD = "/admin/tradedesk/{}/add/"
INSTRUMENT = {
    "root": "M6E",
    "name": "Micro euro",
    "exchange": "CME",
    "tick_size": "0.0001",
    "point_value": "12500",
    "months": "HMUZ",
    "settlement": "delivery",
    "last_trading_day": "Two days before the third Wednesday",
    "pinned_contract": "",
    "opening_days": 5,
    "flat_days": 3,
    "group": "",
    "group_weight": 1,
}


def entry() -> tuple[str, str, str, object, str]:
    """Return the newest audit entry: who, what, to what, how, and from where."""
    newest = AuditEntry.objects.order_by("-id")[0]
    return newest.by, newest.action, newest.subject, newest.detail, newest.source_address


def bot_data(bot: Bot, **fields: object) -> dict[str, object]:
    return {
        "slug": bot.slug,
        "strategy": bot.strategy_id,
        "account": bot.account_id,
        "size": bot.size,
        "max_position": "",
        "enabled": "on",
        "confirmed": "1",
        "change_reason": "a wider week",
        **fields,
    }


def test_new_account_is_written_down(panel: Client) -> None:
    panel.post(
        ADD.format("account"),
        {"name": "demo1", "environment": "demo", "credentials": "TRADOVATE", "enabled": "on"},
    )

    assert Account.objects.get().environment == "demo"
    who, action, subject, detail, address = entry()
    assert (who, action, subject, address) == ("grace", "create", "account demo1", "127.0.0.1")
    assert detail == {
        "name": [None, "demo1"],
        "environment": [None, "demo"],
        "broker_account": [None, ""],
        "credentials": [None, "TRADOVATE"],
        "sign_off_anew": [None, False],
        "enabled": [None, True],
    }


def test_new_instrument_is_written_down(panel: Client) -> None:
    panel.post(ADD.format("instrument"), INSTRUMENT)

    assert entry()[:3] == ("grace", "create", "instrument M6E")


def test_changed_bot_is_written_down_with_old_and_new(panel: Client) -> None:
    bot = make_bot()

    panel.post(url_of(bot), bot_data(bot, size=2, max_position=4))

    bot.refresh_from_db()
    assert (bot.size, bot.max_position) == (2, 4)
    assert entry() == (
        "grace",
        "change",
        "bot mes-paper",
        {"size": [1, 2], "max_position": [None, 4]},
        "127.0.0.1",
    )


def test_saving_without_a_change_writes_nothing(panel: Client) -> None:
    bot = make_bot()

    panel.post(url_of(bot), bot_data(bot))

    assert not AuditEntry.objects.exists()


def test_new_bot_trades_its_strategys_instrument(panel: Client) -> None:
    strategy, account = make_strategy(root="MNQ"), make_account()

    panel.post(
        ADD.format("bot"),
        {"slug": "mnq", "strategy": strategy.pk, "account": account.pk, "size": 1, "enabled": "on"},
    )

    assert Bot.objects.get().instrument.root == "MNQ"


def test_second_bot_for_an_instrument_of_an_account_is_refused(panel: Client) -> None:
    bot = make_bot()

    answer = panel.post(ADD.format("bot"), bot_data(bot, slug="second"))

    assert answer.status_code == 200
    assert "paper trades MES with mes-paper already, and the broker nets." in answer.content.decode()
    assert Bot.objects.count() == 1


def test_limit_below_the_size_is_refused(panel: Client) -> None:
    bot = make_bot()

    answer = panel.post(url_of(bot), bot_data(bot, size=3, max_position=2))

    assert "It must be at least the size" in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"target_points": 20}, "A target and a risk need a stop."),
        ({"risk_percent": 1}, "A target and a risk need a stop."),
        ({"stop_points": "0.2"}, "It must be at least a tick of the instrument."),
        ({"stop_points": ""}, "A stop waits at the broker: close the position first."),
    ],
)
def test_stop_that_makes_no_sense_is_refused(panel: Client, fields: dict[str, object], sentence: str) -> None:
    bot = make_bot(stop_points=Decimal(10))
    make_order(bot, purpose="stop", side="SELL", price=Decimal(6832), status="working")

    answer = panel.post(url_of(bot), bot_data(bot, **fields))

    assert sentence in answer.content.decode()


def test_stop_target_and_risk_are_set_in_the_panel(panel: Client) -> None:
    bot = make_bot()

    panel.post(url_of(bot), bot_data(bot, stop_points="10.25", target_points="20", risk_percent="0.5"))

    bot.refresh_from_db()
    assert (bot.stop_points, bot.target_points, bot.risk_percent) == (
        Decimal("10.25"),
        Decimal(20),
        Decimal("0.5"),
    )


def test_bot_with_history_keeps_its_account(panel: Client, rows: list[Model]) -> None:
    bot, other = rows[0], make_account("other")
    assert isinstance(bot, Bot)

    panel.post(url_of(bot), bot_data(bot, account=other.pk))

    bot.refresh_from_db()
    assert bot.account.name == "paper"


def test_odd_timeframe_is_refused(panel: Client) -> None:
    strategy = make_strategy()

    answer = panel.post(
        url_of(strategy),
        {
            "slug": "mes-trend",
            "instrument": strategy.instrument_id,
            "trend_timeframe": "ten",
            "di_timeframe": "15",
        },
    )

    assert "Write it as TradingView does" in answer.content.decode()


def test_password_of_a_new_person_is_not_written_down(panel: Client) -> None:
    password = {"usable_password": "true", "password1": "Tr4de-Desk-9", "password2": "Tr4de-Desk-9"}

    panel.post("/admin/auth/user/add/", {"username": "bob", **password})

    assert User.objects.filter(username="bob").exists()
    assert entry()[:4] == ("grace", "create", "user bob", {"username": [None, "bob"]})


def test_new_token_is_shown_once_with_all_there_is_to_paste(panel: Client) -> None:
    strategy = make_strategy()

    answer = panel.post(f"/admin/tradedesk/strategy/{strategy.pk}/tokens/")

    html = answer.content.decode()
    found = re.search(r"http://testserver/webhooks/tradingview/([\w-]+)/", html)
    assert found is not None
    token = found[1]
    row = WebhookToken.objects.get()
    assert (row.digest, row.last_four, row.created_at) == (digest_of(token), token[-4:], START)
    assert "no-store" in answer["Cache-Control"]
    assert token not in panel.get(url_of(strategy)).content.decode()
    assert entry()[:4] == (
        "grace",
        "new webhook token",
        "strategy mes-trend",
        {"last_four": token[-4:]},
    )


def test_messages_to_paste_are_the_five_of_the_contract(panel: Client) -> None:
    strategy = make_strategy()

    messages = panel.get(url_of(strategy)).context["alert_messages"]

    assert [json.loads(message.text)["action"] for message in messages] == [
        "LONG_ENTRY",
        "SHORT_ENTRY",
        "DI_CROSS_UP",
        "DI_CROSS_DOWN",
        "HEARTBEAT",
    ]
    assert json.loads(messages[0].text) == {
        "action": "LONG_ENTRY",
        "indicator": "Trend_Validator",
        "signal": {"type": "ENTRY", "direction": "LONG", "trigger": "COLOR_CHANGE_BLUE"},
        "market_data": {
            "symbol": "{{ticker}}",
            "exchange": "{{exchange}}",
            "timeframe": "{{interval}}",
            "timestamp": "{{time}}",
            "timenow": "{{timenow}}",
        },
        "price_data": {
            "open": "{{open}}",
            "high": "{{high}}",
            "low": "{{low}}",
            "close": "{{close}}",
            "volume": "{{volume}}",
        },
    }
    assert "{{ticker}}" in panel.get(url_of(strategy)).content.decode()


def test_third_valid_token_is_refused(panel: Client) -> None:
    strategy = make_strategy()
    for _ in range(2):
        panel.post(f"/admin/tradedesk/strategy/{strategy.pk}/tokens/")

    answer = panel.post(f"/admin/tradedesk/strategy/{strategy.pk}/tokens/", follow=True)

    assert "No token was made. Two tokens of the strategy are valid." in answer.content.decode()
    assert WebhookToken.objects.count() == 2


def test_revoked_token_lets_nothing_in(panel: Client) -> None:
    strategy = make_strategy()
    token = make_token(strategy)

    panel.post(f"/admin/tradedesk/strategy/{strategy.pk}/tokens/{token.pk}/revoke/")

    token.refresh_from_db()
    assert token.revoked_at == START
    assert APIClient().post(f"/webhooks/tradingview/{TOKEN}/", {}, format="json").status_code == 403
    assert entry()[1:4] == ("revoke webhook token", "strategy mes-trend", {"last_four": TOKEN[-4:]})


def test_token_of_another_strategy_is_not_found(panel: Client) -> None:
    token = make_token(make_strategy())
    other = make_strategy("other")

    assert panel.post(f"/admin/tradedesk/strategy/{other.pk}/tokens/{token.pk}/revoke/").status_code == 404


def test_tokens_are_made_by_post_and_with_the_right_only(panel: Client, viewer: Client) -> None:
    strategy = make_strategy()
    token = make_token(strategy)
    paths = [
        f"/admin/tradedesk/strategy/{strategy.pk}/tokens/",
        f"/admin/tradedesk/strategy/{strategy.pk}/tokens/{token.pk}/revoke/",
    ]

    for path in paths:
        assert panel.get(path).status_code == 405
        assert viewer.post(path).status_code == 403
    assert WebhookToken.objects.filter(revoked_at=None).count() == 1


def test_person_without_rights_sees_no_row(viewer: Client, rows: list[Model]) -> None:
    for row in rows:
        assert viewer.get(url_of(row)).status_code == 403
        assert viewer.get(url_of(row).split(str(row.pk))[0]).status_code == 403


def test_person_with_the_right_to_view_sees_rows_and_no_button(viewer: Client) -> None:
    strategy = make_strategy()
    make_token(strategy)
    alert = make_alert(strategy)
    eve = User.objects.get(username="eve")
    eve.user_permissions.set(Permission.objects.filter(codename__in=["view_alert", "view_strategy"]))

    assert viewer.get(url_of(alert)).status_code == 200
    html = viewer.get(url_of(strategy)).content.decode()
    assert "Make a new token" not in html
    assert "Revoke" not in html
    assert 'name="_save"' not in html
    assert viewer.get(ADD.format("strategy")).status_code == 403


def test_incident_is_resolved_with_a_reason(panel: Client) -> None:
    incident = make_incident(make_bot(), IncidentKind.AMBIGUOUS_EVENTS)

    html = panel.post(
        f"/admin/tradedesk/incident/{incident.pk}/resolve/", {"reason": "looked", "resolve": "1"}, follow=True
    ).content.decode()

    incident.refresh_from_db()
    assert (incident.closed_by, incident.closing_reason) == ("grace", "looked")
    assert "The incident is resolved." in html
    assert "Closed by grace: looked" in html
    assert entry()[1:3] == ("resolve incident", str(incident.pk))


def test_brokers_position_is_adopted(panel: Client, broker: FakeBroker) -> None:
    bot = make_bot()
    broker.hold("MESZ6", 3)
    incident = make_incident(bot)

    html = panel.post(
        f"/admin/tradedesk/incident/{incident.pk}/resolve/", {"reason": "mine", "adopt": "1"}, follow=True
    ).content.decode()

    bot.state.refresh_from_db()
    assert bot.state.quantity == 3
    assert escape("The broker's position is the bot's now.") in html


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (IncidentKind.POSITION_MISMATCH, {"resolve": "1"}, "write down the reason"),
        (IncidentKind.POSITION_MISMATCH, {"adopt": "1", "reason": "x"}, "could not be read"),
        (IncidentKind.FOREIGN_ORDER, {"adopt": "1", "reason": "x"}, "no position to adopt"),
    ],
)
def test_incident_stays_open_and_the_page_says_why(
    kind: IncidentKind, data: dict[str, str], sentence: str, panel: Client, links: FakeLinks
) -> None:
    links.down["paper"] = BrokerNotReached("refused")
    incident = make_incident(make_bot(), kind)

    html = panel.post(f"/admin/tradedesk/incident/{incident.pk}/resolve/", data, follow=True).content.decode()

    incident.refresh_from_db()
    assert incident.closed_at is None
    assert sentence in html


def test_incident_is_settled_by_post_and_with_the_right_only(panel: Client, viewer: Client) -> None:
    incident = make_incident(make_bot())
    path = f"/admin/tradedesk/incident/{incident.pk}/resolve/"

    assert panel.get(path).status_code == 405
    assert viewer.post(path, {"reason": "x"}).status_code == 403
    assert Strategy.objects.count() == 1


def test_adopting_is_offered_for_a_position_only(panel: Client) -> None:
    bot = make_bot()
    mismatch = make_incident(bot)
    other = make_incident(bot, IncidentKind.ORDER_UNCONFIRMED)

    assert 'name="adopt"' in panel.get(url_of(mismatch)).content.decode()
    assert 'name="adopt"' not in panel.get(url_of(other)).content.decode()


def test_limits_of_a_bot_are_set_and_written_down(panel: Client) -> None:
    bot = make_bot()

    panel.post(url_of(bot), bot_data(bot, orders_per_day=40, daily_loss="250.5"))

    bot.refresh_from_db()
    assert (bot.orders_per_day, bot.daily_loss) == (40, Decimal("250.50"))
    assert entry()[3] == {"orders_per_day": [None, 40], "daily_loss": [None, "250.5"]}


@pytest.mark.parametrize(("name", "value"), [("orders_per_day", 0), ("daily_loss", 0), ("losing_streak", -1)])
def test_limit_below_one_is_refused(panel: Client, name: str, value: int) -> None:
    bot = make_bot()

    page = panel.post(url_of(bot), bot_data(bot, **{name: value}))

    assert name in page.context["adminform"].form.errors


def test_page_of_an_account_shows_the_broker_s_figures(panel: Client) -> None:
    account = make_account(
        cash={"net_liquidation": "49880.1", "profit": "-119.9"}, cash_read_at="2026-11-23T15:00:00Z"
    )

    html = panel.get(url_of(account)).content.decode()

    assert "value 49,880.10, profit of the session −119.90, margin in use –" in html
    assert "read 23 Nov 2026, 15:00:00.000 UTC" in html


def test_fee_and_margin_are_read_at_the_press_of_a_button(panel: Client, broker: FakeBroker) -> None:
    instrument = make_bot().instrument
    action = {"action": "read_costs", "_selected_action": str(instrument.pk)}

    page = panel.post("/admin/tradedesk/instrument/", action, follow=True)
    assert "Fee and margin of every instrument in use were read." in page.content.decode()
    instrument.refresh_from_db()
    assert (instrument.fee, instrument.initial_margin) == (Decimal("0.85"), Decimal(2398))

    broker.fail("costs", BrokerNotReached("connection refused"))
    page = panel.post("/admin/tradedesk/instrument/", action, follow=True)
    assert "1 could not be read" in page.content.decode()
