from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from broker.base import BrokerNotReached
from tests.builders import make_account, make_bot, make_token
from tests.fakes import START, FakeLinks
from tradedesk.models import Instrument, WebhookToken
from tradedesk.services.desk import Desk
from tradedesk.stores import redis


def report(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Return the exit code of doctor and its table: the verdict and what was found, by part."""
    try:
        call_command("doctor")
        code = 0
    except SystemExit as end:
        code = int(str(end.code))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("ok ", "TROUBLE "))]
    return code, {row[9:33].strip(): f"{row[:8].strip()} {row[34:]}" for row in rows}


def test_healthy_desk_is_well(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    make_token(make_bot().strategy)

    code, table = report(capsys)

    assert code == 0
    assert table["migrations"] == "ok all applied"
    assert table["redis"] == "ok answers"
    assert table["strategy mes-trend"] == "ok 1 valid webhook tokens, no heartbeat yet"
    assert table["account paper"] == "ok paper, logged in, trades on PAPER1"
    assert table["account paper MES"] == "ok trades MESZ6"


def test_broker_that_is_away_is_trouble(
    desk: Desk, links: FakeLinks, capsys: pytest.CaptureFixture[str]
) -> None:
    make_token(make_bot().strategy)
    links.down["paper"] = BrokerNotReached("nobody listens")

    code, table = report(capsys)

    assert code == 1
    assert table["account paper"] == "TROUBLE BrokerNotReached: nobody listens"
    assert "account paper MES" not in table


def test_contract_on_other_terms_is_trouble(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    make_token(make_bot().strategy)
    Instrument.objects.filter(root="MES").update(point_value=50)

    code, table = report(capsys)

    assert code == 1
    assert table["account paper MES"].startswith("TROUBLE LookupError: MESZ6 has tick 0.25 and point value 5")


def test_strategy_that_lets_no_alert_in_is_trouble(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    make_token(make_bot().strategy)
    WebhookToken.objects.update(revoked_at=timezone.now())

    code, table = report(capsys)

    assert code == 1
    assert table["strategy mes-trend"].startswith("TROUBLE 0 valid webhook tokens")


def test_redis_that_is_away_is_trouble(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise redis.RedisUnavailable("ConnectionError")

    monkeypatch.setattr(redis, "ping", fail)

    code, table = report(capsys)

    assert code == 1
    assert table["redis"] == "TROUBLE RedisUnavailable: ConnectionError"


@pytest.mark.parametrize(
    ("environment", "fields", "found"),
    [
        ("live", {}, "TROUBLE The broker's own limits were not read in the last day."),
        ("demo", {}, "ok The broker's own limits were not read in the last day."),
        (
            "live",
            {"wall": {"daily_loss": "750", "position": 3}, "wall_read_at": START},
            "ok liquidates at a loss of 750 USD, at most 3 contracts",
        ),
    ],
)
def test_limits_at_the_broker_are_shown(
    desk: Desk, capsys: pytest.CaptureFixture[str], environment: str, fields: dict[str, Any], found: str
) -> None:
    make_bot(account=make_account("real", environment=environment, credentials="LIVE", **fields))

    _, table = report(capsys)

    assert table["account real at broker"] == found
