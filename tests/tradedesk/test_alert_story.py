"""What the page of an alert tells about its way, its figures and its request."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.builders import (
    at,
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_order,
    make_rejected_alert,
    make_user,
    set_held,
)
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller, post
from tests.telling import BLUE, sent
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.alert_facts import Fact, facts_of
from tradedesk.admin.alert_page import readable
from tradedesk.admin.alert_steps import steps_of
from tradedesk.admin.cells import url_of
from tradedesk.admin.words import numbers_strong, plain_figures, visible
from tradedesk.models import (
    Alert,
    AuditEntry,
    Bot,
    Decision,
    Instrument,
    Order,
    OrderStatus,
    Reason,
    Strategy,
)
from tradedesk.services.people import roles

LIST = "/admin/tradedesk/alert/"


def ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


@pytest.fixture
def traded(bot: Bot) -> Decision:
    """Return the decision of an alert whose order filled 400 ms after its receipt, a tick above the close."""
    Instrument.objects.update(fee=Decimal("0.37"))
    alert = make_alert(bot.strategy)
    state = {"current_position": "NONE", "trend_color": "BLUE", "waiting_for_reentry": "NO"}
    decision = make_decision(alert, bot, state_after=state, created_at=at(0) + ms(40))
    order = make_order(
        bot,
        decision=decision,
        position_before=0,
        average_price=Decimal("6842.50"),
        sent_at=at(0) + ms(50),
        acknowledged_at=at(0) + ms(200),
        settled_at=at(0) + ms(400),
    )
    make_fill(order, price=Decimal("6842.50"), filled_at=at(0) + ms(400))
    set_held(bot, 1, average_price="6842.50")
    return Decision.objects.select_related("bot__instrument", "bot__account", "bot__state").get()


def test_steps_stand_on_one_scale_that_begins_with_the_receipt(traded: Decision) -> None:
    found = steps_of(traded.alert, traded, list(traded.orders.all()))

    assert [(step.name, step.clock, step.delta, step.start, step.length) for step in found] == [
        ("Bar closed", "15:00:00.000", "", 0.0, 0.0),
        ("Fired", "15:00:00.000", "+0 ms", 0.0, 0.0),
        ("Received, stored", "15:00:00.000", "+0 ms", 0.0, 0.0),
        ("Decided: enter long", "15:00:00.040", "+40 ms", 0.0, 10.0),
        ("Order sent", "15:00:00.050", "+10 ms", 10.0, 2.5),
        ("Acknowledged", "15:00:00.200", "+150 ms", 12.5, 37.5),
        ("Filled", "15:00:00.400", "+200 ms", 50.0, 50.0),
    ]


@pytest.mark.parametrize(
    ("status", "last"),
    [
        (OrderStatus.UNCONFIRMED, "Not known yet"),
        (OrderStatus.WORKING, "Working at the broker"),
        (OrderStatus.REJECTED, "Rejected by the broker"),
    ],
)
def test_last_step_says_how_the_order_stands(status: OrderStatus, last: str, bot: Bot) -> None:
    decision = make_decision(make_alert(bot.strategy), bot)
    settled = at(1) if status is OrderStatus.REJECTED else None
    order = make_order(bot, decision=decision, status=status, settled_at=settled)

    assert steps_of(decision.alert, decision, [order])[-1].name == last


def test_facts_of_a_trade(traded: Decision) -> None:
    orders = list(traded.orders.prefetch_related("fills"))

    assert facts_of(traded.alert, traded, orders, at(1)) == [
        Fact("Fill", "Bought 1 @ 6,842.50", "MESZ6, 1 fill, fees $0.37"),
        Fact("Receipt to fill", "400 ms", "p50 today 400 ms"),
        Fact("Slippage", "▾ 1 tick", "0.25 pt, $1.25 against the close 6,842.25", "loss"),
        Fact("State", "Long, blue", "was flat, no colour yet"),
        Fact("Open P&L of this trade", "▾ −$1.25", "last 6,842.25, before fees", "loss"),
    ]


def test_facts_of_a_refusal_are_dashes(bot: Bot) -> None:
    decision = make_decision(make_alert(bot.strategy), bot, action="NONE", reason=Reason.HALTED)

    assert [fact.value for fact in facts_of(decision.alert, decision, [], at(1))] == [
        *("–", "0 ms", "–", "Flat, no colour yet", "–")
    ]


def test_alert_of_two_bots_tells_each_ones_story(panel: Client, bot: Bot) -> None:
    other = make_bot("other", account=make_account("second"))
    alert = make_alert(bot.strategy)
    make_decision(alert, bot)
    make_decision(alert, other, action="NONE", reason=Reason.BOT_DISABLED)

    assert "is switched off" not in panel.get(f"{url_of(alert)}?bot=mes-paper").content.decode()
    html = panel.get(f"{url_of(alert)}?bot=other").content.decode()
    assert "It did not trade. The bot or its account is switched off." in html
    assert '<a href="?bot=other" aria-current="page">' in html


def test_why_box_says_what_came_next(panel: Client, bot: Bot) -> None:
    refused = make_alert(bot.strategy)
    make_decision(refused, bot, action="NONE", reason=Reason.HALTED)
    later = make_alert(bot.strategy, "SHORT_ENTRY", fired_at=at(20))
    make_decision(later, bot, action="ENTER_SHORT", reason=Reason.TREND_RED)

    html = panel.get(url_of(refused)).content.decode()

    assert f'traded next: <a href="{url_of(later)}?bot=mes-paper">Enter short</a>' in html
    assert f'rel="next" href="{url_of(later)}"' in html
    assert f'rel="prev" href="{url_of(refused)}"' in panel.get(url_of(later)).content.decode()


def test_order_in_doubt_says_that_nobody_knows_yet(panel: Client, bot: Bot) -> None:
    decision = make_decision(make_alert(bot.strategy), bot)
    make_order(bot, decision=decision, status=OrderStatus.UNCONFIRMED, looks=3, first_look_at=at(1))

    html = panel.get(url_of(decision.alert)).content.decode()

    assert "We do not know yet what became of the order." in html
    assert "The broker was asked 3 times in vain since 23 Nov 2026, 15:01:00.000 UTC" in html


def test_request_is_kept_with_the_token_cut(panel: Client, bot: Bot) -> None:
    post(HTTP_USER_AGENT="Go-http-client/1.1", HTTP_AUTHORIZATION="Basic secret")
    (alert,) = Alert.objects.all()

    assert alert.headers == {
        "Request": "POST /webhooks/tradingview/…cdef/",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(alert.body)),
        "User-Agent": "Go-http-client/1.1",
    }
    assert "Go-http-client/1.1" in panel.get(url_of(alert)).content.decode()


@pytest.mark.parametrize(("role", "sees_it"), [(roles.VIEWER, False), (roles.OPERATOR, True)])
def test_dry_run_is_for_operators(role: str, sees_it: bool, desk: object, bot: Bot, tell: Teller) -> None:
    roles.ensure_roles()
    tell(BLUE)
    alert = Alert.objects.get()
    user, client = make_user("max"), Client()
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)

    assert ("Dry-run again" in client.get(url_of(alert)).content.decode()) is sees_it
    answer = client.post(f"{LIST}{alert.pk}/dry-run/", {"bot": bot.slug})
    assert answer.status_code == (200 if sees_it else 403)


def test_dry_run_shows_both_decisions_sends_nothing_and_is_audited(
    panel: Client, bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    clock.advance(90)
    tell(BLUE)
    clock.advance(60)
    alert = Alert.objects.get()

    html = panel.post(f"{LIST}{alert.pk}/dry-run/", {"bot": bot.slug}).content.decode()

    assert (
        html.index("<h3>Then")
        < html.index("▼</span> Late")
        < html.index("<h3>Now")
        < html.index("Would trade")
    )
    assert "<dd>Buy 1 MESZ6</dd>" in html
    assert sent(broker) == []
    assert Order.objects.count() == 0
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == ("grace", "dry-run", f"alert {alert.pk}")
    assert entry.detail == {"bot": "mes-paper", "action": "ENTER_LONG", "reason": "TREND_BLUE", "quantity": 1}


def test_dry_run_is_no_page_to_visit_and_needs_an_alert_that_was_read(panel: Client, bot: Bot) -> None:
    alert, rejected = make_alert(bot.strategy), make_rejected_alert(bot.strategy)

    assert panel.get(f"{LIST}{alert.pk}/dry-run/").headers["Location"] == url_of(alert)
    assert panel.post(f"{LIST}{rejected.pk}/dry-run/", {"bot": bot.slug}).status_code == 404
    assert panel.post(f"{LIST}{alert.pk}/dry-run/", {"bot": "nobody"}).status_code == 404


def test_page_of_no_alert_is_not_found(panel: Client) -> None:
    assert panel.get(f"{LIST}nonsense/change/").status_code == 404


def test_tabs_narrow_the_list_and_count_this_session(panel: Client, bot: Bot) -> None:
    reasons = [Reason.HALTED, Reason.TOO_OLD, Reason.SAME_COLOR]
    for minute, reason in enumerate(reasons):
        make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot, action="NONE", reason=reason)
    lost = make_decision(make_alert(bot.strategy, fired_at=at(9)), bot)
    make_order(bot, decision=lost, status=OrderStatus.LOST)

    found = {
        tab: panel.get(f"{LIST}?tab={tab}").context for tab in ("stopped", "quiet", "unresolved", "late")
    }

    assert {tab: len(context["cl"].result_list) for tab, context in found.items()} == {
        "stopped": 3,
        "quiet": 1,
        "unresolved": 1,
        "late": 1,
    }
    assert [(label, count) for _, label, count, _, _ in found["late"]["tabs"]] == [
        *(("All", 4), ("Stopped", 3), ("No action", 1), ("Unresolved", 1), ("Late", 1))
    ]


def test_source_symbol_and_day_narrow_the_list(panel: Client, bot: Bot) -> None:
    make_alert(bot.strategy)
    make_alert(bot.strategy, "DI_CROSS_UP", fired_at=at(-60 * 24))

    def rows(query: str) -> list[str]:
        return [str(row) for row in panel.get(LIST + query).context["cl"].result_list]

    assert rows("?source=di") == ["DI_CROSS_UP MES1!"]
    assert rows("?day=2026-11-23&bot=&outcome=") == ["LONG_ENTRY MES1!"]
    assert rows("?symbol=MNQ") == []
    assert len(rows("?symbol=MES&day=nonsense")) == 2


def test_empty_list_says_where_to_post_and_how_to_try(panel: Client, bot: Bot) -> None:
    Strategy.objects.update(heartbeat_at=at(-3))

    html = panel.get(LIST).content.decode()

    assert "http://testserver/webhooks/tradingview/TOKEN/" in html
    assert "./manage.py send_alert --trend blue" in html
    assert 'data-ago title="23 Nov 2026, 14:57:00.000 UTC (08:57:00 Chicago)">14:57:00 UTC' in html
    assert "No alert matches" in panel.get(f"{LIST}?source=di").content.decode()


def test_json_is_indented_only_where_nothing_else_changes() -> None:
    assert readable('{"a":"x y","b":1.50}') == '{"a":"x y","b":1.50}'
    assert readable('{"a":"1.50"}') == '{\n  "a": "1.50"\n}'
    assert readable('{"a":1,"a":2}') == '{"a":1,"a":2}'
    assert readable("[" * 100_000) == "[" * 100_000


def test_texts_are_said_plainly() -> None:
    assert (
        plain_figures("armed False, held None, ok True, Falsehood")
        == "armed no, held not known, ok yes, Falsehood"
    )
    assert numbers_strong("<b> 71.0 s") == "&lt;b&gt; <strong>71.0</strong> s"
    assert visible("a\u202eb\u200bc\x00\n") == "a\\u202eb\\u200bc\\u0000\n"


def test_cost_of_an_alerts_page_does_not_grow(panel: Client, bot: Bot) -> None:
    first = make_decision(make_alert(bot.strategy), bot)
    make_fill(make_order(bot, decision=first))

    def more() -> None:
        for _ in range(3):
            minute = Alert.objects.count()
            decision = make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot)
            make_fill(make_order(bot, decision=decision), filled_at=at(minute))

    assert cost_of(panel, url_of(first.alert), more) == 21
