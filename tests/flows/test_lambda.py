"""The package alone, as on Lambda: unpacked into an empty folder, run by a fresh Python."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Desk, alert
from tests.flows.functions import HOST, Function, body_of, request, schedule
from tests.flows.packages import packaged, unpack
from tests.secrets_manager import SecretsManager, secrets_manager

SECRET_KEY = "k" * 50


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk(servers=0) as desk:
        yield desk


@pytest.fixture(scope="module")
def aws(desk: Desk) -> Iterator[SecretsManager]:
    secret = {
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": desk.environ["DATABASE_URL"],
        "REDIS_URL": desk.environ["REDIS_URL"],
        "NOTIFY_URLS": "",
    }
    with secrets_manager(secret) as server:
        yield server


@pytest.fixture(scope="module")
def function(
    desk: Desk, aws: SecretsManager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("function")
    task, runtime = unpack(packaged(), folder)
    environ = {
        **aws.environ,
        "AWS_LAMBDA_FUNCTION_NAME": "tradedesk-demo",
        "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
        "DESK_SECRET_ID": "tradedesk-demo/desk",
        "ALLOWED_HOSTS": HOST,
        "PATH_PREFIX": "/demo",
        "WEBHOOK_ALLOWED_ADDRESSES": "52.89.214.238",
        **{name: value for name, value in desk.environ.items() if name.startswith("PAPER_")},
    }
    function = Function(task, runtime, environ, folder / "function.log")
    yield function
    function.stop()


def test_alert_through_the_gateway_trades(function: Function, desk: Desk) -> None:
    bot = desk.next_bot()
    assert function.invoke(schedule("reconcile")) is None

    answer = function.invoke(request("POST", f"/webhooks/tradingview/{bot.token}/", alert(bot, "blue", "10:10")))

    print(answer, function.said.read_text())
    (decision,) = json.loads(body_of(answer))["decisions"]
    assert (answer["statusCode"], decision["action"], decision["order"]["status"]) == (200, "ENTER_LONG", "filled")
    assert desk.held(bot) == desk.booked(bot) == 1
    assert bot.token not in function.said.read_text()
