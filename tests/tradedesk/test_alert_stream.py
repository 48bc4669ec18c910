from datetime import date

import pytest
from django.test import Client

from tests.builders import confirm_calendars, make_account, make_bot
from tests.fakes import START, FakeClock
from tests.posting import Teller
from tests.strategy.builders import chicago
from tests.telling import BLUE, RED, open_incidents, said
from tradedesk import tasks
from tradedesk.admin.cells import url_of
from tradedesk.models import Account, Bot, Environment, Incident, Instrument, Notice, Strategy
from tradedesk.services.reports.telling import tell_what_happened

SILENT = [("HEARTBEAT_MISSED", "mes-paper")]


@pytest.fixture
def bot(bot: Bot) -> Bot:
    """Return a bot on a demo account with a confirmed calendar."""
    Account.objects.update(environment=Environment.DEMO)
    confirm_calendars()
    bot.account.refresh_from_db()
    return bot


def stream_notices() -> list[str]:
    return list(
        Notice.objects.filter(kind="alert_stream").order_by("created_at").values_list("subject", flat=True)
    )


def beat(tell: Teller, minute: float) -> None:
    tell("HEARTBEAT", minute, timeframe="10")


def watch_at(clock: FakeClock, local: str) -> list[tuple[str, str]]:
    clock.advance((chicago(local) - clock.now()).total_seconds())
    tasks.watch_alerts()
    return open_incidents()


def test_two_missing_heartbeats_open_an_incident_that_the_next_one_closes(
    bot: Bot, tell: Teller, clock: FakeClock
) -> None:
    beat(tell, 10)
    assert watch_at(clock, "2026-11-23 09:30:59") == []
    assert watch_at(clock, "2026-11-23 09:31") == SILENT
    assert watch_at(clock, "2026-11-23 09:32") == SILENT
    assert Incident.objects.get().seen == {"last heartbeat": "2026-11-23T15:10:00+00:00", "bar": "10 min"}

    beat(tell, 40)
    assert watch_at(clock, "2026-11-23 09:40") == []

    assert Incident.objects.get().closed_by == "desk"


def test_bars_are_those_that_the_heartbeat_came_with(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    tell("HEARTBEAT", 0, timeframe="60")

    assert watch_at(clock, "2026-11-23 11:00:59") == []
    assert watch_at(clock, "2026-11-23 11:01") == SILENT


def test_closed_market_does_not_count(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    # 15:50, ten minutes before the break.
    beat(tell, 6 * 60 + 50)

    assert watch_at(clock, "2026-11-23 17:10:59") == []
    assert watch_at(clock, "2026-11-23 17:11") == SILENT


def test_holiday_and_weekend_do_not_count(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    # The Friday after Thanksgiving closes at 12:15.
    beat(tell, (4 * 24 + 3) * 60 + 10)

    assert watch_at(clock, "2026-11-29 17:15:59") == []
    assert watch_at(clock, "2026-11-29 17:16") == SILENT


def test_silence_refuses_openings_and_no_exit(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    tell(BLUE)
    beat(tell, 0)
    watch_at(clock, "2026-11-23 09:21")

    assert said(tell(RED, 30)) == ("EXIT", "ALERTS_SILENT")


@pytest.mark.parametrize(
    "spoil",
    [
        {"watch_heartbeat": False},
        {"heartbeat_at": None},
    ],
)
def test_strategy_that_is_not_watched_or_never_had_a_heartbeat(
    bot: Bot, clock: FakeClock, spoil: dict[str, object]
) -> None:
    Strategy.objects.update(**{"heartbeat_at": START, **spoil})

    assert watch_at(clock, "2026-11-23 15:00") == []


def test_only_enabled_bots_on_demo_and_live_are_concerned(bot: Bot, clock: FakeClock) -> None:
    make_bot("on-paper", account=make_account("other"))
    make_bot("off", account=make_account("third", environment=Environment.DEMO), enabled=False)
    make_bot("away", account=make_account("fourth", environment=Environment.DEMO, enabled=False))
    Strategy.objects.update(heartbeat_at=START)

    assert watch_at(clock, "2026-11-23 15:00") == SILENT


def test_incident_of_a_bot_that_is_switched_off_ends(bot: Bot, clock: FakeClock) -> None:
    Strategy.objects.update(heartbeat_at=START)
    watch_at(clock, "2026-11-23 15:00")
    Bot.objects.update(enabled=False)

    assert watch_at(clock, "2026-11-23 15:01") == []


def test_unknown_hours_are_not_watched(bot: Bot, clock: FakeClock) -> None:
    Strategy.objects.update(heartbeat_at=START)
    Instrument.objects.update(session_rule=None)

    assert watch_at(clock, "2026-11-23 15:00") == []


def test_same_colour_twice_is_told_once_for_all_bots(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    make_bot("second", account=make_account("second"))
    tell(BLUE)
    tell(RED, 10)
    tell(RED, 30)

    tell_what_happened(clock.now())
    tell_what_happened(clock.now())

    assert stream_notices() == ["mes-trend: SHORT_ENTRY MES1! came twice in a row"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-12-12", []),
        ("2026-12-13", ["mes-trend: alerts end in 7 d, on 2026-12-20"]),
        ("2026-12-15", ["mes-trend: alerts end in 5 d, on 2026-12-20"]),
        ("2026-12-19", ["mes-trend: alerts end in 1 d, on 2026-12-20"]),
        ("2026-12-20", ["mes-trend: alerts ended or end today (2026-12-20)"]),
        ("2026-12-28", ["mes-trend: alerts ended or end today (2026-12-20)"]),
    ],
)
def test_end_of_the_alerts_is_told(bot: Bot, clock: FakeClock, day: str, expected: list[str]) -> None:
    Strategy.objects.update(alerts_expire_on=date(2026, 12, 20))

    watch_at(clock, f"{day} 00:01")
    watch_at(clock, f"{day} 23:59")

    assert stream_notices() == expected


def test_reminders_come_a_week_and_a_day_before_and_anew_for_a_new_day(bot: Bot, clock: FakeClock) -> None:
    Strategy.objects.update(alerts_expire_on=date(2026, 12, 20))
    for day in range(10, 31):
        watch_at(clock, f"2026-12-{day} 12:00")
    Strategy.objects.update(alerts_expire_on=date(2027, 1, 6))
    watch_at(clock, "2026-12-30 12:00")

    assert stream_notices() == [
        "mes-trend: alerts end in 7 d, on 2026-12-20",
        "mes-trend: alerts end in 1 d, on 2026-12-20",
        "mes-trend: alerts ended or end today (2026-12-20)",
        "mes-trend: alerts end in 7 d, on 2027-01-06",
    ]


def test_day_that_the_alerts_end_is_set_in_the_panel(bot: Bot, panel: Client) -> None:
    page = url_of(bot.strategy)
    values = {"slug": "mes-trend", "trend_timeframe": "10", "di_timeframe": "15"}

    panel.post(page, {**values, "alerts_expire_on": "2026-12-20", "watch_heartbeat": "on"})

    strategy = Strategy.objects.get()
    assert (strategy.alerts_expire_on, strategy.watch_heartbeat) == (date(2026, 12, 20), True)
