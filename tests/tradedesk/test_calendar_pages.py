from datetime import date, time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.builders import confirm_calendars, make_instrument, make_session_rule
from tradedesk.admin.cells import url_of
from tradedesk.models import AuditEntry, Holiday, SessionRule
from tradedesk.services.contracts.holiday_files import Line, Unreadable, read_csv, take_over, to_csv

HEAD = "date,name,closes_at,source\n"


@pytest.fixture
def rule(desk: object) -> SessionRule:
    rule = make_session_rule()
    Holiday.objects.all().delete()
    return rule


def upload(panel: Client, rule: SessionRule, content: bytes) -> str:
    file = SimpleUploadedFile("holidays.csv", content)
    page = f"/admin/tradedesk/sessionrule/{rule.pk}/holidays/"
    return panel.post(page, {"holidays": file}, follow=True).content.decode()


def test_rule_shows_the_next_14_days_with_sessions_in_both_zones(panel: Client, rule: SessionRule) -> None:
    Holiday.objects.create(rule=rule, date=date(2026, 11, 26), name="Thanksgiving", closes_at=time(12, 0))
    Holiday.objects.create(rule=rule, date=date(2026, 11, 27), name="Closed <b>", closes_at=None)

    html = panel.get(url_of(rule)).content.decode()

    assert "14 not confirmed: demo and live open nothing" in html
    assert "Wed 17:00 – Thu 12:00" in html
    assert "Wed 23:00 – Thu 18:00" in html
    assert "Closed &lt;b&gt;" in html
    assert html.count("no session</span>") == 5


def test_confirmed_days_are_shown_as_such(panel: Client, rule: SessionRule) -> None:
    confirm_calendars()

    assert "all confirmed" in panel.get(url_of(rule)).content.decode()


def test_rule_that_cannot_be_read_says_so(panel: Client, rule: SessionRule) -> None:
    SessionRule.objects.update(zone="Mars/Base")

    assert "Zone or week cannot be read" in panel.get(url_of(rule)).content.decode()


def test_instrument_says_what_a_tick_is_worth_and_when_it_trades(panel: Client, rule: SessionRule) -> None:
    instrument = make_instrument("MNQ")
    instrument.session_rule = rule
    instrument.save()

    html = panel.get(url_of(instrument)).content.decode()

    assert "<strong>$0.50</strong>" in html
    assert (
        "Session of Mon 2026-11-23: Sun 17:00 – Mon 16:00 exchange time (Sun 23:00 – Mon 22:00 UTC)." in html
    )


def test_exported_holidays_come_back_the_same(rule: SessionRule) -> None:
    lines = [
        Line(date(2026, 12, 24), 'Eve, "early"', time(12, 15), "cmegroup.com"),
        Line(date(2026, 12, 25), "Christmas", None, ""),
    ]

    assert take_over(rule, lines) == (2, 0)
    assert read_csv(to_csv(rule)) == lines
    assert take_over(rule, lines) == (0, 0)


def test_changed_day_counts_as_not_confirmed_and_others_stay(rule: SessionRule) -> None:
    take_over(rule, [Line(date(2026, 12, day), "Day", None, "") for day in (24, 25)])
    Holiday.objects.update(confirmed=True)

    assert take_over(rule, [Line(date(2026, 12, 24), "Day", time(12, 15), "")]) == (0, 1)

    assert list(rule.holidays.order_by("date").values_list("closes_at", "confirmed")) == [
        (time(12, 15), False),
        (None, True),
    ]


def test_export_is_no_formula_to_a_spreadsheet(rule: SessionRule) -> None:
    lines = [Line(date(2026, 12, 25), "=1+1", None, "@x")]
    take_over(rule, lines)

    assert to_csv(rule) == f"{HEAD}2026-12-25,'=1+1,,'@x\n"
    assert read_csv(to_csv(rule)) == lines


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "The first line must be date,name,closes_at,source."),
        ("day,name\n", "The first line must be date,name,closes_at,source."),
        (HEAD, "No holiday is in it."),
        (f"{HEAD}2026-13-01,X,,\n", "Line 2: dates are like 2026-12-25"),
        (f"{HEAD}2026-12-25,X,noon,\n", "Line 2: dates are like 2026-12-25"),
        (f"{HEAD}2026-12-25,,,\n", "Line 2: a name of at most 64 letters"),
        (f"{HEAD}2026-12-25,X\n", "Line 2: 4 fields are needed, here are 2."),
        (f"{HEAD}2026-12-25,X,,\n2026-12-25,Y,,\n", "A date stands there twice."),
        (HEAD + "2026-12-25,X,,\n" * 500, "More than 500 lines."),
    ],
)
def test_file_that_is_no_table_of_holidays_is_refused(text: str, trouble: str) -> None:
    with pytest.raises(Unreadable, match=trouble.replace(".", r"\.")):
        read_csv(text)


def test_import_in_the_panel_is_written_down_and_to_be_confirmed(panel: Client, rule: SessionRule) -> None:
    html = upload(panel, rule, f"\ufeff{HEAD}2026-12-25,Christmas,,CME\n".encode())

    assert "1 new and 0 changed, to be confirmed." in html
    assert Holiday.objects.get().confirmed is False
    assert AuditEntry.objects.get().detail == {"new": 1, "changed": 0}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 70_000, b"", f"{HEAD}soon,X,,\n".encode()])
def test_import_of_something_else_changes_nothing(panel: Client, rule: SessionRule, content: bytes) -> None:
    assert "Nothing was imported." in upload(panel, rule, content)
    assert not Holiday.objects.exists()


def test_holidays_are_exported_and_imported_with_the_right_only(
    panel: Client, viewer: Client, rule: SessionRule
) -> None:
    page = f"/admin/tradedesk/sessionrule/{rule.pk}/holidays/"

    assert panel.get(page)["Content-Disposition"] == 'attachment; filename="holidays-cme-equity-index.csv"'
    assert viewer.get(page).status_code == 403
    assert viewer.post(page).status_code == 403
