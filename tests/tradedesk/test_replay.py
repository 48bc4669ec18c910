import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.fakes import START
from tradedesk.management import alerts


def written(path: Path, *messages: dict[str, Any] | str) -> str:
    """Return the name of a file with one message a line."""
    lines = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def alert(action: str, minute: int) -> dict[str, Any]:
    """Return an alert of a bar that opens so many minutes after the start, fired at its close."""
    bar_open = START + timedelta(minutes=minute)
    fired_at = bar_open + timedelta(minutes=int(alerts.usual_timeframe(action)))
    return alerts.payload(action, bar_open=alerts.iso(bar_open), fired_at=alerts.iso(fired_at), close="6840")


def test_each_event_is_told_with_its_state_and_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("replay", written(tmp_path / "alerts", *alerts.sample(START)))

    _, *rows, summary = capsys.readouterr().out.splitlines()
    assert [row.split(maxsplit=7)[2:] for row in rows] == [
        ["TREND", "BLUE", "LONG", "BLUE", "NO", "ENTER_LONG"],
        ["DI", "DOWN", "NONE", "BLUE", "YES", "EXIT"],
        ["DI", "UP", "LONG", "BLUE", "NO", "REENTER_LONG"],
        ["TREND", "BLUE", "LONG", "BLUE", "NO", "NONE (SAME_COLOR)"],
        ["TREND", "RED", "SHORT", "RED", "NO", "REVERSE_TO_SHORT"],
    ]
    assert summary == "5 events, 4 trades, 0 lines that are no alerts."


def test_repeated_and_late_alerts_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blue, down = alert("LONG_ENTRY", 0), alert("DI_CROSS_DOWN", -30)

    call_command("replay", written(tmp_path / "alerts", blue, blue, down, "", alert("SHORT_ENTRY", -3000)))

    rows = capsys.readouterr().out.splitlines()[1:-1]
    assert [row.split(maxsplit=7)[7] for row in rows] == [
        "ENTER_LONG",
        "NONE (duplicate)",
        "NONE (LATE_NO_EFFECT)",
        "NONE (EVENT_WINDOW)",
    ]


def test_line_that_is_no_alert_is_named_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "alerts", "not JSON", alert("LONG_ENTRY", 0))

    with pytest.raises(CommandError, match="1 lines are no alerts"):
        call_command("replay", file)

    assert "     1  not an alert: body: The body is not JSON" in capsys.readouterr().out


def test_missing_file_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("replay", str(tmp_path / "nowhere"))
