from datetime import timedelta

import pytest
from django.test import Client
from django.utils.html import escape

from tests.builders import (
    at,
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_incident,
    make_order,
    make_rejected_alert,
    make_strategy,
)
from tradedesk.admin.cells import url_of
from tradedesk.models import Alert, IncidentKind, OrderStatus, Reason

LIST = "/admin/tradedesk/alert/"
HOSTILE = (
    "<script>alert(1)</script>{{7*7}}{% load static %}"
    '<div x-data="{a:1}" x-init="fetch(\'/halt/\')" onclick="x()"></div>'
)


def shown(panel: Client, query: str = "", path: str = LIST) -> list[str]:
    """Return the rows of a list in words."""
    return [str(row) for row in panel.get(path + query).context["cl"].result_list]


def test_list_says_what_happened_in_words(panel: Client) -> None:
    bot = make_bot()
    decision = make_decision(make_alert(bot.strategy), bot)
    make_order(bot, decision=decision, acknowledged_at=at(0) + timedelta(milliseconds=161))

    html = panel.get(LIST).content.decode()

    assert "2026-11-23 15:00:00" in html
    assert "Trend turned blue, MES1!, 10 min" in html
    assert "Filled" in html
    assert '<td data-label="Bot">mes-paper</td>' in html
    assert "<strong>Enter long.</strong> The trend turned blue. Bought 1 MESZ6 @ 6,842.25." in html
    assert "161 ms" in html


def test_list_has_no_add_button(panel: Client) -> None:
    assert "/admin/tradedesk/alert/add/" not in panel.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("filled", ["filled", "part"]),
        ("working", ["working"]),
        ("no_action", ["quiet"]),
        ("refused", ["denied", "refused"]),
        ("rejected", ["rejected"]),
        ("late", ["late"]),
        ("unresolved", ["unresolved"]),
        ("undecided", ["undecided"]),
        ("invalid", [""]),
    ],
)
def test_outcome_filter_shows_only_alerts_that_came_out_so(
    outcome: str, expected: list[str], panel: Client
) -> None:
    bot = make_bot()
    statuses = {
        "filled": OrderStatus.FILLED,
        "part": OrderStatus.PARTIALLY_FILLED,
        "working": OrderStatus.WORKING,
        "rejected": OrderStatus.REJECTED,
        "unresolved": OrderStatus.UNCONFIRMED,
        "denied": OrderStatus.DENIED,
    }
    reasons = {"quiet": Reason.SAME_COLOR, "late": Reason.TOO_OLD, "refused": Reason.HALTED}
    for minute, (name, status) in enumerate(statuses.items()):
        alert = make_alert(bot.strategy, fired_at=at(minute), symbol=name)
        make_order(bot, decision=make_decision(alert, bot), status=status)
    for minute, (name, reason) in enumerate(reasons.items()):
        alert = make_alert(bot.strategy, fired_at=at(minute), symbol=name)
        make_decision(alert, bot, action="NONE", reason=reason)
    make_alert(bot.strategy, symbol="undecided")
    make_rejected_alert(bot.strategy)

    page = panel.get(f"{LIST}?outcome={outcome}").context["cl"].result_list

    assert sorted(alert.symbol for alert in page) == expected


def test_reason_filter_shows_only_alerts_with_that_reason(panel: Client) -> None:
    bot = make_bot()
    make_decision(make_alert(bot.strategy), bot)
    make_decision(make_alert(bot.strategy, "SHORT_ENTRY"), bot, action="NONE", reason=Reason.TOO_OLD)

    assert shown(panel, "?reason=TOO_OLD") == ["SHORT_ENTRY MES1!"]
    assert shown(panel, "?reason=TOO_OLD", "/admin/tradedesk/decision/") == ["NONE (TOO_OLD)"]


def test_bot_filter_shows_only_alerts_that_the_bot_decided(panel: Client) -> None:
    bot, other = make_bot(), make_bot("other", account=make_account("second"))
    make_decision(make_alert(bot.strategy), bot)
    make_decision(make_alert(bot.strategy, "SHORT_ENTRY"), other)

    assert shown(panel, "?bot=other") == ["SHORT_ENTRY MES1!"]
    assert shown(panel, "?bot=other", "/admin/tradedesk/order/") == []


def test_period_filter_goes_by_the_desks_clock(panel: Client) -> None:
    strategy = make_strategy()
    make_alert(strategy, fired_at=at(-90))
    make_alert(strategy, "SHORT_ENTRY", fired_at=at(-30))
    make_alert(strategy, "DI_CROSS_UP", fired_at=at(-60 * 24 * 8))

    assert shown(panel, "?period=hour") == ["SHORT_ENTRY MES1!"]
    assert sorted(shown(panel, "?period=day")) == ["LONG_ENTRY MES1!", "SHORT_ENTRY MES1!"]
    assert len(shown(panel)) == 3


def test_unknown_filter_value_shows_everything(panel: Client) -> None:
    make_alert(make_strategy())

    assert shown(panel, "?outcome=nonsense&reason=nonsense&period=nonsense") == ["LONG_ENTRY MES1!"]


def test_page_says_why_and_what_to_do(panel: Client) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    make_decision(
        alert, bot, action="NONE", reason=Reason.TOO_OLD, detail={"figures": "71.0 s old, at most 60 s"}
    )
    make_incident(bot, IncidentKind.AMBIGUOUS_EVENTS)

    html = panel.get(url_of(alert)).content.decode()

    assert "<h1>Trend turned blue, MES1!, 10 min</h1>" in html
    assert "It did not trade. The event that calls for this opening is too old." in html
    assert escape("The next colour change enters. Look at TradingView's delay and MAX_ALERT_AGE_S.") in html
    assert "<strong>71.0</strong> s old, at most <strong>60</strong> s" in html
    assert f'href="{LIST}?reason=TOO_OLD"' in html
    assert 'href="/admin/reasons/TOO_OLD/"' in html
    assert "TradingView&#x27;s side: the alert, its chart, or its way to the desk." in html
    assert "23 Nov 2026, 15:00:00.000 UTC (09:00:00 Chicago)" in html
    assert "Two opposite events of one indicator have the same time" in html
    assert html.index("is too old") < html.index("<h2>Timeline")


def test_pages_show_every_rule_of_the_gate_with_its_figures(panel: Client) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    detail = {
        "figures": "71.0 s old, at most 60 s",
        "rules": [
            ["HALTED", "P1", True, "trading state ACTIVE"],
            ["TOO_OLD", "P7", False, "71.0 s old, at most 60 s"],
        ],
        "closing_rules": [["NOT_TOWARD_FLAT", "P6", True, "order -1, broker holds +1"]],
    }
    decision = make_decision(alert, bot, reason=Reason.TOO_OLD, detail=detail)

    pages = [panel.get(url_of(row)).content.decode() for row in (alert, decision)]

    for html in pages:
        assert "Rules of the gate <small>1 of 2 passed</small>" in html
        assert "Rules of the gate, for the closing half <small>1 of 1 passed</small>" in html
        assert "trading state ACTIVE" in html
        assert "age of the event" in html.lower()
    alert_html, decision_html = pages
    # On the alert's page what failed comes first.
    assert alert_html.index("P7 TOO_OLD") < alert_html.index("P1 HALTED") < alert_html.index("P6 NOT_TOWARD")
    assert decision_html.index("P1 HALTED") < decision_html.index("P7 TOO_OLD")


def test_page_of_a_decision_that_needed_no_gate_shows_no_rules(panel: Client) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    decision = make_decision(alert, bot, reason=Reason.SAME_COLOR)

    assert "Rules of the gate" not in panel.get(url_of(alert)).content.decode()
    assert "Rules of the gate" not in panel.get(url_of(decision)).content.decode()


def test_page_shows_order_fill_and_the_state_before_and_after(panel: Client) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    after = {"current_position": "LONG", "trend_color": "BLUE", "waiting_for_reentry": "NO"}
    order = make_order(bot, decision=make_decision(alert, bot, state_after=after))
    fill = make_fill(order)

    html = panel.get(url_of(alert)).content.decode()

    assert "Flat, no colour yet" in html
    assert "Long, blue" in html
    assert f'<a href="{url_of(order)}">Bought 1 MESZ6 @ 6,842.25</a>' in html
    assert f'<a href="{url_of(fill)}">1 @ 6,842.25</a>' in html


def test_page_of_a_rejected_alert_names_the_field(panel: Client) -> None:
    alert = make_rejected_alert(make_strategy(), errors={"signal.type": ["Contradicts the action."]})

    html = panel.get(url_of(alert)).content.decode()

    assert "It was no alert the desk could read" in html
    assert "<dt>signal.type</dt><dd>Contradicts the action.</dd>" in html
    assert "signal.type: Contradicts the action." in panel.get(LIST).content.decode()


def test_hostile_message_is_shown_as_text(panel: Client) -> None:
    strategy = make_strategy()
    alert = make_alert(strategy, body=HOSTILE, symbol="<b>x</b>", contract='"><i>', exchange="{{7*7}}")
    rejected = make_rejected_alert(
        strategy, body=HOSTILE, errors={"<script>alert(2)</script>": ["{{7*7}}<img src=x>"]}
    )

    for path in (url_of(alert), url_of(rejected), LIST, "/admin/"):
        html = panel.get(path).content.decode()
        assert "<script>alert" not in html
        assert "<div x-data" not in html
        assert "<img src=x>" not in html
        assert "<b>x</b>" not in html

    html = panel.get(url_of(alert)).content.decode()
    assert f">{escape(HOSTILE)}</pre>" in html
    assert "{{7*7}}" in html.replace(escape(HOSTILE), "")


def test_list_does_not_read_bodies(panel: Client) -> None:
    make_alert(make_strategy())

    page = panel.get(LIST).context["cl"].result_list

    assert page[0].get_deferred_fields() == {"body", "headers"}
    assert Alert.objects.count() == 1
