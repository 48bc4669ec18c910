import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from tests.builders import make_alert, make_bot, make_decision, make_fill, make_incident, make_order

COMPONENTS = {
    "bots": "Bot",
    "alerts": "Alert",
    "decisions": "Decision",
    "orders": "Order",
    "fills": "Fill",
    "incidents": "Incident",
}


def schema_of(api: APIClient) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(api.get("/api/schema/").content)
    return content


def test_schema_is_valid_and_without_warnings(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


@pytest.mark.parametrize("media", ["application/yaml", "application/vnd.oai.openapi"])
def test_schema_is_served_as_yaml_where_asked_for(api: APIClient, media: str) -> None:
    answer = api.get("/api/schema/", headers={"accept": media})

    assert answer["Content-Type"].startswith(media)
    assert yaml.safe_load(answer.content) == schema_of(api)


def test_schema_has_every_operation_with_its_errors(api: APIClient) -> None:
    schema = schema_of(api)

    operations = {
        (method.upper(), path.removeprefix("/api/v1")): operation["responses"].keys()
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    reads = {"200", "400", "401", "403", "503"}
    for name in COMPONENTS:
        assert operations.pop(("GET", f"/{name}/")) == reads
        assert operations.pop(("GET", f"/{name}/{'{slug}' if name == 'bots' else '{id}'}/")) == reads | {
            "404"
        }
    assert operations == {
        ("GET", "/kill-switch/"): reads,
        ("POST", "/kill-switch/"): reads | {"409"},
        ("POST", "/flatten/"): reads,
        ("DELETE", "/flatten/"): reads | {"404"},
        ("POST", "/reconcile/"): reads,
        ("POST", "/incidents/{id}/resolve/"): reads | {"404", "409"},
    }


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_rows_have_the_fields_that_the_schema_promises(api: APIClient, name: str) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)
    make_fill(make_order(bot, decision=make_decision(alert, bot)))
    make_incident(bot)

    (row,) = api.get(f"/api/v1/{name}/").json()["results"]

    component = schema_of(api)["components"]["schemas"][COMPONENTS[name]]
    assert list(row) == list(component["properties"])
    assert set(component["required"]) == set(row)


def test_docs_load_nothing_from_outside(api: APIClient) -> None:
    answer = api.get("/api/docs/")

    assert answer.status_code == 200
    page = answer.content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "http://" not in page
    assert "https://" not in page


def test_docs_send_a_person_to_the_login(db: None, client: Client) -> None:
    answer = client.get("/api/docs/")

    assert answer.status_code == 302
    assert answer["Location"] == "/admin/login/?next=/api/docs/"


def test_docs_open_with_a_session(db: None, client: Client, operator: User) -> None:
    client.force_login(operator)

    assert client.get("/api/docs/").status_code == 200
