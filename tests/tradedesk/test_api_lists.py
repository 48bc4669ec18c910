from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

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
from tests.fakes import START
from tradedesk.models import Bot, IncidentKind

NOBODY = "01930000-0000-7000-8000-000000000000"


def ids(api: APIClient, path: str) -> list[str]:
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def make_history(bot: Bot, number: int) -> None:
    alert = make_alert(bot.strategy, fired_at=at(number))
    order = make_order(bot, decision=make_decision(alert, bot))
    make_fill(order)
    make_incident(bot, subject=f"{bot.slug} {number}")


def test_alert_shows_what_came_in(api: APIClient) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy, body='{"action": "LONG_ENTRY", "token": "secret"}')

    answer = api.get(f"/api/v1/alerts/{alert.id}/")

    assert answer.json() == {
        "id": str(alert.id),
        "strategy": "mes-trend",
        "bot": "mes-paper",
        "bots": ["mes-paper"],
        "created_at": "2026-11-23T15:00:00Z",
        "received_at": "2026-11-23T15:00:00Z",
        "outcome": "accepted",
        "event_key": "Trend_Validator|LONG_ENTRY|MES1!|10|2026-11-23T14:50:00Z",
        "action": "LONG_ENTRY",
        "indicator": "Trend_Validator",
        "symbol": "MES1!",
        "exchange": "CME_MINI",
        "timeframe": "10",
        "contract": "",
        "bar_open": "2026-11-23T14:50:00Z",
        "fired_at": "2026-11-23T15:00:00Z",
        "effective_at": "2026-11-23T15:00:00Z",
        "close": "6842.25",
        "source_address": "127.0.0.1",
        "body": '{"action": "LONG_ENTRY", "token": "[token]"}',
        "errors": {},
    }


def test_rejected_alert_says_which_field_was_wrong(api: APIClient) -> None:
    make_rejected_alert(make_strategy(), errors={"market_data.symbol": ["Required."]})

    (row,) = api.get("/api/v1/alerts/?outcome=rejected").json()["results"]

    assert row["errors"] == {"market_data.symbol": ["Required."]}
    assert (row["bot"], row["bots"], row["event_key"]) == (None, [], None)


def test_decision_order_and_fill_name_their_parents(api: APIClient) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    decision = make_decision(alert, bot, detail={"figures": "1 s old"})
    order = make_order(bot, decision=decision, broker_order_id=2**62)
    fill = make_fill(order, broker_fill_id=77)

    parents = {"alert": str(alert.id), "bot": "mes-paper", "created_at": "2026-11-23T15:00:00Z"}
    state = {
        "current_position": "NONE",
        "trend_color": None,
        "waiting_for_reentry": "NO",
        "last_updated": None,
    }
    assert api.get(f"/api/v1/decisions/{decision.id}/").json() == parents | {
        "id": str(decision.id),
        "action": "ENTER_LONG",
        "reason": "TREND_BLUE",
        "detail": {"figures": "1 s old"},
        "state_before": state,
        "state_after": state,
    }
    parents |= {"decision": str(decision.id), "account": "paper"}
    assert api.get(f"/api/v1/orders/{order.id}/").json() == parents | {
        "id": str(order.id),
        "client_order_id": order.client_order_id,
        "purpose": "open",
        "entry": None,
        "side": "BUY",
        "quantity": 1,
        "contract": "MESZ6",
        "price": None,
        "status": "filled",
        "broker_order_id": "4611686018427387904",
        "filled_quantity": 1,
        "average_price": "6842.25",
        "note": "",
        "sent_at": "2026-11-23T15:00:00Z",
        "acknowledged_at": "2026-11-23T15:00:00Z",
        "settled_at": "2026-11-23T15:00:00Z",
    }
    assert api.get(f"/api/v1/fills/{fill.id}/").json() == parents | {
        "id": str(fill.id),
        "order": str(order.id),
        "filled_at": "2026-11-23T15:00:00Z",
        "client_order_id": order.client_order_id,
        "broker_fill_id": "77",
        "side": "BUY",
        "quantity": 1,
        "contract": "MESZ6",
        "price": "6842.25",
    }


def test_order_of_a_flatten_without_bot_has_no_parents(api: APIClient) -> None:
    bot = make_bot()
    order = make_order(bot)
    type(order).objects.update(bot=None)

    (row,) = api.get("/api/v1/orders/").json()["results"]

    assert (row["alert"], row["decision"], row["bot"]) == (None, None, None)


def test_incident_shows_what_to_do(api: APIClient) -> None:
    incident = make_incident(make_bot())

    assert api.get(f"/api/v1/incidents/{incident.id}/").json() == {
        "id": str(incident.id),
        "bot": "mes-paper",
        "account": "paper",
        "created_at": "2026-11-23T15:00:00Z",
        "kind": "POSITION_MISMATCH",
        "subject": "mes-paper",
        "description": "The broker holds another position than the desk booked",
        "seen": {"broker": 1, "booked": 0},
        "blocks": "Openings of this bot",
        "remedy": "Look at the account at the broker.",
        "opened_at": "2026-11-23T15:00:00Z",
        "updated_at": "2026-11-23T15:00:00Z",
        "closed_at": None,
        "closed_by": "",
        "closing_reason": "",
    }


def test_list_is_newest_first_and_paged_by_cursor(api: APIClient) -> None:
    bot = make_bot()
    made = sorted((str(make_order(bot).id) for _ in range(5)), reverse=True)

    first = api.get("/api/v1/orders/?page_size=2").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()

    assert [row["id"] for page in (first, second, third) for row in page["results"]] == made
    assert first["previous"] is None
    assert third["next"] is None
    assert api.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize("resource", ["alerts", "decisions", "orders", "fills", "incidents"])
@pytest.mark.parametrize("rows", [1, 5])
def test_query_count_does_not_grow_with_the_rows(
    api: APIClient, resource: str, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bot = make_bot()
    for number in range(rows):
        make_history(bot, number)

    with django_assert_num_queries(4 if resource == "alerts" else 3):  # two of them for the token
        assert len(api.get(f"/api/v1/{resource}/").json()["results"]) == rows


@pytest.mark.parametrize("resource", ["alerts", "decisions", "orders", "fills", "incidents"])
@pytest.mark.parametrize("name", ["bot", "strategy", "account"])
def test_every_list_is_filtered_by_bot_strategy_and_account(api: APIClient, resource: str, name: str) -> None:
    wanted = {"bot": "mnq-second", "strategy": "mnq-trend", "account": "second"}
    make_history(make_bot(), 0)
    make_history(
        make_bot(
            "mnq-second", strategy=make_strategy("mnq-trend", root="MNQ"), account=make_account("second")
        ),
        1,
    )

    rows = api.get(f"/api/v1/{resource}/?{name}={wanted[name]}").json()["results"]

    assert [row["bot"] for row in rows] == ["mnq-second"]


@pytest.mark.parametrize("resource", ["alerts", "decisions", "orders", "fills", "incidents"])
def test_every_list_is_filtered_by_time(api: APIClient, resource: str) -> None:
    bot = make_bot()
    make_history(bot, 0)

    assert len(ids(api, f"{resource}/?created_after=2026-11-23T15:00:00Z")) == 1
    assert ids(api, f"{resource}/?created_after=2026-11-23T15:00:00.001Z") == []
    assert ids(api, f"{resource}/?created_before=2026-11-23T15:00:00Z") == []
    assert len(ids(api, f"{resource}/?created_before=2026-11-23T16:00:01%2B01:00")) == 1


def test_rows_are_filtered_by_their_parents(api: APIClient) -> None:
    bot = make_bot()
    make_history(bot, 0)
    alert = make_alert(bot.strategy, fired_at=at(5))
    decision = make_decision(alert, bot, action="NONE", reason="TOO_OLD")
    order = make_order(bot, decision=decision, client_order_id="td-mine", broker_order_id=55)
    fill = make_fill(order)

    assert ids(api, f"decisions/?alert={alert.id}") == [str(decision.id)]
    assert ids(api, f"orders/?alert={alert.id}") == [str(order.id)]
    assert ids(api, f"orders/?decision={decision.id}") == [str(order.id)]
    assert ids(api, "orders/?client_order_id=td-mine") == [str(order.id)]
    assert ids(api, "orders/?broker_order_id=55") == [str(order.id)]
    assert ids(api, f"fills/?order={order.id}") == [str(fill.id)]
    assert ids(api, f"fills/?decision={decision.id}") == [str(fill.id)]
    assert ids(api, f"fills/?alert={alert.id}") == [str(fill.id)]
    assert ids(api, "fills/?client_order_id=td-mine") == [str(fill.id)]
    assert ids(api, f"orders/?alert={NOBODY}") == []


def test_rows_are_filtered_by_words(api: APIClient) -> None:
    bot = make_bot()
    blue = make_alert(bot.strategy)
    down = make_alert(bot.strategy, "DI_CROSS_DOWN", fired_at=at(5))
    enter = make_decision(blue, bot)
    late = make_decision(down, bot, action="NONE", reason="TOO_OLD")
    filled = make_order(bot)
    unknown = make_order(bot, status="unconfirmed", side="SELL", purpose="close")
    mismatch = make_incident(bot)
    closed = make_incident(bot, IncidentKind.ORDER_UNCONFIRMED, closed_at=START)

    assert ids(api, "alerts/?action=DI_CROSS_DOWN") == [str(down.id)]
    assert ids(api, "alerts/?indicator=Trend_Validator") == [str(blue.id)]
    assert ids(api, "decisions/?action=ENTER_LONG") == [str(enter.id)]
    assert ids(api, "decisions/?reason=TOO_OLD&reason=HALTED") == [str(late.id)]
    assert ids(api, "orders/?status=unconfirmed") == [str(unknown.id)]
    assert ids(api, "orders/?open=false") == [str(filled.id)]
    assert ids(api, "orders/?side=SELL&purpose=close") == [str(unknown.id)]
    assert ids(api, "incidents/?open=true") == [str(mismatch.id)]
    assert ids(api, "incidents/?kind=ORDER_UNCONFIRMED&open=false") == [str(closed.id)]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("alerts/?bot=nobody", "bot"),
        ("bots/?account=nobody", "account"),
        ("orders/?status=done", "status"),
        ("orders/?open=perhaps", "open"),
        ("orders/?broker_order_id=1.5", "broker_order_id"),
        ("orders/?broker_order_id=9223372036854775808", "broker_order_id"),
        ("orders/?client_order_id=%00", "client_order_id"),
        ("decisions/?alert=7", "alert"),
        ("decisions/?reason=too_old", "reason"),
        ("fills/?created_after=yesterday", "created_after"),
        ("incidents/?kind=NONE", "kind"),
        ("incidents/?knd=NONE", "knd"),
        ("orders/?page_size=501", "page_size"),
        ("orders/?page_size=0", "page_size"),
        ("orders/?page_size=0000000501", "page_size"),
        ("orders/?page_size=many", "page_size"),
        ("orders/?cursor=odd", "cursor"),
        ("orders/?cursor=cD1vZGQ%3D", "cursor"),
    ],
)
def test_unusable_filter_is_refused_by_name(api: APIClient, path: str, field: str) -> None:
    make_order(make_bot())

    answer = api.get(f"/api/v1/{path}")

    assert answer.status_code == 400
    body: dict[str, Any] = answer.json()
    assert (body["code"], list(body["errors"])) == ("INVALID", [field])


def test_page_size_reaches_five_hundred(api: APIClient) -> None:
    assert api.get("/api/v1/orders/?page_size=500").status_code == 200
