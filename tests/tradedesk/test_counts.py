"""What one alert costs, in round trips: figures that creep up unseen and are felt in every alert."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import pytest
import redis.connection
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from broker.tradovate import pauses
from tests import embedded
from tests.bench.__main__ import BROKER_REQUESTS, COMMITS, REDIS_ROUND_TRIPS, wait_for
from tests.builders import make_account, make_bot, make_token
from tests.fakes import START, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, RED, UP
from tradedesk import wiring
from tradedesk.models import Strategy
from tradedesk.services.desk import Desk
from tradedesk.services.halting import leasing

WRITES = ("INSERT INTO", 'UPDATE "', "DELETE FROM")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker_url() -> Iterator[str]:
    """Return the address of the broker that answers at once, in a process of its own."""
    port = embedded.free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.broker", str(port)])
    wait_for(port)
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait()


@pytest.fixture
def tell(
    desk: Desk, clock: FakeClock, broker_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Teller]:
    """Return what posts alerts to a desk with the real client, warm: one alert has been traded."""
    settings.PAPER_BROKER_URL = broker_url
    # Ten minutes of the front month pass more slowly than the alerts, and pauses are not looked at again.
    monkeypatch.setattr(pauses, "LOOK_AGAIN_AFTER_S", 3600.0)
    links = wiring._Links(lambda: START + (clock.now() - START) / 100)
    real = replace(desk, link=links)
    monkeypatch.setattr(wiring, "desk", lambda: real)
    make_token(make_bot().strategy)
    tell = Teller(clock)
    tell(BLUE)
    yield tell
    for broker in links._brokers.values():
        broker.close()


class Costs:
    """Counts what an alert costs while it is entered."""

    def __init__(self, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._broker_url = broker_url
        self._queries = CaptureQueriesContext(connection)
        self._redis = 0
        send = redis.connection.AbstractConnection.send_packed_command

        def count_and_send(connection: Any, *arguments: Any, **options: Any) -> Any:
            self._redis += 1
            return send(connection, *arguments, **options)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", count_and_send)

    def __enter__(self) -> "Costs":
        self._redis_before, self._broker_before = self._redis, self._requests()
        self._queries.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._queries.__exit__(None, None, None)
        self.redis_round_trips = self._redis - self._redis_before
        self.broker_requests = self._requests() - self._broker_before

    @property
    def statements(self) -> int:
        return len(self._queries)

    @property
    def commits(self) -> int:
        """Transactions that wrote something: explicit ones, and statements that are one by themselves."""
        count, inside, wrote = 0, False, False
        for query in self._queries.captured_queries:
            sql = query["sql"].upper()
            writes = any(word in sql for word in WRITES)
            if sql.startswith("BEGIN"):
                inside, wrote = True, False
            elif sql.startswith(("COMMIT", "ROLLBACK")):
                count += wrote and sql.startswith("COMMIT")
                inside = False
            elif inside:
                wrote |= writes
            else:
                count += writes
        return count

    def kinds(self) -> Counter[str]:
        return Counter(query["sql"].split(" ", 1)[0] for query in self._queries.captured_queries)

    def _requests(self) -> int:
        with urlopen(f"{self._broker_url}/bench/requests") as answer:
            return int(json.loads(answer.read())["requests"])


@pytest.fixture
def costs(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Costs:
    return Costs(broker_url, monkeypatch)


@pytest.mark.parametrize(("event", "action"), [(RED, "REVERSE_TO_SHORT"), (DOWN, "EXIT")])
def test_trading_alert_costs_what_the_benchmark_reckons_with(
    tell: Teller, costs: Costs, event: str, action: str
) -> None:
    """Redis: the count of alerts, the bot taken and given back.

    Every five seconds one more asks for the pauses that other processes met. A login at Tradovate has its
    requests counted too, in blocks: that is one more in about ten alerts.
    """
    with costs:
        answer = tell(event, 20)

    assert (answer.decision["action"], answer.decision["order"]["status"]) == (action, "filled")
    assert (costs.commits, costs.redis_round_trips, costs.broker_requests) == (
        COMMITS,
        REDIS_ROUND_TRIPS,
        BROKER_REQUESTS,
    )
    # The token, the alert, the decision with its order, the outcome with its fill and the bot.
    assert costs.statements == 4, costs.kinds()


def test_entry_after_an_exit_costs_the_same(tell: Teller, costs: Costs) -> None:
    tell(DOWN, 20)

    with costs:
        answer = tell(UP, 40)

    assert answer.decision["action"] == "REENTER_LONG"
    assert (costs.statements, costs.commits, costs.redis_round_trips, costs.broker_requests) == (4, 3, 3, 3)


@pytest.mark.parametrize(("event", "reason"), [(UP, "CROSS_WITH_TREND"), (BLUE, "SAME_COLOR")])
def test_alert_that_changes_nothing_asks_a_broker_nothing_and_tells_the_paper_market(
    tell: Teller, costs: Costs, event: str, reason: str
) -> None:
    with costs:
        answer = tell(event, 20)

    assert answer.decision["reason"] == reason
    assert (costs.statements, costs.commits, costs.redis_round_trips, costs.broker_requests) == (3, 2, 3, 1)


def test_duplicate_costs_a_try_to_store_and_a_read(tell: Teller, costs: Costs) -> None:
    with costs:
        answer = tell(BLUE, 0)

    assert answer.body["status"] == "duplicate"
    assert (costs.statements, costs.redis_round_trips, costs.broker_requests) == (3, 1, 0)


def test_heartbeat_costs_one_write_and_tells_the_paper_market(tell: Teller, costs: Costs) -> None:
    with costs:
        assert tell("HEARTBEAT").body["status"] == "heartbeat"

    assert (costs.statements, costs.commits, costs.redis_round_trips, costs.broker_requests) == (2, 1, 1, 1)


def test_wrong_token_costs_one_read(tell: Teller, costs: Costs) -> None:
    stranger = replace(tell, token="wrong")

    with costs:
        assert stranger(RED, 20).http == 403

    assert (costs.statements, costs.commits, costs.redis_round_trips, costs.broker_requests) == (1, 0, 0, 0)


def test_rate_limit_that_is_off_saves_its_round_trip(tell: Teller, costs: Costs, settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 0

    with costs:
        tell(RED, 20)

    assert costs.redis_round_trips == REDIS_ROUND_TRIPS - 1


def test_lease_of_a_region_rides_in_the_claim(
    tell: Teller, costs: Costs, desk: Desk, settings: Settings
) -> None:
    settings.DESK_REGION = "us-east-1"
    leasing.take(desk, reason="test", by="ada")

    with costs:
        tell(RED, 20)

    assert (costs.statements, costs.commits, costs.redis_round_trips) == (4, COMMITS, REDIS_ROUND_TRIPS)


def test_second_bot_of_a_strategy_costs_its_own_part_only(tell: Teller, costs: Costs) -> None:
    account = make_account("second", broker_account="BENCH-2")
    make_bot("second", strategy=Strategy.objects.get(), account=account)
    tell(RED, 20)

    with costs:
        answer = tell(BLUE, 40)

    assert [d["action"] for d in answer.body["decisions"]] == ["REVERSE_TO_LONG"] * 2
    assert (costs.statements, costs.commits, costs.redis_round_trips, costs.broker_requests) == (6, 5, 5, 6)


@pytest.mark.parametrize("event", [RED, DOWN])
def test_driver_parses_each_statement_of_a_trading_alert_once_only(tell: Teller, event: str) -> None:
    """It keeps what it made of one while that has at most 4096 characters and 50 values."""
    sizes: list[tuple[int, int]] = []

    def measure(execute: Any, sql: str, values: Any, *rest: Any) -> Any:
        sizes.append((len(sql), len(values or ())))
        return execute(sql, values, *rest)

    with connection.execute_wrapper(measure):
        tell(event, 20)

    assert len(sizes) == 4
    assert max(length for length, _ in sizes) <= 4096
    assert max(values for _, values in sizes) <= 50
