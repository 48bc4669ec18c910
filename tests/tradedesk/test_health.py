import json
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from broker.base import (
    BrokerAuthFailed,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from tests.builders import (
    at,
    make_account,
    make_alert,
    make_bot,
    make_decision,
    make_incident,
    make_order,
    make_strategy,
    set_held,
)
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk import migrations
from tradedesk.models import Strategy, TradingMode, TradingState
from tradedesk.services.halting import versions

pytestmark = pytest.mark.usefixtures("desk")

WELL = {"ok": True, "detail": ""}


def failing(client: Client) -> dict[str, str]:
    """Return the detail of every part that is not ready."""
    answer = client.get("/readyz")
    failing = {name: part["detail"] for name, part in answer.json()["checks"].items() if not part["ok"]}
    assert answer.status_code == (503 if failing else 200)
    assert answer.json()["ready"] is not bool(failing)
    return failing


def newest_migration() -> str:
    """Return the name of the last file among the migrations."""
    return max(file.stem for file in (Path(migrations.__file__).parent).glob("0*.py"))


def test_process_that_lives_asks_nobody(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, broker: FakeBroker
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not broker.calls


def test_desk_in_order_is_ready(client: Client, settings: Settings) -> None:
    make_account()

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {
            "database": WELL,
            "migrations": WELL,
            "redis": WELL,
            "broker:paper": WELL,
            "reconciled:paper": WELL,
        },
        "release": {
            "version": settings.VERSION,
            "code": versions.signature().code,
            "settings": versions.signature().settings,
            "schema": newest_migration(),
            "build": None,
        },
    }


def test_packed_desk_says_what_its_package_holds(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = {"commit": "0123456789ab", "schema": "0016_reasons", "settings": "0123456789abcdef"}
    (tmp_path / "build.json").write_text(json.dumps(build))
    settings.BASE_DIR = tmp_path
    monkeypatch.setattr(versions, "release", versions.release.__wrapped__)

    answer = client.get("/readyz")

    assert answer.json()["release"]["build"] == build


def test_disabled_account_is_not_waited_for(client: Client) -> None:
    make_account(enabled=False, reconciled_at=None)

    assert failing(client) == {}


@pytest.mark.parametrize("reconciled_at", [None, at(-1)])
def test_account_not_reconciled_since_the_start_is_named(client: Client, reconciled_at: Any) -> None:
    make_account(reconciled_at=reconciled_at)

    assert failing(client) == {
        "reconciled:paper": "Not reconciled since the desk started; it will be as soon as the broker answers."
        " To do it now: manage.py reconcile --account paper"
    }


def test_unknown_outcome_does_not_keep_the_desk_unready(client: Client) -> None:
    make_order(make_bot(), status="unconfirmed")

    assert failing(client) == {}


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (BrokerNotReached("refused"), "No connection to the broker. Run manage.py doctor."),
        (BrokerAuthFailed("pw=secret"), "The broker refused the login. Run manage.py doctor."),
        (BrokerRefused("UnknownAccount", "X"), "The broker refused: UnknownAccount. Run manage.py doctor."),
        (BrokerThrottled(3600), "The broker must not be asked for 3600 s. Run manage.py doctor."),
        (BrokerThrottled(None), "The broker gives no usable answer. Run manage.py doctor."),
        (BrokerOutcomeUnknown("502"), "The broker gives no usable answer. Run manage.py doctor."),
    ],
)
def test_broker_session_that_fails_is_named_without_secrets(
    client: Client, links: FakeLinks, error: Any, detail: str
) -> None:
    make_account()
    make_account("second")
    links.down["second"] = error

    assert failing(client) == {"broker:second": detail}


def test_broker_session_is_asked_again_after_five_seconds(
    client: Client, broker: FakeBroker, clock: FakeClock
) -> None:
    make_account()

    client.get("/readyz")
    client.get("/readyz")
    asked_at_first = broker.calls["accounts"]
    clock.advance(5)
    client.get("/readyz")

    assert (asked_at_first, broker.calls["accounts"]) == (1, 2)


def test_broker_session_that_failed_is_asked_again_after_a_second(
    client: Client, links: FakeLinks, clock: FakeClock
) -> None:
    make_account()
    links.down["paper"] = BrokerNotReached("refused")
    assert list(failing(client)) == ["broker:paper"]
    links.down.clear()
    assert list(failing(client)) == ["broker:paper"]

    clock.advance(1)

    assert failing(client) == {}


def test_redis_that_is_away_is_named(client: Client, settings: Settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}

    assert list(failing(client)) == ["redis"]


def test_missing_migration_is_named(client: Client) -> None:
    MigrationRecorder(connection).record_unapplied("tradedesk", "0002_instruments")

    assert failing(client) == {"migrations": "Migrations are missing; run manage.py migrate."}


def test_database_that_is_out_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise OperationalError("connection refused: password=secret")

    monkeypatch.setattr(versions, "missing_migrations", fail)

    assert failing(client) == {"database": "The database does not answer; check DATABASE_URL."}


def test_metrics_need_a_login(client: Client) -> None:
    assert client.get("/metrics").status_code == 401


def test_metrics_show_the_desk(api: APIClient, clock: FakeClock) -> None:
    bot = make_bot()
    set_held(bot, -2)
    alert = make_alert(bot.strategy)
    make_alert(bot.strategy, fired_at=at(-60 * 25))
    make_order(bot, decision=make_decision(alert, bot), status="unconfirmed")
    make_incident(bot)
    Strategy.objects.update(heartbeat_at=at(-1))
    TradingState.objects.filter(scope="bot:mes-paper").update(mode=TradingMode.HALTED)
    clock.advance(30)

    answer = api.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})

    assert answer["Content-Type"].startswith("text/plain")
    lines = answer.content.decode().splitlines()
    wanted = [
        'tradedesk_alerts_last_day{outcome="accepted"} 1.0',
        'tradedesk_decisions_last_day{action="ENTER_LONG",reason="TREND_BLUE"} 1.0',
        'tradedesk_orders_last_day{status="unconfirmed"} 1.0',
        "tradedesk_unconfirmed_orders 1.0",
        "tradedesk_open_incidents 1.0",
        "tradedesk_kill_switch_engaged 1.0",
        "tradedesk_missed_heartbeats 0.0",
        "tradedesk_redis_healthy 1.0",
        "tradedesk_database_healthy 1.0",
        'tradedesk_incidents_open{kind="POSITION_MISMATCH"} 1.0',
        'tradedesk_trading_state{scope="all"} 0.0',
        'tradedesk_trading_state{scope="bot:mes-paper"} 2.0',
        'tradedesk_position_contracts{bot="mes-paper"} -2.0',
        'tradedesk_seconds_since_alert{strategy="mes-trend"} 30.0',
        'tradedesk_seconds_since_heartbeat{strategy="mes-trend"} 90.0',
        'tradedesk_seconds_since_reconciled{account="paper"} 30.0',
    ]
    assert [line for line in wanted if line not in lines] == []
    assert "# HELP tradedesk_execution_time_seconds From receipt of an alert to its answer." in lines


@pytest.mark.parametrize("bots", [1, 3])
def test_query_count_of_metrics_does_not_grow(
    api: APIClient, bots: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(bots):
        strategy = make_strategy(f"strategy-{number}")
        make_bot(f"bot-{number}", strategy=strategy, account=make_account(f"account-{number}"))
        make_alert(strategy)

    with django_assert_num_queries(16):  # two of them for the token
        api.get("/metrics")
