"""The panel's pages of a desk with a long history: server time of each, and of polls that change nothing."""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests import embedded  # noqa: F401  # isort: skip - it sets the addresses that Django reads

import psycopg

ALERTS, EVERY, BOTS, YEARS = 1_000_000, 5, 4, 3
FILLS = ALERTS // EVERY
TIMES = 25
POLLED = ("overview", "positions", "profit", "latency")
MOST_PAGE_MS, MOST_POLL_MS = 150, 5

type Figures = dict[str, dict[str, float]]

# An id of version 7 of a moment, as the desk makes them, with a running number for its random part.
ID = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0')
 || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || lpad(to_hex({kind}), 3, '0')
 || lpad(to_hex(n), 12, '0'))::uuid"""


def main() -> None:
    """Fill the tables, measure, print the figures as JSON; exit 1 where a page takes longer than it may."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradedesk.settings"
    import django

    django.setup()
    started = time.perf_counter()
    fill()
    print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    pages, polls, first = measure()
    print(
        json.dumps(
            {
                "case": "panel",
                "alerts": ALERTS,
                "fills": FILLS,
                "first_book_ms": first,
                "page_ms": pages,
                "poll_ms": polls,
            }
        )
    )
    too_slow = [name for name, ms in pages.items() if ms["work"] > MOST_PAGE_MS] + [
        name for name, ms in polls.items() if ms["work"] > MOST_POLL_MS
    ]
    if too_slow:
        sys.exit(f"slower than {MOST_PAGE_MS} ms, or {MOST_POLL_MS} ms for a poll: {', '.join(too_slow)}")


def fill() -> None:
    """Write three years of alerts, each decided by one bot; every fifth led to an order that filled."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from tests.builders import make_account, make_bot, make_strategy
    from tradedesk.models import Account, BotState, Instrument

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("ada", password=None)
    Instrument.objects.update(fee="0.85")
    bots = []
    for number in range(BOTS):
        strategy = make_strategy(f"mes-{number}")
        bots.append(make_bot(f"bot-{number}", strategy=strategy, account=make_account(f"paper-{number}")))
    Account.objects.update(cash={"net_liquidation": "50000"}, cash_read_at=present(), reconciled_at=present())
    BotState.objects.update(updated_at=present())
    # The desk gives up on statements as long as these.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as cursor:
        cursor.execute("SET statement_timeout = 0; SET synchronous_commit = off")
        cursor.execute(
            "CREATE TEMP TABLE of AS SELECT row_number() OVER (ORDER BY slug) - 1 AS number, id AS bot,"
            " strategy_id AS strategy, account_id AS account FROM tradedesk_bot"
        )
        cursor.execute(
            "CREATE TEMP TABLE story AS SELECT n, bot, strategy, account, now() - interval '1 minute' -"
            " make_interval(secs => (%s - n) * %s) AS at FROM generate_series(1, %s) n JOIN of ON"
            " number = n %% %s",
            [ALERTS, YEARS * 365 * 86400 / ALERTS, ALERTS, BOTS],
        )
        for statement in statements():
            cursor.execute(statement)
        cursor.execute("ANALYZE")


def statements() -> list[str]:
    """Return the SQL that writes the history of every story."""
    from tradedesk.models import Alert, Decision, Fill, Order

    state = """'{"current_position": "NONE", "trend_color": "BLUE", "waiting_for_reentry": "NO"}'"""
    alert, decision, order = (ID.format(at="at", kind=kind) for kind in (1, 2, 3))
    trade = {
        "side": f"CASE WHEN n / {EVERY * BOTS} % 2 = 0 THEN 'BUY' ELSE 'SELL' END",
        "contract": "'MESZ6'",
    }
    price = "6800 + (n / 7) % 200 * 0.25"
    traded = f"n % {EVERY * BOTS} < {BOTS}"
    is_traded = f"CASE WHEN {traded} THEN"
    return [
        insert(
            Alert,
            "true",
            {
                "id": alert,
                "strategy_id": "strategy",
                "event_key": "'key-' || n",
                "outcome": "'accepted'",
                "received_at": "at",
                "source_address": "'52.89.214.238'",
                "action": "'LONG_ENTRY'",
                "indicator": "'Trend_Validator'",
                "symbol": "'MES1!'",
                "exchange": "'CME_MINI'",
                "timeframe": "'10'",
                "bar_open": "at - interval '10 minutes'",
                "fired_at": "at",
                "effective_at": "at - interval '1 second'",
                "close": price,
                "body": "repeat('x', 400)",
                "errors": "'{}'",
            },
        ),
        insert(
            Decision,
            "true",
            {
                "id": decision,
                "alert_id": alert,
                "bot_id": "bot",
                "detail": "'{}'",
                "action": f"{is_traded} 'ENTER_LONG' ELSE 'NONE' END",
                "reason": f"{is_traded} 'TREND_BLUE' ELSE 'SAME_COLOR' END",
                "state_before": state,
                "state_after": state,
                "created_at": "at + interval '9 ms'",
            },
        ),
        insert(
            Order,
            traded,
            {
                "id": order,
                "account_id": "account",
                "bot_id": "bot",
                "decision_id": decision,
                "purpose": "'open'",
                **trade,
                "quantity": "1",
                "client_order_id": "'td-' || n",
                "status": "'filled'",
                "broker_order_id": "n",
                "filled_quantity": "1",
                "average_price": price,
                "looks": "0",
                "created_at": "at + interval '9 ms'",
                "sent_at": "at + interval '15 ms'",
                "acknowledged_at": "at + interval '160 ms'",
                "settled_at": "at + interval '300 ms'",
            },
        ),
        insert(
            Fill,
            traded,
            {
                "id": ID.format(at="at", kind=4),
                "account_id": "account",
                "bot_id": "bot",
                "order_id": order,
                "broker_fill_id": "n",
                **trade,
                "quantity": "1",
                "price": price,
                "filled_at": "at + interval '300 ms'",
                "created_at": "at + interval '310 ms'",
            },
        ),
    ]


def insert(model: Any, which: str, values: dict[str, str]) -> str:
    """Return the SQL that writes one row for each story; columns that are not named are empty."""
    fields = [field for field in model._meta.concrete_fields if field.column in values or not field.null]
    empty = {"JSONField": "'{}'"}
    picked = [values.get(field.column, empty.get(field.get_internal_type(), "''")) for field in fields]
    columns = ", ".join(field.column for field in fields)
    return (
        f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {', '.join(picked)} FROM story WHERE {which}"
    )


def measure() -> tuple[Figures, Figures, dict[str, float]]:
    """Return what each page took, each poll, and reading all fills once."""
    from django.contrib.auth.models import User
    from django.test import Client

    from tradedesk.selectors import profit

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get())
    first = timed(profit.book, 1)
    pages = {
        "overview": "/admin/",
        "alerts": "/admin/tradedesk/alert/",
        "orders": "/admin/tradedesk/order/",
        "fills": "/admin/tradedesk/fill/",
        "positions": "/admin/tradedesk/botstate/",
        "profit": "/admin/profit/",
        "latency": "/admin/latency/",
    }
    page_ms = {name: timed(partial(client.get, path)) for name, path in pages.items()}
    poll_ms = {name: poll(client, path) for name, path in pages.items() if name in POLLED}
    return page_ms, poll_ms, first


def poll(client: Any, path: str) -> dict[str, float]:
    """Return what polls took of a page on which nothing changes."""
    headers = {"HX-Trigger": "poll"}
    headers["X-Panel-Version"] = client.get(path, headers=headers)["X-Panel-Version"]
    answers: list[int] = []
    took = timed(lambda: answers.append(client.get(path, headers=headers).status_code))
    if set(answers) != {204}:
        raise RuntimeError(f"a poll of {path} on which nothing changed was answered with {set(answers)}")
    return took


def timed(act: Callable[[], Any], times: int = TIMES) -> dict[str, float]:
    """Return the milliseconds that calls took by the clock, least and median, and the least of work.

    Work is what the processors did, in this process and in the database's: what else runs here is not in it.
    """
    from django.db import connection

    connection.ensure_connection()
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")

    def work() -> float:
        return time.process_time() * 1000 + int(backend.read_text().split()[0]) / 1e6

    took, worked = [], []
    for _ in range(times):
        started, began = time.perf_counter(), work()
        act()
        took.append((time.perf_counter() - started) * 1000)
        worked.append(work() - began)
    return {"work": round(min(worked), 1), "least": round(min(took), 1), "p50": round(median(took), 1)}


def present() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


if __name__ == "__main__":
    main()
