import json

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from tests.builders import make_user
from tradedesk.api.failures import server_error
from tradedesk.services.desk import Desk

READS = ["bots", "alerts", "decisions", "orders", "fills", "incidents", "kill-switch"]
WRITES = ["kill-switch", "flatten", "reconcile"]


@pytest.mark.parametrize("path", [f"/api/v1/{name}/" for name in READS] + ["/api/schema/", "/metrics"])
def test_read_without_login_is_refused(desk: Desk, client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.json() == {
        "code": "NOT_AUTHENTICATED",
        "detail": "Authentication credentials were not provided.",
        "errors": {},
    }


@pytest.mark.parametrize("name", WRITES)
def test_write_without_login_is_refused(desk: Desk, client: Client, name: str) -> None:
    answer = client.post(f"/api/v1/{name}/", {"engaged": True}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("token", ["wrong", "\u00e9\u00e9", "f" * 64, "with spaces here", "%00"])
def test_wrong_token_is_refused(desk: Desk, client: Client, token: str) -> None:
    answer = client.get("/api/v1/bots/", headers={"authorization": f"Token {token}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION_FAILED")


def test_user_who_is_not_staff_is_refused(desk: Desk, client: Client) -> None:
    client.force_login(make_user("eve", is_staff=False))

    answer = client.get("/api/v1/bots/")

    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")


def test_session_lets_staff_in(desk: Desk, client: Client, operator: User) -> None:
    client.force_login(operator)

    assert client.get("/api/v1/bots/").status_code == 200


def test_write_by_session_without_csrf_token_is_refused(desk: Desk, operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)

    answer = client.post("/api/v1/kill-switch/", {"engaged": True}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/bots/", "/api/v1/nothing", "/api/v1/alerts/7/"])
def test_unknown_address_answers_in_the_one_shape(api: APIClient, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 404
    assert (answer.json()["code"], answer.json()["errors"]) == ("NOT_FOUND", {})


def test_unknown_page_outside_the_api_is_a_page(client: Client) -> None:
    answer = client.get("/nothing")

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_method_that_is_not_there_answers_in_the_one_shape(api: APIClient) -> None:
    answer = api.delete("/api/v1/bots/")

    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_format_that_is_not_served_answers_in_the_one_shape(api: APIClient) -> None:
    answer = api.get("/api/v1/bots/", headers={"accept": "image/png"})

    assert (answer.status_code, answer.json()["code"]) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("body", ["{", "", '{"engaged": NaN}'])
def test_body_that_is_no_json_answers_in_the_one_shape(api: APIClient, body: str) -> None:
    answer = api.post("/api/v1/kill-switch/", body, content_type="application/json")

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "detail", "errors"}


def test_body_that_is_no_object_is_refused(api: APIClient) -> None:
    answer = api.post("/api/v1/flatten/", [1], format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"] == {"body": ["Invalid data. Expected a dictionary, but got list."]}


def test_other_content_type_is_refused(api: APIClient) -> None:
    answer = api.post("/api/v1/flatten/", "scope=all", content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_error_nobody_expected_answers_without_details(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("secret inside")

    monkeypatch.setattr("tradedesk.wiring.desk", fail)
    api.raise_request_exception = False

    answer = api.post("/api/v1/flatten/", {}, format="json")

    assert answer.status_code == 500
    assert json.loads(answer.content) == {
        "code": "SERVER_ERROR",
        "detail": "Something went wrong here. The log of the desk says what.",
        "errors": {},
    }


def test_error_of_the_webhook_keeps_the_webhooks_shape(rf: RequestFactory) -> None:
    answer = server_error(rf.post("/webhooks/tradingview/token/"))

    assert answer.status_code == 500
    assert json.loads(answer.content) == {
        "status": "error",
        "code": "SERVER_ERROR",
        "detail": "Something went wrong here. The log of the desk says what.",
        "errors": {},
    }


def test_database_that_is_out_is_said_so(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("tradedesk.wiring.desk", fail)

    answer = api.post("/api/v1/flatten/", {}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
