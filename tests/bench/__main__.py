"""Trading alerts through the real server, beside a bare loop that does the same durable I/O."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from statistics import median

from tests import embedded  # isort: skip - it sets the addresses that Django reads

import psycopg
import redis

from tests.bench import panel
from tests.bench.broker import ACCOUNTS
from tests.bench.function import measure_function
from tests.bench.times import summary, timed

PAIRS, WARM_UP = 30, 60
CONCURRENCY = ACCOUNTS
# What one trading alert costs; tests/tradedesk/test_counts.py pins the same figures.
COMMITS, REDIS_ROUND_TRIPS, BROKER_REQUESTS = 3, 3, 3


def main() -> None:
    web, broker = embedded.free_port(), embedded.free_port()
    os.environ |= {
        "PAPER_BROKER_URL": f"http://127.0.0.1:{broker}/v1",
        "DJANGO_SETTINGS_MODULE": "tradedesk.settings",
        "WEBHOOK_RATE_PER_MINUTE": "1000000",
        "WEBHOOK_ALLOWED_ADDRESSES": "",
    }
    started = [subprocess.Popen([sys.executable, "-m", "tests.bench.broker", str(broker)])]
    wait_for(broker)
    try:
        tokens = set_up()
        command = ["granian", "--interface", "wsgi", "--workers", "2", "--blocking-threads", "4"]
        command += ["--host", "127.0.0.1", "--port", str(web), "--no-access-log", "--log-level", "warning"]
        started.append(subprocess.Popen([sys.executable, "-m", *command, "tradedesk.wsgi:application"]))
        wait_for(web)
        reconcile()
        print(json.dumps(measure(web, broker, tokens)))
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def measure(web: int, broker: int, tokens: list[str]) -> dict[str, object]:
    """Return the figures: milliseconds per alert beside the floor's, and alerts per second at once."""
    alerts = [Alerts(web, token) for token in tokens]
    floor = Floor(broker)
    for _ in range(WARM_UP):
        alerts[0].post()
        floor.once()
    pairs = []
    for number in range(PAIRS):
        print(f"\rpair {number + 1} of {PAIRS}", end="", file=sys.stderr, flush=True)
        pairs.append((timed(alerts[0].post), timed(floor.once)))
    print(file=sys.stderr)
    ours = [value for pair in pairs for value in pair[0]]
    bare = [value for pair in pairs for value in pair[1]]
    ratios = sorted(median(pair[0]) / median(pair[1]) for pair in pairs)
    return {
        "case": "trading alerts",
        "alert_ms": summary(ours),
        "floor_ms": summary(bare),
        "ratio_p50": round(median(ratios), 2),
        "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        f"at_once_{CONCURRENCY}": at_once(alerts),
        "per_alert": {
            "durable_commits": COMMITS,
            "redis_round_trips": REDIS_ROUND_TRIPS,
            "broker_requests": BROKER_REQUESTS,
        },
        "lambda": measure_function(alerts[0].path, alerts[0].next_body, floor.ask_broker, floor.once),
    }


class Alerts:
    """A keep-alive connection that posts alerts, each of which reverses the strategy's position."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = HTTPConnection("127.0.0.1", port)
        self.path = f"/webhooks/tradingview/{token}/"
        self.bar = present().replace(microsecond=0) - timedelta(days=400)
        self.is_blue = False

    def next_body(self) -> dict[str, object]:
        """Return an alert of an hour later and the other colour."""
        # One event an hour: the bot remembers two dozen, a lively day's worth.
        self.bar += timedelta(hours=1)
        self.is_blue = not self.is_blue
        direction, color = ("LONG", "BLUE") if self.is_blue else ("SHORT", "RED")
        return {
            "action": f"{direction}_ENTRY",
            "indicator": "Trend_Validator",
            "signal": {"type": "ENTRY", "direction": direction, "trigger": f"COLOR_CHANGE_{color}"},
            "market_data": {
                "symbol": "MES1!",
                "exchange": "CME_MINI",
                "timeframe": "10",
                "timestamp": f"{self.bar:%Y-%m-%dT%H:%M:%SZ}",
                "timenow": f"{present():%Y-%m-%dT%H:%M:%SZ}",
            },
            "price_data": {"open": "6842.00", "high": "6843", "low": "6841", "close": "6842.25"},
        }

    def post(self) -> None:
        self.connection.request("POST", self.path, json.dumps(self.next_body()))
        answer = json.loads(self.connection.getresponse().read())
        if answer["decisions"][0]["order"]["status"] != "filled":
            raise RuntimeError(f"an alert did not trade: {answer}")


class Floor:
    """The same durable commits, Redis round trips and broker requests, and nothing else."""

    def __init__(self, broker: int) -> None:
        self.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1)
        self.database.execute("CREATE TABLE floor (id bigserial PRIMARY KEY, body text)")
        self.redis = redis.Redis.from_url(os.environ["REDIS_URL"])
        self.script = self.redis.register_script("return redis.call('SET', KEYS[1], ARGV[1])")
        self.broker = HTTPConnection("127.0.0.1", broker)
        self.order = json.dumps({"accountId": 99, "action": "Buy", "orderQty": 1})

    def once(self) -> None:
        for _ in range(COMMITS):
            self.database.execute("INSERT INTO floor (body) VALUES (%s)", ["x" * 700])
        for _ in range(REDIS_ROUND_TRIPS):
            self.script(["floor"], ["x" * 700])
        self.ask_broker()

    def ask_broker(self) -> None:
        """Make the broker's requests alone."""
        for method, path in (
            ("GET", "/v1/position/deps?masterid=99"),
            ("POST", "/v1/order/placeorder"),
            ("GET", "/v1/fill/deps?masterid=1"),
        )[:BROKER_REQUESTS]:
            self.broker.request(method, path, self.order if method == "POST" else None)
            json.loads(self.broker.getresponse().read())


def at_once(alerts: list[Alerts], each: int = 60) -> dict[str, float]:
    """Return the times and the rate with every strategy's alerts posted at the same time."""
    times: list[float] = []

    def post(one: Alerts) -> None:
        times.extend(timed(one.post, each))

    threads = [threading.Thread(target=post, args=[one]) for one in alerts]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    return {**summary(times), "alerts_per_s": round(len(times) / elapsed)}


def present() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def set_up() -> list[str]:
    """Make the tables, and one strategy with one bot and its own account for every connection."""
    import django

    django.setup()
    from django.core.management import call_command

    from tradedesk.models import Account, Bot, Instrument, Strategy, WebhookToken
    from tradedesk.services.alerts.tokens import digest_of

    call_command("migrate", verbosity=0)
    instrument, tokens = Instrument.objects.get(root="MES"), []
    for index in range(1, CONCURRENCY + 1):
        account = Account.objects.create(name=f"bench-{index}", broker_account=f"BENCH-{index}")
        strategy = Strategy.objects.create(slug=f"bench-{index}", instrument=instrument)
        Bot.objects.create(slug=f"bench-{index}", strategy=strategy, account=account, instrument=instrument)
        tokens.append(secrets.token_urlsafe(24))
        WebhookToken.objects.create(
            strategy=strategy,
            digest=digest_of(tokens[-1]),
            last_four=tokens[-1][-4:],
            created_at=present(),
        )
    return tokens


def reconcile() -> None:
    """Let openings through in every web process: their accounts are reconciled after they started."""
    from tradedesk import wiring
    from tradedesk.models import Account
    from tradedesk.services.reconciling.reconciliation import reconcile as compare

    compare(wiring.desk(), Account.objects.all())


def wait_for(port: int) -> None:
    """Return once someone listens on a port of this machine."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.05)
        else:
            connection.close()
            return
    raise RuntimeError(f"nothing listens on port {port}")


if __name__ == "__main__":
    if sys.argv[1:] == ["panel"]:
        panel.main()
    else:
        main()
