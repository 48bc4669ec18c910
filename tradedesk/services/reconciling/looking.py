"""A look at everything the desk is connected to, once a minute and whenever a person asks."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import connection, transaction

from broker.base import BrokerError
from tradedesk.logs import redact
from tradedesk.models import Account, ConnectionLog, Environment, Strategy
from tradedesk.models.connections import CELLS
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.connections import (
    AWAY,
    NOTHING_YET,
    WELL,
    Connection,
    broker_name,
    webhook,
    worker,
)
from tradedesk.stores import followers, redis
from tradedesk.stores.redis import RedisUnavailable

TIMEOUT_S = 1.0
FOLLOWED_FOR_S = 60.0
CLOCKS_APART_S = 2.0
CELL = {WELL: "+", AWAY: "!"}
UNSEEN_CELL = "."
LOOKS_EVERY_S = 60.0


def look(desk: Desk) -> list[Connection]:
    """Look at every connection, write down what was found, and return it. Brokers have a second each."""
    found = list(_all(desk))
    now = desk.now()
    with transaction.atomic():
        logs = {log.name: log for log in ConnectionLog.objects.select_for_update()}
        ConnectionLog.objects.filter(name__in=logs.keys() - {each.name for each in found}).delete()
        for place, each in enumerate(found):
            _write(logs.get(each.name), each, place, now)
    return found


def _all(desk: Desk) -> Iterator[Connection]:
    for strategy in Strategy.objects.all():
        yield webhook(strategy, desk.now())
    for account in Account.objects.filter(enabled=True):
        yield from _broker(desk, account)
    yield Connection("Quotes", "No feed", NOTHING_YET, None, "prices come with the alerts")
    yield worker(desk.now())
    yield _timed(desk, "Database", connection.vendor, _ask_database)
    yield _timed(desk, "Redis", "hot state, rates, task locks", redis.ping)


def _broker(desk: Desk, account: Account) -> Iterator[Connection]:
    """Yield an account's requests, its stream of orders, and how far the clocks are apart."""
    name, before, deadline = broker_name(account), desk.monotonic(), desk.deadline(TIMEOUT_S)
    try:
        broker = desk.link(account, timeout_s=deadline.left_s()).broker.for_refresh()
        broker.accounts(timeout_s=deadline.left_s())
        took_ms = 1000 * (desk.monotonic() - before)
        ends_at = broker.token_ends_at(timeout_s=deadline.left_s())
        note = f"{account.environment}, {took_ms:.0f} ms, login good until {ends_at:%Y-%m-%d %H:%M:%S} UTC"
        yield Connection(name, "Connected", WELL, desk.now(), note)
    except BrokerError as error:
        what = redact(f"{type(error).__name__}: {error}")
        yield Connection(name, "Not reached", AWAY, account.reconciled_at, account.environment, what)
        yield from _stream(desk, account)
        return
    yield from _stream(desk, account)
    offset = broker.clock_offset_s
    if offset is None:
        yield Connection(f"Clock, {account}", "Not compared", NOTHING_YET, None)
        return
    most = float(account.max_clock_offset_s or CLOCKS_APART_S)
    note = f"the broker's is {abs(offset):.2f} s {'ahead' if offset >= 0 else 'behind'}, limit {most:.0f} s"
    if abs(offset) <= most:
        yield Connection(f"Clock, {account}", "In step", WELL, desk.now(), note)
    else:
        yield Connection(
            f"Clock, {account}", "Apart", AWAY, desk.now(), note, "Openings are refused: " + note
        )


def _stream(desk: Desk, account: Account) -> Iterator[Connection]:
    name = f"Order stream, {account}"
    try:
        sign = followers.last_sign(account.id)
    except RedisUnavailable as error:
        yield Connection(name, "Not known", NOTHING_YET, None, "Redis does not answer", redact(str(error)))
        return
    if sign is None:
        note = "no process follows it; fills are read every 30 s"
        word = "Not needed" if account.environment == Environment.PAPER else "Not followed"
        yield Connection(name, word, NOTHING_YET, None, note)
    elif (desk.now() - sign).total_seconds() > FOLLOWED_FOR_S:
        yield Connection(name, "Silent", AWAY, sign, "", f"No sign since {sign:%Y-%m-%d %H:%M:%S} UTC.")
    else:
        yield Connection(name, "Following", WELL, sign)


def _timed(desk: Desk, name: str, note: str, ask: Callable[[], None]) -> Connection:
    before = desk.monotonic()
    try:
        ask()
    except RedisUnavailable as error:
        return Connection(name, "Not reached", AWAY, None, "the desk works on, slower", redact(str(error)))
    took_ms = 1000 * (desk.monotonic() - before)
    return Connection(name, "Connected", WELL, desk.now(), f"{note}, {took_ms:.0f} ms")


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _write(log: ConnectionLog | None, found: Connection, place: int, now: datetime) -> None:
    """Write down a look; minutes in which nobody looked get empty cells."""
    missed = 0
    if log is not None:
        missed = max(0, round((now - log.looked_at).total_seconds() / LOOKS_EVERY_S) - 1)
    cells = (log.cells if log else "") + UNSEEN_CELL * min(missed, CELLS) + CELL.get(found.tone, UNSEEN_CELL)
    values = {
        "place": place,
        "word": found.word,
        "tone": found.tone,
        "note": found.note[:300],
        "seen_at": found.seen_at or (log.seen_at if log else None),
        "looked_at": now,
        "cells": cells[-CELLS:],
    }
    if found.error:
        values |= {"error": found.error, "error_at": now}
    ConnectionLog.objects.update_or_create(name=found.name, defaults=values)
