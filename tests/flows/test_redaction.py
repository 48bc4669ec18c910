"""Tokens and passwords show up in no log line, no row and no answer, whatever goes wrong."""

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
import redis

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Desk, alert
from tests.flows.processes import manage
from tests.waiting import until

LISTS = ("bots", "alerts", "decisions", "orders", "fills", "incidents")


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk(LOG_LEVEL="DEBUG") as opened:
        yield opened


class Talk:
    """Requests of every sort, and the text of all that was answered."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.answers: list[str] = []

    def post(self, path: str, body: str, **headers: str) -> int:
        return self.ask("POST", path, body, **headers)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> int:
        connection = HTTPConnection("127.0.0.1", self.desk.webs[0].port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            self.answers.append(f"{reply.headers}\n{reply.read().decode()}")
            return reply.status
        finally:
            connection.close()


def test_secrets_show_up_nowhere(desk: Desk) -> None:
    bot, other, third = desk.bots(3)
    api_token = desk.secrets["api_token"]
    talk, hook = Talk(desk), "/webhooks/tradingview/"

    assert talk.post(f"{hook}{bot.token}/", json.dumps(alert(bot, "blue", "10:10"))) == 200
    in_body = {**alert(bot, "red", "10:20"), "token": bot.token, "note": f"mine is {bot.token}"}
    assert talk.post(hook, json.dumps(in_body)) == 200
    escaped = json.dumps({**alert(bot, "blue", "10:30"), "token": "TOKEN"}).replace(
        "TOKEN", escape(bot.token)
    )
    assert talk.post(hook, escaped) == 200
    two_tokens = {**alert(other, "blue", "10:10"), "token": bot.token}
    assert talk.post(f"{hook}{other.token}/", json.dumps(two_tokens)) == 200
    assert talk.post(f"{hook}{bot.token}/", f'{{"token": "{other.token}", broken') == 400
    assert talk.post(f"{hook}{bot.token}/", json.dumps({"token": third.token, "action": bot.token})) == 400
    assert talk.post(f"{hook}{bot.token}", "{}") == 400
    assert talk.post(f"{hook}{bot.token}/more/", "{}") == 403
    assert talk.post(f"{hook}?token={bot.token}", "{}") == 403
    assert talk.ask("GET", f"{hook}{bot.token}/") == 405
    assert talk.ask("GET", "/api/v1/bots/", Authorization=f"Token {api_token}x") == 401
    for name in LISTS:
        assert talk.ask("GET", f"/api/v1/{name}/", Authorization=f"Token {api_token}") == 200
    assert talk.ask("GET", "/metrics", Authorization=f"Token {api_token}") == 200
    login = f"username=ada&password={desk.secrets['admin_password']}"
    assert talk.post("/admin/login/", login, **{"Content-Type": "application/x-www-form-urlencoded"}) == 403
    bearer = bearer_token(desk)
    desk.broker.stop()
    assert talk.post(f"{hook}{third.token}/", json.dumps(alert(third, "blue", "10:10"))) == 200
    until(lambda: "broker.unread" in desk.webs[0].text(), 5, "a log line about the broker")
    assert talk.ask("GET", "/readyz") == 503
    doctor = manage(desk.environ, "doctor")
    assert doctor.returncode == 1

    hidden = [bot.token, other.token, third.token, api_token, bearer, desk.broker.password]
    hidden += [desk.secrets["admin_password"], os.environ["SECRET_KEY"]]
    assert_absent(hidden, "\n".join(talk.answers), "answers")
    assert_absent(hidden, desk.webs[0].text(), "log of the web process")
    assert_absent(hidden, desk.broker.said.read_text(), "log of the broker")
    assert_absent(hidden, all_rows(desk), "database")
    assert_absent(hidden, doctor.stdout + doctor.stderr, "table of doctor")


def assert_absent(hidden: list[str], text: str, where: str) -> None:
    for number, secret in enumerate(hidden):
        at = text.find(secret)
        assert at < 0, f"secret {number} is in the {where}: …{text[max(at - 200, 0) : at]}"


def escape(token: str) -> str:
    """Return a token as JSON text that does not look like it."""
    return "".join(f"\\u{ord(letter):04x}" for letter in token)


def bearer_token(desk: Desk) -> str:
    """Return the access token that the desk has for its broker at this moment."""
    with redis.Redis.from_url(desk.environ["REDIS_URL"]) as client:
        (key,) = [key for key in client.scan_iter("tradedesk:login:*") if not key.endswith(b":lock")]
        text = client.get(key)
    assert isinstance(text, bytes)
    return str(json.loads(text)["value"])


def all_rows(desk: Desk) -> str:
    """Return every row of every table as text."""
    tables = desk.database.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    return "\n".join(
        str(row["text"])
        for table in tables
        for row in desk.database.rows(f'SELECT t::text AS text FROM "{table["name"]}" t')
    )
