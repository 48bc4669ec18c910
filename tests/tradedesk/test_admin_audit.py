"""The audit log: who changed what, from what to what, why and from where."""

import pytest
from django.test import Client

from tests.builders import make_bot, make_incident
from tests.fakes import START
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.cells import url_of
from tradedesk.admin.incident_kinds import MEANINGS
from tradedesk.models import AuditEntry, IncidentKind
from tradedesk.services.incidents import TEXTS

PAGE = "/admin/tradedesk/auditentry/"


def entry(by: str = "ada", action: str = "change", **fields: object) -> AuditEntry:
    values = {"subject": "account paper", "created_at": START, "source_address": "10.0.0.7", **fields}
    return AuditEntry.objects.create(by=by, action=action, **values)


def test_list_tells_before_and_after_why_and_from_where(panel: Client) -> None:
    entry(detail={"daily_loss": ["500", "750"], "enabled": [True, False]}, reason="<b>bigger</b> account")

    html = panel.get(PAGE).content.decode()

    assert "daily loss: 500 → 750" in html
    assert "enabled: yes → no" in html
    assert "&lt;b&gt;bigger&lt;/b&gt; account" in html
    assert "10.0.0.7" in html
    assert "09:00:00 Chicago" in html


def test_filters_by_person_and_by_what(panel: Client) -> None:
    entry("ada", "kill switch on", subject="all")
    entry("grace", "change")

    assert "kill switch on" not in panel.get(PAGE, {"by": "grace"}).content.decode()
    html = panel.get(PAGE, {"what": "halts"}).content.decode()
    assert "kill switch on" in html
    assert "account paper" not in html.partition('id="result_list"')[2]


def test_page_of_an_entry_shows_each_change(panel: Client) -> None:
    row = entry(detail={"flat_by": [None, "15:08"], "until": "2026-11-23"})

    html = panel.get(url_of(row)).content.decode()

    assert '<td data-label="Before">–</td><td data-label="After">15:08</td>' in html
    assert "2026-11-23" in html


def test_list_costs_the_same_with_more_rows(panel: Client) -> None:
    def more() -> None:
        for _ in range(3):
            entry(detail={"a": [1, 2]})

    assert cost_of(panel, PAGE, more) == 7


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_kind_of_incident_says_what_it_means_and_what_to_do(kind: IncidentKind, panel: Client) -> None:
    incident = make_incident(make_bot(), kind=kind, remedy=TEXTS[kind][1])

    html = panel.get(url_of(incident)).content.decode()

    for text in (MEANINGS[kind], TEXTS[kind][1]):
        assert text.replace("'", "&#x27;") in html


def test_adopting_stands_apart_and_names_what_the_broker_holds(panel: Client) -> None:
    incident = make_incident(make_bot(), seen={"broker": -2, "booked": 0, "contract": "MESZ6"})

    html = panel.get(url_of(incident)).content.decode()

    assert "last seen: <strong>−2 MESZ6</strong>" in html
    assert 'name="adopt" value="1">Adopt' in html
