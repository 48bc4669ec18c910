"""The desk itself released, updated, rolled back and taken down by Zappa, with alerts through the gateway."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Answer, Bot, Desk, alert
from tests.flows.functions import HOST
from tests.flows.packages import packaged, stage_settings
from tests.flows.release import later
from tests.flows.release.stages import Emulator, Stage, written


@pytest.fixture
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    """Return database, Redis and broker of a desk whose web server is the function."""
    with open_desk(servers=0) as desk:
        yield desk


@pytest.fixture
def stage(desk: Desk, emulator: Emulator, role: str, tmp_path: Path) -> Stage:
    """Return the committed settings filled in for the emulator, and the desk's secret there."""
    names = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")
    known = {**os.environ, **desk.environ}
    secret = json.dumps({name: known[name] for name in names})
    made = emulator.client("secretsmanager").create_secret(Name="desk", SecretString=secret)
    variables = {
        "DESK_SECRET_ID": made["ARN"],
        "ALLOWED_HOSTS": HOST,
        "WEBHOOK_ALLOWED_ADDRESSES": "52.89.214.238",
        **{name: value for name, value in desk.environ.items() if name.startswith("PAPER_")},
    }
    settings: dict[str, Any] = stage_settings()
    filled = {
        **{name: value for name, value in settings.items() if name not in ("vpc_config", "dead_letter_arn")},
        "project_name": "desk",
        "base_url": f"{emulator.url}/gateway/desk-demo/",
        "role_arn": role,
        "aws_environment_variables": {**settings["aws_environment_variables"], **variables},
    }
    return Stage(emulator, "desk", written(tmp_path / "settings.json", {"demo": filled}), role)


def test_halted_desk_stays_halted_and_trades_again_through_update_and_rollback(
    stage: Stage, desk: Desk, tmp_path: Path
) -> None:
    first = packaged()
    second = later.later(first, tmp_path / "later.zip")
    bot, other = desk.bots(2)
    desk.command("reconcile")

    deployed = stage.release("deploy", "--package", first)

    assert deployed.code == 0, deployed.said
    assert stage.running()["version"] == "0.1.0"
    assert send(stage, bot, "blue", "10:10") == ("ENTER_LONG", "TREND_BLUE", "filled")
    assert desk.held(bot) == desk.booked(bot) == 1
    before = stage.digest()

    desk.command("kill_switch", "on", "--reason", "release")
    updated = stage.release("deploy", "--package", second)

    assert updated.code == 0, updated.said
    running = stage.running()
    assert (running["version"], running["schema"], running["build"]["commit"]) == (
        later.VERSION,
        later.SCHEMA,
        later.COMMIT,
    )
    assert applied(desk) == later.SCHEMA
    assert send(stage, other, "blue", "10:10") == ("NONE", "HALTED", None)

    rolled_back = stage.release("rollback")

    assert rolled_back.code == 0, rolled_back.said
    assert (stage.running()["version"], stage.digest(), applied(desk)) == ("0.1.0", before, later.SCHEMA)
    assert send(stage, other, "red", "10:20") == ("NONE", "HALTED", None)
    desk.command("kill_switch", "off", "--reason", "released")
    assert send(stage, bot, "down", "10:30") == ("EXIT", "DI_DOWN", "filled")
    assert desk.held(bot) == desk.booked(bot) == 0

    undeployed = stage.zappa("undeploy", "--yes")

    assert undeployed.code == 0, undeployed.said
    rest = stage.emulator.client("lambda").list_functions()["Functions"]
    assert stage.function not in {function["FunctionName"] for function in rest}


def send(stage: Stage, bot: Bot, word: str, closes_at: str) -> tuple[str, str, str | None]:
    """Post an alert through the gateway; return action, reason and what became of the order."""
    answer = httpx.post(
        f"{stage.address}/webhooks/tradingview/{bot.token}/", json=alert(bot, word, closes_at), timeout=30
    )
    assert answer.status_code == 200, answer.text
    return Answer(answer.status_code, answer.json(), 0.0).summary


def applied(desk: Desk) -> str:
    """Return the newest migration that the database has."""
    (row,) = desk.database.rows("SELECT max(name) AS name FROM django_migrations WHERE app = 'tradedesk'")
    return str(row["name"])
