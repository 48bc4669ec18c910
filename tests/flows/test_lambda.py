"""The package alone, as on Lambda: unpacked into an empty folder, run by a fresh Python."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Desk, alert
from tests.flows.functions import HOST, Function, body_of, request, schedule
from tests.flows.packages import packaged, stage_settings, unpack
from tests.secrets_manager import SecretsManager, secrets_manager

SECRET_KEY = "k" * 50
STRANGER = "203.0.113.9"


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk(servers=0) as desk:
        yield desk


@pytest.fixture(scope="module")
def aws(desk: Desk) -> Iterator[SecretsManager]:
    kept = {name: desk.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    with secrets_manager({"SECRET_KEY": SECRET_KEY, "NOTIFY_URLS": "", **kept}) as server:
        yield server


@pytest.fixture(scope="module")
def function(desk: Desk, aws: SecretsManager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """Return the function after its schedule has reconciled: its variables alone tell it of the desk."""
    folder = tmp_path_factory.mktemp("function")
    task, runtime = unpack(packaged(), folder)
    environ = {
        **aws.environ,
        "AWS_LAMBDA_FUNCTION_NAME": "tradedesk-demo",
        "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
        "DESK_SECRET_ID": "tradedesk-demo/desk",
        "ALLOWED_HOSTS": HOST,
        "PATH_PREFIX": "/demo",
        **{name: value for name, value in desk.environ.items() if name.startswith("PAPER_")},
    }
    function = Function(task, runtime, environ, folder / "function.log")
    assert function.invoke(schedule("reconcile")) is None
    yield function
    function.stop()


def test_alert_through_the_gateway_trades(function: Function, desk: Desk) -> None:
    bot = desk.next_bot()
    message = alert(bot, "blue", "10:10")

    answer = function.invoke(request("POST", f"/webhooks/tradingview/{bot.token}/", message))

    assert answer["statusCode"] == 200
    (decision,) = json.loads(body_of(answer))["decisions"]
    assert (decision["action"], decision["order"]["status"]) == ("ENTER_LONG", "filled")
    assert desk.held(bot) == desk.booked(bot) == 1


def test_every_schedule_runs(function: Function, desk: Desk) -> None:
    events = stage_settings()["events"]
    assert isinstance(events, list)
    names = {event["function"].rpartition(".")[2] for event in events}

    answers = [function.invoke(schedule(name)) for name in sorted(names)]

    assert set(answers) == {None}
    assert '"DatabaseHealthy": 1' in function.said.read_text()
    rows = desk.database.rows("SELECT name, failed_at FROM tradedesk_taskrun")
    assert {row["name"] for row in rows} == names - {"measure"}
    assert {row["failed_at"] for row in rows} == {None}


def test_schedule_settles_what_an_ended_function_left_behind(function: Function, desk: Desk) -> None:
    bot = desk.next_bot()
    function.invoke(request("POST", f"/webhooks/tradingview/{bot.token}/", alert(bot, "blue", "10:10")))
    left = (
        "UPDATE tradedesk_order SET status = 'sent', settled_at = NULL, broker_order_id = NULL WHERE bot_id ="
    )
    desk.database.rows(f"{left} (SELECT id FROM tradedesk_bot WHERE slug = %s) RETURNING 1", bot.slug)
    desk.let_seconds_pass(30)

    function.invoke(schedule("recover"))

    (order,) = desk.orders(bot)
    assert order["status"] == "filled"
    assert desk.held(bot) == 1


def test_forged_sender_is_not_believed(function: Function, desk: Desk) -> None:
    bot = desk.next_bot()
    forged = {"X-Forwarded-For": f"52.89.214.238, {STRANGER}"}

    answer = function.invoke(
        request("POST", f"/webhooks/tradingview/{bot.token}/", {}, source=STRANGER, **forged)
    )

    assert answer["statusCode"] == 403


def test_panel_stays_below_the_stage(function: Function) -> None:
    home = function.invoke(request("GET", "/"))
    assert (home["statusCode"], home["headers"]["Location"]) == (302, "/demo/admin/")
    page = body_of(function.invoke(request("GET", "/admin/login/")))

    addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)

    assert {address.split("/")[1] for address in addresses} == {"demo"}
    assert function.invoke(request("GET", "/static/tradedesk/panel.css"))["statusCode"] == 200


def test_failure_of_a_schedule_is_lambdas_too_and_told(function: Function) -> None:
    assert function.invoke(schedule("no_such_task")) == {"errorType": "AttributeError"}

    assert '"event": "lambda.failed"' in function.said.read_text()


def test_secrets_are_read_once_and_stay_out_of_environment_and_log(
    function: Function, desk: Desk, aws: SecretsManager
) -> None:
    function.invoke({"raw_command": "import os; print('SEEN', dict(os.environ), flush=True)"})

    said = function.said.read_text()
    assert "SEEN" in said
    assert aws.asked == ["tradedesk-demo/desk"]
    secrets = (SECRET_KEY, desk.environ["REDIS_URL"], *(bot["token"] for bot in desk.secrets["bots"]))
    assert [secret for secret in secrets if secret in said] == []
