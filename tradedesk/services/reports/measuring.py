from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError

from tradedesk.metrics import (
    DATABASE_HEALTHY,
    DECISIONS,
    KILL_SWITCH_ENGAGED,
    MISSED_HEARTBEATS,
    OPEN_INCIDENTS,
    ORDER_LATENCY,
    REDIS_HEALTHY,
    TRADE_SUCCESS_RATE,
    UNCONFIRMED_ORDERS,
    Metric,
)
from tradedesk.models import (
    Alert,
    Decision,
    Incident,
    Order,
    OrderStatus,
    Strategy,
    TradingMode,
    TradingState,
)
from tradedesk.services.alerts.alert_stream import silence
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable
from tradedesk.stores.waits import at_most

GAUGES_WITHIN_S = 2.0
# An order that a person or a rule took back is neither.
SUCCEEDED = {OrderStatus.FILLED: 100, OrderStatus.REJECTED: 0, OrderStatus.LOST: 0}


def measure_decision(alert: Alert, stored_at: datetime, decision: Decision, order: Order | None) -> None:
    """Record a decision's reason, and how long after its receipt the alert's order came how far."""
    DECISIONS.record(label=decision.reason)
    if order is None:
        return
    stages = {
        "stored": stored_at,
        "decided": decision.created_at,
        "sent": order.sent_at,
        "settled": order.settled_at,
    }
    for stage, moment in stages.items():
        if moment is not None:
            ORDER_LATENCY.record((moment - alert.received_at).total_seconds() * 1000, stage)


def measure_end(order: Order) -> None:
    """Record whether an order that has ended was carried out."""
    if order.settled_at is not None and order.status in SUCCEEDED:
        TRADE_SUCCESS_RATE.record(SUCCEEDED[OrderStatus(order.status)])


def figures(now: datetime) -> dict[Metric, float]:
    """Return the desk's gauges as they stand; without a database, its health and that of Redis alone."""
    redis_answers = {REDIS_HEALTHY: float(_redis_answers())}
    try:
        with at_most(GAUGES_WITHIN_S):
            return redis_answers | _counted(now) | {DATABASE_HEALTHY: 1}
    except DatabaseError:
        return redis_answers | {DATABASE_HEALTHY: 0}


def _redis_answers() -> bool:
    try:
        redis.ping()
    except RedisUnavailable:
        return False
    return True


def _counted(now: datetime) -> dict[Metric, float]:
    unconfirmed = Order.objects.filter(settled_at=None, status=OrderStatus.UNCONFIRMED)
    stopped = TradingState.objects.exclude(mode=TradingMode.ACTIVE)
    return {
        UNCONFIRMED_ORDERS: unconfirmed.count(),
        OPEN_INCIDENTS: Incident.objects.filter(closed_at=None).count(),
        KILL_SWITCH_ENGAGED: float(stopped.exists()),
        MISSED_HEARTBEATS: sum(silence(strategy, now) is not None for strategy in _watched()),
    }


def _watched() -> Sequence[Strategy]:
    traded = Strategy.objects.filter(bots__enabled=True, bots__account__enabled=True).distinct()
    rules = traded.select_related("instrument__session_rule")
    return list(rules.prefetch_related("instrument__session_rule__holidays"))
