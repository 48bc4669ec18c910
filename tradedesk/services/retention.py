from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet

from tradedesk.models import Alert, Decision, Fill, FlatDay, Incident, Notice, Order

LEAST_DAYS = 7
BATCH, MOST_BATCHES = 500, 20


class TooYoung(Exception):
    """History is kept for a week at least, and longer than the window of events that bots remember."""


def prune(now: datetime, keep_days: int, event_window: timedelta) -> dict[str, int]:
    """Delete history older than `keep_days` days and return how many rows went, by table.

    Stories go whole: an alert with its decisions, orders and fills, once all its orders are settled. Audit
    entries, trading states and what is open stay. Ten thousand stories at most: call it again for more.
    Raises TooYoung.
    """
    if keep_days < LEAST_DAYS or timedelta(days=keep_days) <= event_window:
        raise TooYoung
    before = now - timedelta(days=keep_days)
    gone: dict[str, int] = {}
    for _ in range(MOST_BATCHES):
        if not _batch(before, gone):
            break
    return gone


def _batch(before: datetime, gone: dict[str, int]) -> bool:
    """Delete one batch of each kind; return whether anything was there to delete."""
    unsettled = Order.objects.filter(settled_at=None)
    alerts = Alert.objects.filter(
        ~Exists(unsettled.filter(decision__alert=OuterRef("pk"))), received_at__lt=before
    )
    by_hand = Order.objects.filter(decision=None, created_at__lt=before).exclude(settled_at=None)
    sent = Notice.objects.filter(created_at__lt=before).exclude(sent_at=None, given_up_at=None)
    with transaction.atomic():
        stories, loose = _first(alerts), _first(by_hand)
        counts = [
            _delete(Fill.objects.filter(order__decision__alert__in=stories), gone),
            _delete(Order.objects.filter(decision__alert__in=stories), gone),
            _delete(Decision.objects.filter(alert__in=stories), gone),
            _delete(Alert.objects.filter(pk__in=stories), gone),
            _delete(Fill.objects.filter(order__in=loose), gone),
            _delete(Order.objects.filter(pk__in=loose), gone),
        ]
    closed = Incident.objects.filter(closed_at__lt=before)
    days = FlatDay.objects.filter(trade_date__lt=before.date())
    others = (rows.model.objects.filter(pk__in=_first(rows)) for rows in (closed, sent, days))
    return any([*counts, *[_delete(rows, gone) for rows in others]])


def _first(rows: QuerySet[Model]) -> list[Any]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _delete(rows: QuerySet[Model], gone: dict[str, int]) -> int:
    count, _ = rows.delete()
    if count:
        name = str(rows.model._meta.verbose_name_plural)
        gone[name] = gone.get(name, 0) + count
    return count
