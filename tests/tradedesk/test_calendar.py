from collections.abc import Callable
from datetime import date, time

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.builders import confirm_calendars, make_account, make_bot, make_strategy, make_user
from tests.fakes import START, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, said
from tradedesk import tasks
from tradedesk.admin.cells import url_of
from tradedesk.models import (
    Account,
    AuditEntry,
    Bot,
    Environment,
    Holiday,
    Instrument,
    Notice,
    SessionRule,
)
from tradedesk.services.contracts.calendars import Market, calendars_of, market_of


@pytest.fixture
def demo(bot: Bot) -> Bot:
    """Return a bot on a demo account, its calendar confirmed and without a flat-by time."""
    Account.objects.update(environment=Environment.DEMO)
    confirm_calendars()
    bot.account.refresh_from_db()
    return bot


def rule() -> SessionRule:
    return SessionRule.objects.get(name="CME equity index")


def test_desk_begins_with_the_holidays_of_two_years_and_none_confirmed(db: None) -> None:
    assert set(Instrument.objects.values_list("root", "session_rule__name")) == {
        *((root, "CME equity index") for root in ("ES", "MES", "NQ", "MNQ", "YM", "MYM", "RTY", "M2K")),
        *((root, "NYMEX and COMEX") for root in ("CL", "MCL", "GC", "MGC")),
    }
    assert Holiday.objects.count() == 46
    assert not Holiday.objects.filter(confirmed=True).exists()
    assert not SessionRule.objects.exclude(confirmed_through=None).exists()
    assert [day for day in Holiday.objects.values_list("date", flat=True) if day.weekday() > 4] == []


def test_thanksgiving_closes_early_by_group(db: None) -> None:
    found = Holiday.objects.filter(date__in=[date(2026, 11, 26), date(2026, 11, 27), date(2026, 12, 25)])

    assert list(found.values_list("rule__name", "date__day", "closes_at").order_by("rule__name", "date")) == [
        ("CME equity index", 26, time(12, 0)),
        ("CME equity index", 27, time(12, 15)),
        ("CME equity index", 25, None),
        ("NYMEX and COMEX", 26, time(13, 30)),
        ("NYMEX and COMEX", 27, time(13, 45)),
        ("NYMEX and COMEX", 25, None),
    ]


def test_demo_account_opens_on_a_confirmed_day(demo: Bot, tell: Teller) -> None:
    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: SessionRule.objects.update(confirmed_through=None),
        lambda: SessionRule.objects.update(confirmed_through=date(2026, 12, 5)),
        lambda: Holiday.objects.filter(date=date(2026, 11, 26)).update(confirmed=False),
    ],
)
def test_demo_account_opens_nothing_while_a_day_of_the_next_14_is_unconfirmed(
    demo: Bot, tell: Teller, spoil: Callable[[], object]
) -> None:
    spoil()

    assert said(tell(BLUE)) == ("NONE", "CALENDAR_UNCONFIRMED")


def test_exit_needs_no_confirmed_calendar(demo: Bot, tell: Teller) -> None:
    tell(BLUE)
    SessionRule.objects.update(confirmed_through=None)

    assert said(tell(DOWN, 20)) == ("EXIT", "DI_DOWN")


def test_demo_account_opens_nothing_on_a_holiday(demo: Bot, tell: Teller) -> None:
    # Thanksgiving, three days after the clock's start: 11:50 and 12:10 in Chicago.
    minutes = 3 * 24 * 60 + 170

    assert said(tell(BLUE, minutes)) == ("ENTER_LONG", "TREND_BLUE")
    assert said(tell(RED, minutes + 20)) == ("EXIT", "SESSION_CLOSED")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: Instrument.objects.update(session_rule=None),
        lambda: SessionRule.objects.update(week="whenever"),
        lambda: SessionRule.objects.update(zone="America/Nowhere"),
    ],
)
def test_market_whose_hours_are_not_known_is_never_open(
    demo: Bot, tell: Teller, spoil: Callable[[], object]
) -> None:
    spoil()

    assert said(tell(BLUE)) == ("NONE", "SESSION_CLOSED")


def test_paper_account_asks_no_calendar(bot: Bot) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert market_of(bot, START) == Market()

    assert len(queries) == 0


def test_calendars_of_an_account_take_two_queries(demo: Bot) -> None:
    make_bot("other", strategy=make_strategy("mnq", root="MNQ"), account=demo.account)

    with CaptureQueriesContext(connection) as queries:
        assert sorted(calendars_of(demo.account)) == ["MES", "MNQ"]

    assert len(queries) == 2


@pytest.mark.parametrize("environment", [Environment.DEMO, Environment.LIVE])
def test_new_account_with_real_orders_begins_with_a_flat_by_time(db: None, environment: str) -> None:
    account = make_account(environment=environment, credentials="TRADOVATE")
    assert account.flat_by == time(15, 8)

    account.flat_by = None
    account.save()

    account.refresh_from_db()
    assert account.flat_by is None


def test_new_paper_account_has_none(db: None) -> None:
    assert make_account().flat_by is None


@pytest.mark.parametrize("environment", [Environment.DEMO, Environment.PAPER])
def test_openings_end_a_quarter_of_an_hour_before_the_flat_by_time(
    bot: Bot, tell: Teller, environment: str
) -> None:
    Account.objects.update(environment=environment, flat_by=time(15, 8))
    confirm_calendars()

    assert said(tell(BLUE, 5 * 60 + 52)) == ("ENTER_LONG", "TREND_BLUE")
    assert said(tell(RED, 5 * 60 + 53)) == ("EXIT", "FLAT_BY")


def test_paper_account_with_a_flat_by_time_and_unknown_hours_opens_nothing(bot: Bot, tell: Teller) -> None:
    Account.objects.update(flat_by=time(15, 8))
    Instrument.objects.update(session_rule=None)

    assert said(tell(BLUE)) == ("NONE", "FLAT_BY")


# --- panel ---


def test_person_confirms_the_next_sixty_days_in_one_act(panel: Client) -> None:
    html = panel.get(url_of(rule())).content.decode()
    assert "Thu 2026-11-26" in html
    assert "until 12:00" in html
    assert "Confirm through 2027-01-22" in html

    answer = panel.post(f"/admin/tradedesk/sessionrule/{rule().pk}/confirm/", follow=True)

    assert "is confirmed through 2027-01-22." in answer.content.decode()
    assert rule().confirmed_through == date(2027, 1, 22)
    confirmed = rule().holidays.filter(confirmed=True).values_list("date", flat=True)
    assert [str(day) for day in confirmed] == [
        "2026-11-26",
        "2026-11-27",
        "2026-12-24",
        "2026-12-25",
        "2027-01-01",
        "2027-01-18",
    ]
    assert not Holiday.objects.exclude(rule=rule()).filter(confirmed=True).exists()
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == (
        "grace",
        "confirm calendar",
        "session rule CME equity index",
    )


@pytest.mark.parametrize("method", ["get", "post"])
def test_calendar_is_confirmed_by_a_post_of_somebody_with_the_right(
    viewer: Client, panel: Client, method: str
) -> None:
    address = f"/admin/tradedesk/sessionrule/{rule().pk}/confirm/"

    assert viewer.post(address).status_code == 403
    assert panel.get(address).status_code == 405
    assert rule().confirmed_through is None


def test_person_who_may_only_look_gets_no_button(desk: object) -> None:
    user: User = make_user("ed")
    user.user_permissions.add(Permission.objects.get(codename="view_sessionrule"))
    client = Client()
    client.force_login(user)

    assert "Confirm through" not in client.get(url_of(rule())).content.decode()


def test_holiday_can_be_added_and_changed(panel: Client) -> None:
    values = {"rule": rule().pk, "date": "2026-12-03", "name": "Day of mourning", "closes_at": "08:30"}
    panel.post("/admin/tradedesk/holiday/add/", values)

    holiday = Holiday.objects.get(date=date(2026, 12, 3))
    assert (holiday.closes_at, holiday.confirmed) == (time(8, 30), False)
    panel.post(url_of(holiday), {**values, "confirmed": "on", "closes_at": ""})
    holiday.refresh_from_db()
    assert (holiday.closes_at, holiday.confirmed) == (None, True)
    assert AuditEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"), [("week", "Monday to Friday"), ("zone", "Chicago"), ("week", "Sun 17:00 - Mon 26:00")]
)
def test_unreadable_rule_is_not_saved(db: None, field: str, value: str) -> None:
    wrong = rule()
    setattr(wrong, field, value)

    with pytest.raises(ValidationError) as error:
        wrong.full_clean()

    assert list(error.value.message_dict) == [field]


# --- reminders ---


def calendar_notices() -> list[str]:
    return list(
        Notice.objects.filter(kind="calendar").order_by("created_at").values_list("subject", flat=True)
    )


def test_unconfirmed_day_is_told_once_a_day_from_three_weeks_ahead(demo: Bot, clock: FakeClock) -> None:
    confirm_calendars(date(2026, 12, 13))
    tasks.watch_calendar()
    assert calendar_notices() == []

    clock.advance(24 * 3600)
    tasks.watch_calendar()
    tasks.watch_calendar()
    clock.advance(24 * 3600)
    tasks.watch_calendar()

    assert calendar_notices() == ["Calendar of CME equity index: 2026-12-14 is not confirmed"] * 2


def test_calendar_that_only_paper_uses_is_not_told(bot: Bot) -> None:
    tasks.watch_calendar()

    assert calendar_notices() == []


def test_broken_calendar_is_told(demo: Bot) -> None:
    SessionRule.objects.update(week="whenever")

    tasks.watch_calendar()

    assert calendar_notices() == ["Calendar of CME equity index: not readable"]
