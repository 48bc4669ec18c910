"""A whole desk of processes: web servers, paper broker, database and Redis, and how a test works with it."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import Any

import redis

from tests.builders import make_message
from tests.flows.brokers import PaperBroker
from tests.flows.databases import Database, Row
from tests.flows.processes import Shell, Web
from tests.waiting import until
from tradedesk.wiring import now

# Event time is the chart's; only the firing time has to be fresh. Hour 30 is six in the next morning.
DAY = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=30)
ACTIONS = {"blue": "LONG_ENTRY", "red": "SHORT_ENTRY", "up": "DI_CROSS_UP", "down": "DI_CROSS_DOWN"}
MINUTES = {"blue": 10, "red": 10, "up": 15, "down": 15}
SETTLED_WITHIN_S = 40.0


@dataclass(frozen=True)
class Bot:
    """A bot of the template, alone on its strategy, and the token that drives it."""

    slug: str
    token: str
    root: str
    account: str


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, the decoded body, and how long it took."""

    status: int
    body: dict[str, Any]
    seconds: float

    @property
    def decision(self) -> dict[str, Any]:
        """The decision of the one bot of the strategy."""
        (decision,) = self.body["decisions"]
        assert isinstance(decision, dict)
        return decision

    @property
    def summary(self) -> tuple[str, str, str | None]:
        """The decision's action and reason, and the status of its order."""
        order = self.decision["order"]
        return self.decision["action"], self.decision["reason"], order and order["status"]


def alert(bot: Bot, word: str, closes_at: str, **market: Any) -> dict[str, Any]:
    """Return a fresh alert of one of the four events, for a bar that closed at a time such as 10:10."""
    hours, minutes = closes_at.split(":")
    closed = DAY + timedelta(hours=int(hours), minutes=int(minutes))
    opened = closed - timedelta(minutes=MINUTES[word])
    return make_message(
        ACTIONS[word],
        fired_at=now(),
        **{"timestamp": f"{opened:%Y-%m-%dT%H:%M:%SZ}", "symbol": f"{bot.root}1!", **market},
    )


def at_once[T](calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at the same moment, each from a thread of its own; return what they gave, in order."""
    start = threading.Barrier(len(calls))
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def run(number: int, call: Callable[[], T]) -> None:
        start.wait()
        try:
            results[number] = call()
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(calls))]


@dataclass
class Desk:
    """A desk under test. `environ` is what its processes are started with, beside the suite's own."""

    database: Database
    environ: dict[str, str]
    broker: PaperBroker
    secrets: Mapping[str, Any]
    webs: list[Web] = field(default_factory=list)
    _used: int = 0

    def next_bot(self, account: str = "") -> Bot:
        """Return a bot that no test of this desk has used."""
        while True:
            bot = Bot(**self.secrets["bots"][self._used])
            self._used += 1
            if account in ("", bot.account):
                return bot

    def bots(self, count: int) -> list[Bot]:
        return [self.next_bot() for _ in range(count)]

    def wait_until_trading(self) -> None:
        """Return once every worker of every web server lets openings through."""
        for web in self.webs:
            web.wait_until_loaded()
        # A worker believes a reconciliation since its own start only.
        until(self._is_reconciled, 30, "reconciliation")

    def post(self, bot: Bot, message: Mapping[str, Any], *, web: int = 0) -> Answer:
        """Post an alert to one of the web servers."""
        return self._call("POST", f"/webhooks/tradingview/{bot.token}/", message, web=web)

    def send(self, bot: Bot, word: str, closes_at: str, *, web: int = 0, **market: Any) -> Answer:
        """Build an alert and post it."""
        return self.post(bot, alert(bot, word, closes_at, **market), web=web)

    def try_to_post(self, bot: Bot, message: Mapping[str, Any], *, web: int = 0) -> Answer | None:
        """Post an alert; None when the server went away before it answered."""
        try:
            return self.post(bot, message, web=web)
        except (OSError, HTTPException, json.JSONDecodeError):
            return None

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Call the desk's own API as its administrator."""
        return self._call(
            method, path, body, headers={"Authorization": f"Token {self.secrets['api_token']}"}, web=0
        )

    def ask(self, path: str, *, web: int = 0) -> Answer:
        """Get a page that needs no login."""
        return self._call("GET", path, None, web=web)

    def stop(self) -> None:
        """End the web servers, and the shell if there is one."""
        for web in self.webs:
            web.stop()
        if "_shell" in self.__dict__:
            self._shell.stop()

    def command(self, *arguments: str) -> str:
        """Run a command of manage.py, in a process beside the web servers, and return what it printed."""
        return self._shell.run(*arguments)

    def recover(self) -> list[dict[str, Any]]:
        """Let recovery run once and return its rows. What is younger than five seconds it leaves alone."""
        said = self.command("recover", "--wait", "0", "--json")
        rows: list[dict[str, Any]] = json.loads(said)["rows"]
        return rows

    def let_seconds_pass(self, seconds: int) -> None:
        """Make every alert and order so much older, as recovery leaves those of the last seconds alone."""
        past = f"- interval '{seconds} seconds'"
        self.database.rows(f"UPDATE tradedesk_alert SET received_at = received_at {past} RETURNING 1")
        self.database.rows(
            f"UPDATE tradedesk_order SET created_at = created_at {past}, sent_at = sent_at {past} RETURNING 1"
        )

    def settle(self) -> None:
        """Run recovery until no alert is undecided and no order can still change by its own doing."""

        def is_settled() -> bool:
            self.recover()
            return not self.undecided() and not self.orders_without_an_end()

        until(is_settled, SETTLED_WITHIN_S, "every alert decided and every order settled")

    def undecided(self) -> list[Row]:
        return self.database.rows(
            "SELECT a.event_key FROM tradedesk_alert a JOIN tradedesk_bot b ON b.strategy_id = a.strategy_id"
            " LEFT JOIN tradedesk_decision d ON d.alert_id = a.id AND d.bot_id = b.id"
            " WHERE a.outcome = 'accepted' AND d.id IS NULL"
        )

    def orders_without_an_end(self) -> list[Row]:
        return self.database.rows("SELECT client_order_id FROM tradedesk_order WHERE settled_at IS NULL")

    def orders(self, bot: Bot) -> list[Row]:
        """Return a bot's orders as stored, oldest first."""
        return self.database.rows(
            "SELECT o.client_order_id, o.side, o.quantity, o.contract, o.status, o.broker_order_id,"
            " o.filled_quantity, o.average_price, o.note, o.sent_at FROM tradedesk_order o"
            " JOIN tradedesk_bot b ON b.id = o.bot_id WHERE b.slug = %s ORDER BY o.id",
            bot.slug,
        )

    def fills(self, bot: Bot) -> list[Row]:
        """Return a bot's fills as stored, oldest first."""
        return self.database.rows(
            "SELECT f.broker_fill_id, f.side, f.quantity, f.price FROM tradedesk_fill f"
            " JOIN tradedesk_bot b ON b.id = f.bot_id WHERE b.slug = %s ORDER BY f.id",
            bot.slug,
        )

    def decisions(self, bot: Bot) -> list[tuple[str, str]]:
        """Return action and reason of a bot's decisions, oldest first."""
        rows = self.database.rows(
            "SELECT d.action, d.reason FROM tradedesk_decision d JOIN tradedesk_bot b ON b.id = d.bot_id"
            " WHERE b.slug = %s ORDER BY d.id",
            bot.slug,
        )
        return [(row["action"], row["reason"]) for row in rows]

    def open_incidents(self, bot: Bot) -> list[str]:
        """Return the kinds of a bot's open incidents."""
        rows = self.database.rows(
            "SELECT i.kind FROM tradedesk_incident i JOIN tradedesk_bot b ON b.id = i.bot_id"
            " WHERE b.slug = %s AND i.closed_at IS NULL ORDER BY i.kind",
            bot.slug,
        )
        return [row["kind"] for row in rows]

    def booked(self, bot: Bot) -> int:
        """Return the signed contracts that the database says a bot holds."""
        (row,) = self.database.rows(
            "SELECT s.quantity FROM tradedesk_botstate s JOIN tradedesk_bot b ON b.id = s.bot_id"
            " WHERE b.slug = %s",
            bot.slug,
        )
        return int(row["quantity"])

    def held(self, bot: Bot) -> int:
        """Return the signed contracts that the broker says are held, asked over HTTP."""
        return sum(
            quantity
            for (account, contract), quantity in self.broker.positions().items()
            if account == bot.account and contract[:-2] == bot.root
        )

    def in_redis(self, bot: Bot) -> dict[str, Any]:
        """Return what Redis has of a bot."""
        (row,) = self.database.rows("SELECT id FROM tradedesk_bot WHERE slug = %s", bot.slug)
        with redis.Redis.from_url(self.environ["REDIS_URL"]) as client:
            text = client.get(f"tradedesk:bot:{row['id']}:state")
        assert isinstance(text, bytes)
        state: dict[str, Any] = json.loads(text)
        return state

    @cached_property
    def _shell(self) -> Shell:
        return Shell(self.environ)

    def _is_reconciled(self) -> bool:
        return self.api("POST", "/api/v1/reconcile/", {}).status == 200

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        web: int,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.webs[web].port, timeout=20)
        started = time.monotonic()
        try:
            lines = {"Content-Type": "application/json", "Connection": "close", **(headers or {})}
            connection.request(method, path, None if body is None else json.dumps(body), lines)
            reply = connection.getresponse()
            text = reply.read()
            return Answer(reply.status, json.loads(text), time.monotonic() - started)
        finally:
            connection.close()


def price(text: str | Decimal) -> Decimal:
    """Return a price however it was written."""
    return Decimal(text)
