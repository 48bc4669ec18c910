from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from strategy.timeframes import parse_timeframe
from tradedesk.admin.outcomes import Look
from tradedesk.models import Account, Environment, Strategy, TaskRun
from tradedesk.services.task_runs import trouble_with

RECONCILED_FOR = timedelta(seconds=90)
HEARTBEATS_MISSED = 2

WELL, NOTHING_YET, AWAY = "good", "quiet", "warn"
SHAPES = {WELL: "●", NOTHING_YET: "–", AWAY: "▲"}


@dataclass(frozen=True)
class Connection:
    """One thing that must give signs of life: its state in a word, and the last sign."""

    name: str
    word: str
    tone: str
    seen_at: datetime | None
    note: str = ""

    @property
    def look(self) -> Look:
        return Look(self.word, SHAPES[self.tone], self.tone)


def connections_of(accounts: Sequence[Account], now: datetime) -> list[Connection]:
    """Return the webhook, each enabled account's broker, and the worker. Two queries."""
    return [
        *(_webhook(strategy, now) for strategy in Strategy.objects.all()),
        *(_broker(account, now) for account in accounts if account.enabled),
        _worker(now),
    ]


def _webhook(strategy: Strategy, now: datetime) -> Connection:
    name, seen = f"Webhook, {strategy}", strategy.heartbeat_at
    if seen is None:
        return Connection(name, "No heartbeat yet", NOTHING_YET, None)
    bar = parse_timeframe(strategy.heartbeat_timeframe or strategy.trend_timeframe) or timedelta(minutes=10)
    is_late = now - seen > (HEARTBEATS_MISSED + 1) * bar
    return Connection(name, "Silent" if is_late else "Receiving", AWAY if is_late else WELL, seen)


def _broker(account: Account, now: datetime) -> Connection:
    system = "Paper broker" if account.environment == Environment.PAPER else "Tradovate"
    name, seen = f"{system}, {account}", account.reconciled_at
    if seen is None:
        return Connection(name, "Not reached yet", NOTHING_YET, None)
    if now - seen > RECONCILED_FOR:
        return Connection(name, "Not reconciled", AWAY, seen)
    note = f"{len(account.differences)} differences" if account.differences else ""
    return Connection(name, "Connected", AWAY if note else WELL, seen, note)


def _worker(now: datetime) -> Connection:
    runs = list(TaskRun.objects.all())
    periods: dict[str, Any] = {name: plan["schedule"] for name, plan in settings.CELERY_BEAT_SCHEDULE.items()}
    troubles = [
        f"{run.name} {trouble}"
        for run in runs
        if (trouble := trouble_with(run, periods.get(run.name, 0.0), now))
    ]
    seen = max((run.succeeded_at for run in runs if run.succeeded_at), default=None)
    if seen is None:
        return Connection("Worker", "Nothing done yet", NOTHING_YET, None)
    if troubles:
        return Connection("Worker", "Trouble", AWAY, seen, troubles[0])
    return Connection("Worker", "Running", WELL, seen)
