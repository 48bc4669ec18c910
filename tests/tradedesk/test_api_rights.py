import pytest
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests.builders import make_incident, make_user
from tests.telling import set_mode
from tradedesk.models import Bot, Incident, TradingMode, TradingState
from tradedesk.services.desk import Desk

SWITCH = "/api/v1/kill-switch/"


@pytest.fixture
def viewer(desk: Desk) -> APIClient:
    """Return a client of the API for a member of staff who was given no right."""
    _, token = AuthToken.objects.create(make_user("eve"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def mode() -> str:
    return TradingState.objects.get(scope="all").mode


def test_viewer_may_halt(viewer: APIClient, bot: Bot) -> None:
    answer = viewer.post(SWITCH, {"engaged": True}, format="json")

    assert (answer.status_code, mode()) == (200, TradingMode.HALTED)


@pytest.mark.parametrize(
    "body",
    [
        {"engaged": False, "reason": "x"},
        {"engaged": True, "mode": "reduce"},
        {"engaged": True, "mode": "flatten"},
    ],
    ids=["release", "loosen", "flatten"],
)
def test_viewer_lets_no_order_out_by_the_switch(viewer: APIClient, bot: Bot, body: dict[str, object]) -> None:
    set_mode(TradingMode.HALTED)

    answer = viewer.post(SWITCH, body, format="json")

    assert (answer.status_code, answer.json()["code"], mode()) == (
        403,
        "PERMISSION_DENIED",
        TradingMode.HALTED,
    )


def test_viewer_does_not_flatten(viewer: APIClient, bot: Bot) -> None:
    answer = viewer.post("/api/v1/flatten/", {"scope": "all", "reason": "x"}, format="json")

    assert answer.status_code == 403
    assert viewer.delete("/api/v1/flatten/?scope=all").status_code == 403


def test_viewer_resolves_no_incident(viewer: APIClient, bot: Bot) -> None:
    incident = make_incident(bot)

    answer = viewer.post(f"/api/v1/incidents/{incident.id}/resolve/", {"reason": "x"}, format="json")

    assert (answer.status_code, Incident.objects.get().closed_at) == (403, None)
