import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string


class Unit(StrEnum):
    """Units as CloudWatch writes them."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    PERCENT = "Percent"


@dataclass(frozen=True)
class Metric:
    """A figure of the desk, under CloudWatch's name and unit; `split` names what it is told apart by."""

    name: str
    unit: Unit
    meaning: str
    split: str = ""

    def record(self, value: float = 1, label: str = "") -> None:
        """Write down one value where the settings say; `label` is the kind that a split metric needs."""
        _sink()(self, value, label)


type Sink = Callable[[Metric, float, str], None]

ANSWERS = Metric("Answers", Unit.COUNT, "Answers of the webhook, by their word.", split="Status")
EXECUTION_TIME = Metric("ExecutionTime", Unit.MILLISECONDS, "From receipt of an alert to its answer.")
ORDER_LATENCY = Metric(
    "OrderLatency", Unit.MILLISECONDS, "From receipt of an alert to a stage of its order.", split="Stage"
)
DECISIONS = Metric("Decisions", Unit.COUNT, "Decisions, by reason.", split="Reason")
TRADE_SUCCESS_RATE = Metric(
    "TradeSuccessRate", Unit.PERCENT, "100 for each order that filled, 0 for one rejected or lost."
)
ERRORS = Metric("Errors", Unit.COUNT, "Errors in the log, by type.", split="Type")

UNCONFIRMED_ORDERS = Metric("UnconfirmedOrders", Unit.COUNT, "Orders whose outcome is not known.")
OPEN_INCIDENTS = Metric("OpenIncidents", Unit.COUNT, "Incidents that are open.")
KILL_SWITCH_ENGAGED = Metric("KillSwitchEngaged", Unit.COUNT, "1 while trading is stopped in any scope.")
MISSED_HEARTBEATS = Metric("MissedHeartbeats", Unit.COUNT, "Strategies whose heartbeats are overdue.")
REDIS_HEALTHY = Metric("RedisHealthy", Unit.COUNT, "1 while Redis answers the desk.")
DATABASE_HEALTHY = Metric("DatabaseHealthy", Unit.COUNT, "1 while the database answers the desk.")

EVENTS = (ANSWERS, EXECUTION_TIME, ORDER_LATENCY, DECISIONS, TRADE_SUCCESS_RATE, ERRORS)
GAUGES = (
    UNCONFIRMED_ORDERS,
    OPEN_INCIDENTS,
    KILL_SWITCH_ENGAGED,
    MISSED_HEARTBEATS,
    REDIS_HEALTHY,
    DATABASE_HEALTHY,
)

METRICS = (*EVENTS, *GAUGES)


@cache
def _sink() -> Sink:
    sink: Sink = import_string(settings.METRICS_SINK)
    return sink


class ErrorCounter(logging.Handler):
    """Counts what is logged as an error, by the class of its exception or else by its event."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.exc_info or sys.exc_info())[0]
        event = record.msg.get("event") if isinstance(record.msg, dict) else None
        ERRORS.record(label=kind.__name__ if kind else str(event or record.name))
