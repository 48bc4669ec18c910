"""What each role finds on the pages of operations: a button that one may not press is not there."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.builders import make_account, make_bot, make_incident, make_user, set_held
from tradedesk.admin.cells import url_of
from tradedesk.models import Environment, Incident, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.people import roles

SWITCH, GATE, ARM = "/admin/kill-switch/", "/admin/kill-switch/resume/", "/admin/kill-switch/arm/real/"


@pytest.fixture
def incident(desk: Desk) -> Incident:
    """Return an incident of a desk that is halted, with a live account beside it."""
    roles.ensure_roles()
    bot = make_bot()
    set_held(bot, 1)
    make_account("real", environment=Environment.LIVE, credentials="LIVE")
    TradingState.objects.filter(scope="all").update(mode=TradingMode.HALTED, by="ada")
    return make_incident(bot)


def client_of(role: str) -> Client:
    client, user = Client(), make_user(role)
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("role", "halts", "operates", "releases"),
    [("viewer", True, False, False), ("operator", True, True, False), ("admin", True, True, True)],
)
def test_role_finds_its_buttons_and_no_others(
    role: str, halts: bool, operates: bool, releases: bool, incident: Incident
) -> None:
    client = client_of(role)

    switch = client.get(SWITCH).content.decode()
    page = client.get(url_of(incident)).content.decode()

    assert ('value="halt"' in switch) is halts
    assert ('value="flatten"' in switch) is operates
    assert ('name="adopt"' in page) is operates
    assert ('name="resolve"' in page) is operates
    assert (GATE in switch) is releases
    assert (ARM in switch) is releases


@pytest.mark.parametrize(
    ("role", "may_operate", "may_release"),
    [("viewer", False, False), ("operator", True, False), ("admin", True, True)],
)
def test_role_that_asks_all_the_same_is_refused(
    role: str, may_operate: bool, may_release: bool, incident: Incident
) -> None:
    client = client_of(role)
    operating = [
        client.post(SWITCH, {"act": "reduce", "scope": "all"}),
        client.post(f"/admin/tradedesk/incident/{incident.pk}/resolve/", {"reason": ""}),
        client.post("/admin/connections/"),
        client.post(ARM, {"act": "disarm"}),
    ]
    releasing = [client.get(GATE), client.post(GATE), client.get(ARM), client.post(ARM)]

    assert {answer.status_code == 403 for answer in operating} == {not may_operate}
    assert {answer.status_code == 403 for answer in releasing} == {not may_release}
