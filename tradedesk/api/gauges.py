from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Model
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tradedesk.models import (
    Account,
    Alert,
    BotState,
    Decision,
    Incident,
    Order,
    Strategy,
    TradingMode,
    TradingState,
)
from tradedesk.prometheus import gauge
from tradedesk.services.reports.measuring import figures

LAST_DAY = timedelta(days=1)
# Ids are in order of time, so this many newest rows are read through an index whatever the size of the table.
MOST_ROWS = 20_000


class DeskGauges(Collector):
    """Gauges of the whole desk, from the database, as it stands at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield self._last_day(Alert, "alerts", "received_at", ["outcome"])
        yield self._last_day(Decision, "decisions", "created_at", ["action", "reason"])
        yield self._last_day(Order, "orders", "created_at", ["status"])
        for metric, value in figures(self._now).items():
            yield gauge(metric, value)
        yield _incidents()
        yield _trading_states()
        yield _positions()
        yield from self._ages()

    def _last_day(self, model: type[Model], what: str, moment: str, labels: list[str]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            f"tradedesk_{what}_last_day", f"{what.capitalize()} of the last 24 hours.", labels=labels
        )
        recent = _newest(model).filter(**{f"{moment}__gte": self._now - LAST_DAY})
        for row in recent.order_by().values_list(*labels).annotate(Count("pk")):
            family.add_metric([str(word) for word in row[:-1]], row[-1])
        return family

    def _ages(self) -> Iterator[GaugeMetricFamily]:
        since_alert = GaugeMetricFamily(
            "tradedesk_seconds_since_alert", "Since the last alert of a strategy.", labels=["strategy"]
        )
        latest = _newest(Alert).order_by().values_list("strategy__slug").annotate(Max("received_at"))
        for slug, moment in latest:
            since_alert.add_metric([slug], self._age(moment))
        yield since_alert
        since_heartbeat = GaugeMetricFamily(
            "tradedesk_seconds_since_heartbeat",
            "Since the last heartbeat of a strategy.",
            labels=["strategy"],
        )
        beats = Strategy.objects.exclude(heartbeat_at=None).values_list("slug", "heartbeat_at")
        for slug, moment in beats:
            since_heartbeat.add_metric([slug], self._age(moment))
        yield since_heartbeat
        since_reconciled = GaugeMetricFamily(
            "tradedesk_seconds_since_reconciled",
            "Since an account was last compared with its broker.",
            labels=["account"],
        )
        accounts = Account.objects.filter(enabled=True).exclude(reconciled_at=None)
        for name, moment in accounts.values_list("name", "reconciled_at"):
            since_reconciled.add_metric([name], self._age(moment))
        yield since_reconciled

    def _age(self, moment: datetime | None) -> float:
        return (self._now - moment).total_seconds() if moment else float("nan")


def _newest(model: type[Model]) -> Any:
    newest = model._default_manager.order_by("-pk").values("pk")[:MOST_ROWS]
    return model._default_manager.filter(pk__in=newest)


def _incidents() -> GaugeMetricFamily:
    family = GaugeMetricFamily("tradedesk_incidents_open", "Open incidents by kind.", labels=["kind"])
    open_ones = Incident.objects.filter(closed_at=None).order_by()
    for kind, count in open_ones.values_list("kind").annotate(Count("pk")):
        family.add_metric([kind], count)
    return family


def _trading_states() -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "tradedesk_trading_state", "0 trading on, 1 only toward flat, 2 halted.", labels=["scope"]
    )
    for scope, mode in TradingState.objects.values_list("scope", "mode"):
        family.add_metric([scope], TradingMode(mode).strictness)
    return family


def _positions() -> GaugeMetricFamily:
    family = GaugeMetricFamily("tradedesk_position_contracts", "Contracts booked, signed.", labels=["bot"])
    for slug, quantity in BotState.objects.values_list("bot__slug", "quantity"):
        family.add_metric([slug], quantity)
    return family
