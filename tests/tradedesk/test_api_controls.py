from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from broker.base import BrokerNotReached, BrokerOutcomeUnknown
from tests.builders import make_account, make_bot, make_incident, make_order, set_held
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk.models import AuditEntry, BotState, Environment, IncidentKind, Order, TradingState
from tradedesk.services.halting.trading_state import effective_mode

OFF = {
    "engaged": False,
    "scope": "all",
    "mode": None,
    "trading_state": "ACTIVE",
    "since": None,
    "by": "",
    "reason": "",
    "in_flight": 0,
    "within": [],
    "flattening": [],
}


def switch(api: APIClient, **body: Any) -> Any:
    return api.post("/api/v1/kill-switch/", body, format="json")


def test_switch_that_was_never_touched_is_off(api: APIClient) -> None:
    assert api.get("/api/v1/kill-switch/").json() == OFF


def test_engaging_halts_everything(api: APIClient) -> None:
    make_bot()

    answer = switch(api, engaged=True, reason="odd fills")

    assert answer.status_code == 200
    assert answer.json() == {
        "engaged": True,
        "scope": "all",
        "mode": "halt",
        "trading_state": "HALTED",
        "since": "2026-11-23T15:00:00Z",
        "by": "ada",
        "reason": "odd fills",
        "in_flight": 0,
        "within": [],
        "flattening": [],
    }
    assert api.get("/api/v1/kill-switch/").json() == answer.json()
    assert effective_mode("bot:mes-paper") == "HALTED"


def test_engaging_needs_no_reason_and_no_slash(api: APIClient) -> None:
    answer = api.post("/api/v1/kill-switch", {"engaged": True}, format="json")

    assert (answer.status_code, answer.json()["mode"]) == (200, "halt")


def test_engaging_is_audited_with_who_and_from_where(api: APIClient) -> None:
    switch(api, engaged=True, mode="reduce", reason="news")

    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == ("ada", "kill switch on", "all")
    assert (entry.reason, entry.source_address) == ("news", "127.0.0.1")
    assert entry.detail == {"mode": "REDUCING"}


def test_switch_of_a_bot_shows_the_wider_one_as_trading_state(api: APIClient) -> None:
    make_bot()
    switch(api, engaged=True, scope="account:paper", mode="reduce")

    answer = api.get("/api/v1/kill-switch/?scope=bot:mes-paper").json()

    assert (answer["engaged"], answer["mode"], answer["trading_state"]) == (False, None, "REDUCING")


def test_order_still_being_sent_is_reported(api: APIClient, clock: FakeClock) -> None:
    make_order(make_bot(), status="sent", broker_order_id=None)

    answer = switch(api, engaged=True)

    assert answer.json()["in_flight"] == 1


def test_release_without_a_reason_is_refused(api: APIClient) -> None:
    switch(api, engaged=True)

    answer = switch(api, engaged=False, reason="  ")

    assert answer.status_code == 400
    assert answer.json()["errors"] == {"reason": ["Required to release the switch."]}
    assert TradingState.objects.get(scope="all").mode == "HALTED"


def test_release_on_clean_books_lets_trading_go_on(api: APIClient) -> None:
    make_bot()
    switch(api, engaged=True)

    answer = switch(api, engaged=False, reason="fixed")

    assert answer.status_code == 200
    assert answer.json() == OFF | {"since": "2026-11-23T15:00:00Z", "by": "ada", "reason": "fixed"}


def test_release_with_a_difference_is_refused(api: APIClient, broker: FakeBroker) -> None:
    bot = make_bot()
    switch(api, engaged=True)
    broker.hold("MESZ6", 2)
    incident = make_incident(bot, IncidentKind.ORDER_UNCONFIRMED, subject="td-1")

    answer = switch(api, engaged=False, reason="fixed")

    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["errors"]) == ("NOT_CLEAN", {})
    assert body["differences"] == [
        {
            "kind": "POSITION_MISMATCH",
            "bot": "mes-paper",
            "subject": "mes-paper",
            "broker": 2,
            "booked": 0,
            "contract": "MESZ6",
        }
    ]
    assert [row["id"] for row in body["incidents"]] == [str(incident.id)]
    assert TradingState.objects.get(scope="all").mode == "HALTED"


def test_release_without_the_brokers_word_is_refused(api: APIClient, links: FakeLinks) -> None:
    make_bot()
    switch(api, engaged=True)
    links.down["paper"] = BrokerNotReached("connection refused")

    answer = switch(api, engaged=False, reason="fixed")

    assert (answer.status_code, answer.json()["code"]) == (503, "BROKER_UNREACHABLE")
    assert answer.json()["detail"] == "The broker gave no answer: paper: connection refused"
    assert TradingState.objects.get(scope="all").mode == "HALTED"


def test_release_of_a_live_account_is_locked(api: APIClient) -> None:
    make_account("live", environment=Environment.LIVE)
    switch(api, engaged=True, scope="account:live")

    answer = switch(api, engaged=False, scope="account:live", reason="fixed")

    assert (answer.status_code, answer.json()["code"]) == (409, "LIVE_LOCKED")


def test_mode_flatten_halts_and_closes(api: APIClient, broker: FakeBroker) -> None:
    set_held(make_bot(), 2)
    broker.hold("MESZ6", 2)

    answer = switch(api, engaged=True, mode="flatten", reason="news").json()

    assert (answer["engaged"], answer["mode"], answer["flat"]) == (True, "halt", True)
    assert answer["positions"] == []
    assert broker.held("MESZ6") == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "engaged"),
        ({"engaged": "perhaps"}, "engaged"),
        ({"engaged": True, "mode": "stop"}, "mode"),
        ({"engaged": True, "scope": "bot:nobody"}, "scope"),
        ({"engaged": False, "scope": "account:nobody", "reason": "x"}, "scope"),
        ({"engaged": True, "reason": "x" * 501}, "reason"),
        ({"engaged": True, "reason": "\x00"}, "reason"),
    ],
)
def test_unusable_field_is_named(api: APIClient, body: dict[str, Any], field: str) -> None:
    answer = switch(api, **body)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not AuditEntry.objects.exists()


def test_status_of_unknown_scope_is_refused(api: APIClient) -> None:
    answer = api.get("/api/v1/kill-switch/?scope=bot:nobody")

    assert answer.status_code == 400
    assert answer.json()["errors"] == {
        "scope": ["Unknown scope “bot:nobody”. It is all, account:NAME or bot:SLUG."]
    }


def test_flatten_closes_while_halted(api: APIClient, broker: FakeBroker) -> None:
    bot = make_bot()
    set_held(bot, -1)
    broker.hold("MESZ6", -1)
    switch(api, engaged=True)

    answer = api.post("/api/v1/flatten/", {"scope": "bot:mes-paper", "reason": "roll"}, format="json")

    order = Order.objects.get()
    assert answer.json() == {
        "flat": True,
        "positions": [],
        "orders": [
            {
                "client_order_id": order.client_order_id,
                "side": "BUY",
                "quantity": 1,
                "contract": "MESZ6",
                "status": "filled",
                "broker_order_id": str(order.broker_order_id),
                "filled_quantity": 1,
                "average_price": "6842.25",
            }
        ],
    }
    assert BotState.objects.get(bot=bot).quantity == 0


def test_flatten_that_cannot_read_the_broker_is_not_flat(api: APIClient, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")

    answer = api.post("/api/v1/flatten/", {}, format="json")

    assert answer.status_code == 200
    assert answer.json() == {
        "flat": False,
        "positions": [{"account": "paper", "error": "connection refused"}],
        "orders": [],
    }


def test_flatten_that_goes_on_is_told_and_can_be_ended(api: APIClient, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")
    asked = {"scope": "account:paper", "reason": "roll"}
    api.post("/api/v1/flatten/", asked, format="json")

    told = api.get("/api/v1/kill-switch/").json()

    assert told["flattening"] == [
        {
            "scope": "account:paper",
            "by": "ada",
            "reason": "roll",
            "since": "2026-11-23T15:00:00Z",
            "tries": 1,
            "looked_at": "2026-11-23T15:00:09.500000Z",
            "positions": [{"account": "paper", "error": "connection refused"}],
        }
    ]
    assert told["within"] == [{"scope": "account:paper", "trading_state": "REDUCING", "reason": "roll"}]
    ended = api.delete("/api/v1/flatten/?scope=account:paper&reason=enough")
    assert (ended.status_code, ended.json()["flattening"], ended.json()["mode"]) == (200, [], "reduce")
    again = api.delete("/api/v1/flatten/?scope=account:paper")
    assert (again.status_code, again.json()["code"]) == (404, "NOT_FOUND")


def test_flatten_of_unknown_scope_is_refused(api: APIClient) -> None:
    answer = api.post("/api/v1/flatten/", {"scope": "account:nobody"}, format="json")

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["scope"])


def test_reconcile_of_equal_books_is_clean(api: APIClient) -> None:
    make_bot()

    answer = api.post("/api/v1/reconcile/", {}, format="json")

    assert answer.json() == {"clean": True, "differences": [], "incidents": []}


def test_reconcile_shows_a_difference_and_opens_an_incident_on_the_second_look(
    api: APIClient, broker: FakeBroker, clock: FakeClock
) -> None:
    make_bot()
    broker.hold("MESZ6", 1)

    first = api.post("/api/v1/reconcile/", {"account": "paper"}, format="json").json()
    clock.advance(5)
    second = api.post("/api/v1/reconcile/", {"account": "paper"}, format="json").json()

    assert (first["clean"], len(first["differences"]), first["incidents"]) == (False, 1, [])
    assert [incident["kind"] for incident in second["incidents"]] == ["POSITION_MISMATCH"]


def test_reconcile_of_unknown_account_is_refused(api: APIClient) -> None:
    answer = api.post("/api/v1/reconcile/", {"account": "nobody"}, format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"] == {"account": ["There is no account “nobody”."]}


def test_reconcile_with_a_silent_broker_says_which_account(api: APIClient, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerOutcomeUnknown("time-out")

    answer = api.post("/api/v1/reconcile/", {}, format="json")

    assert answer.status_code == 503
    assert answer.json() == {
        "code": "BROKER_UNREACHABLE",
        "detail": "The broker gave no answer: paper: time-out",
        "errors": {},
    }


def resolve(api: APIClient, incident: Any, **body: Any) -> Any:
    return api.post(f"/api/v1/incidents/{incident.id}/resolve/", body, format="json")


def test_resolving_with_adopt_books_the_brokers_position(
    api: APIClient, broker: FakeBroker, operator: User
) -> None:
    bot = make_bot()
    incident = make_incident(bot)
    broker.hold("MESZ6", 1)

    answer = resolve(api, incident, adopt=True, reason="bought by hand")

    assert answer.status_code == 200
    assert answer.json()["closed_by"] == "ada"
    assert answer.json()["closing_reason"] == "bought by hand"
    assert BotState.objects.get(bot=bot).quantity == 1


def test_resolving_without_a_reason_is_refused(api: APIClient) -> None:
    answer = resolve(api, make_incident(make_bot()), adopt=False)

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["reason"])


def test_adopting_what_is_no_position_is_refused(api: APIClient) -> None:
    incident = make_incident(make_bot(), IncidentKind.AMBIGUOUS_EVENTS)

    answer = resolve(api, incident, adopt=True, reason="mine")

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["adopt"])


def test_resolving_twice_is_refused(api: APIClient) -> None:
    incident = make_incident(make_bot())
    resolve(api, incident, reason="seen")

    answer = resolve(api, incident, reason="seen again")

    assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_CLOSED")


def test_resolving_an_unknown_incident_is_not_found(api: APIClient) -> None:
    answer = api.post(
        "/api/v1/incidents/01930000-0000-7000-8000-000000000000/resolve/", {"reason": "x"}, format="json"
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
