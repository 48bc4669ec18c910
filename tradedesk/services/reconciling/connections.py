from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from strategy.timeframes import parse_timeframe
from tradedesk.models import Account, Environment, Strategy, TaskRun
from tradedesk.services.task_runs import trouble_with

RECONCILED_FOR = timedelta(seconds=90)
HEARTBEATS_MISSED = 2

WELL, NOTHING_YET, AWAY = "good", "quiet", "warn"


@dataclass(frozen=True)
class Connection:
    """One thing that must give signs of life: its state in a word, the last sign, and what is wrong."""

    name: str
    word: str
    tone: str
    seen_at: datetime | None
    note: str = ""
    error: str = ""


def connections_of(accounts: Sequence[Account], now: datetime) -> list[Connection]:
    """Return the webhook, each enabled account's broker, and the worker, by the desk's rows. Two queries."""
    return [
        *(webhook(strategy, now) for strategy in Strategy.objects.all()),
        *(_broker(account, now) for account in accounts if account.enabled),
        worker(now),
    ]


def webhook(strategy: Strategy, now: datetime) -> Connection:
    """Return whether the heartbeats of a strategy's alerts come."""
    name, seen = f"Webhook, {strategy}", strategy.heartbeat_at
    ends = strategy.alerts_expire_on
    note = f"alerts in TradingView end on {ends}" if ends else ""
    if seen is None:
        return Connection(name, "No heartbeat yet", NOTHING_YET, None, note)
    bar = parse_timeframe(strategy.heartbeat_timeframe or strategy.trend_timeframe) or timedelta(minutes=10)
    if now - seen <= (HEARTBEATS_MISSED + 1) * bar:
        return Connection(name, "Receiving", WELL, seen, note)
    minutes = int(bar.total_seconds() // 60)
    error = f"No heartbeat since {seen:%Y-%m-%d %H:%M:%S} UTC; one is due every {minutes} minutes."
    return Connection(name, "Silent", AWAY, seen, note, error)


def broker_name(account: Account) -> str:
    system = "Paper broker" if account.environment == Environment.PAPER else "Tradovate"
    return f"{system}, {account}"


def worker(now: datetime) -> Connection:
    """Return whether the scheduled tasks run and end well."""
    runs = list(TaskRun.objects.all())
    periods: dict[str, Any] = {name: plan["schedule"] for name, plan in settings.CELERY_BEAT_SCHEDULE.items()}
    troubles = [
        f"{run.name} {trouble}"
        for run in runs
        if (trouble := trouble_with(run, periods.get(run.name, 0.0), now))
    ]
    seen = max((run.succeeded_at for run in runs if run.succeeded_at), default=None)
    if seen is None and not troubles:
        return Connection("Worker", "Nothing done yet", NOTHING_YET, None)
    if troubles:
        return Connection("Worker", "Trouble", AWAY, seen, troubles[0], ". ".join(troubles))
    return Connection("Worker", "Running", WELL, seen)


def _broker(account: Account, now: datetime) -> Connection:
    name, seen = broker_name(account), account.reconciled_at
    if seen is None:
        return Connection(name, "Not reached yet", NOTHING_YET, None)
    if now - seen > RECONCILED_FOR:
        return Connection(name, "Not reconciled", AWAY, seen)
    note = f"{len(account.differences)} differences" if account.differences else ""
    return Connection(name, "Connected", AWAY if note else WELL, seen, note)
