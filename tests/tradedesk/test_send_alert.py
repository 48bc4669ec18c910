import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.live_server_helper import LiveServer

from tests.builders import TOKEN, make_bot, make_token
from tests.fakes import START
from tradedesk import wiring
from tradedesk.management import alerts
from tradedesk.models import Alert
from tradedesk.services.desk import Desk
from tradedesk.webhook.payload import parse_json, parse_signal


@pytest.fixture
def address(desk: Desk, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the webhook of a desk on the fake clock that listens on a real port, with one bot."""
    monkeypatch.setattr(wiring, "now", lambda: START)
    make_token(make_bot().strategy)
    return f"{live_server.url}/webhooks/tradingview/{TOKEN}/"


@pytest.mark.parametrize(
    ("words", "action", "timeframe"),
    [
        (["--trend", "blue"], "LONG_ENTRY", "10"),
        (["--trend", "red"], "SHORT_ENTRY", "10"),
        (["--di", "up"], "DI_CROSS_UP", "15"),
        (["--di", "down", "--timeframe", "5"], "DI_CROSS_DOWN", "5"),
    ],
)
def test_each_event_is_stored_as_asked_for(
    address: str, words: list[str], action: str, timeframe: str
) -> None:
    call_command("send_alert", *words, "--url", address, "--symbol", "MESZ2026", "--close", "6851.25")

    alert = Alert.objects.get()
    assert (alert.action, alert.timeframe, alert.symbol) == (action, timeframe, "MESZ2026")
    assert (str(alert.close), alert.fired_at) == ("6851.25000000", START)


def test_answer_is_told_in_a_line_for_each_bot(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("send_alert", "--trend", "blue", "--url", address)

    status, told = capsys.readouterr().out.splitlines()
    assert status.startswith("processed ")
    assert told.startswith("mes-paper: ENTER_LONG (TREND_BLUE), BUY 1 MESZ6 filled at ")
    assert told.endswith("; now LONG, trend BLUE")


def test_heartbeat_is_answered_as_one(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("send_alert", "--heartbeat", "--url", address)

    assert capsys.readouterr().out.splitlines()[0] == "heartbeat"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trend", "blue", "--timeframe", "x"], "market_data.timeframe"),
        (["--trend", "blue", "--close", "dear"], "--close dear is no price"),
    ],
)
def test_what_is_no_alert_fails_and_names_the_field(address: str, words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("send_alert", *words, "--url", address)


def test_wrong_token_fails(address: str) -> None:
    with pytest.raises(CommandError, match="HTTP 403 Forbidden"):
        call_command("send_alert", "--trend", "blue", "--url", address.replace(TOKEN, "wrong"))


def test_desk_that_is_away_fails() -> None:
    with pytest.raises(CommandError, match="The desk did not answer"):
        call_command("send_alert", "--trend", "blue", "--url", "http://127.0.0.1:1/webhooks/tradingview/x/")


def test_sample_is_real_alerts_in_event_order() -> None:
    signals = [parse_signal(parse_json(json.dumps(alert).encode())) for alert in alerts.sample(START)]

    closes = [signal.bar_open + timedelta(minutes=int(signal.timeframe)) for signal in signals]
    assert closes == sorted(set(closes))
    assert closes[-1] <= START
    assert {signal.fired_at for signal in signals} == {START}


@pytest.mark.parametrize(
    ("color", "action"), [("RED", "LONG_ENTRY"), ("BLUE", "SHORT_ENTRY"), (None, "SHORT_ENTRY")]
)
def test_printed_command_turns_the_trend(color: str | None, action: str) -> None:
    command = alerts.curl("http://127.0.0.1:8000/webhooks/tradingview/x/", color)

    assert f'"action":"{action}"' in command
    assert command.count("$(date -u +") == 2


def answer(**content: Any) -> alerts.Answer:
    return alerts.Answer(200, content)


def test_answer_without_decisions_is_told_by_its_status() -> None:
    assert answer(status="duplicate", decisions=[]).lines() == ["duplicate"]
