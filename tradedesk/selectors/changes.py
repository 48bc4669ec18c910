"""Whether anything that the panel shows has changed: one query instead of a page."""

import hashlib
from functools import cache

from django.db import connection
from django.db.models import Model

from tradedesk.models import (
    Account,
    Alert,
    AuditEntry,
    Bot,
    BotState,
    ConnectionLog,
    Decision,
    Fill,
    FlattenWish,
    Incident,
    Instrument,
    Notice,
    Order,
    Strategy,
    TaskRun,
    TradingState,
    TradingStateChange,
)

# Rows that are never changed: the newest tells of all.
APPENDED: tuple[type[Model], ...] = (Alert, Decision, Fill, Notice, AuditEntry, TradingStateChange)
# Small tables whose rows change: each row counts, whatever it says.
WHOLE: tuple[type[Model], ...] = (
    Account,
    Bot,
    BotState,
    ConnectionLog,
    Strategy,
    Instrument,
    TradingState,
    TaskRun,
)
# Of these the rows that are open, and the last ones.
LAST = 25
OPEN = {Incident: "closed_at IS NULL", FlattenWish: "ended_at IS NULL", Order: "settled_at IS NULL"}
# Long, and never another one without another version.
MEMORY = "memory"


def fingerprint() -> str:
    """Return what changes with whatever the panel shows, and with nothing else. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_sql())
        rows = sorted(str(row[0]) for row in cursor.fetchall())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


@cache
def _sql() -> str:
    parts = [_last(model, 1, ["id"]) for model in APPENDED]
    parts += [_rows(model) for model in WHOLE]
    for model, is_open in OPEN.items():
        parts += [f"{_rows(model)} WHERE {is_open}", _last(model, LAST, _columns(model))]
    return " UNION ALL ".join(parts)


def _rows(model: type[Model]) -> str:
    return f"SELECT {_text(model, _columns(model))} FROM {_table(model)}"  # noqa: S608 - own tables


def _last(model: type[Model], count: int, columns: list[str]) -> str:
    rows = f"SELECT {_text(model, columns)} AS said FROM {_table(model)} ORDER BY id DESC LIMIT {count}"  # noqa: S608
    return f"SELECT said FROM ({rows}) AS {model._meta.model_name}_{count}"  # noqa: S608 - own tables


def _text(model: type[Model], columns: list[str]) -> str:
    """Return the SQL for a row as one text; absent and empty are told apart."""
    cells = [f"COALESCE(CAST({connection.ops.quote_name(name)} AS TEXT), '-')" for name in columns]
    return f"'{model._meta.model_name}' || " + " || '|' || ".join(cells)


def _columns(model: type[Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if field.column != MEMORY]


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
