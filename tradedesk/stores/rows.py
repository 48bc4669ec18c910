from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.db import DataError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Field, IntegerField, JSONField, Model
from django.db.models.expressions import Col
from psycopg.errors import DivisionByZero

from tradedesk.stores.waits import NoAnswer


@dataclass(frozen=True)
class Statement:
    """SQL with its values, as the database's driver takes them, and how many rows it is to return."""

    sql: str
    values: Sequence[Any]
    rows: int = 1


class Stale(Exception):
    """Something is not as it was when it was read: nothing was written. Read again, decide again."""


def insertion(row: Model) -> Statement:
    """Return the INSERT of a new row, as `save(force_insert=True)` would; what is None is left out."""
    model, values = type(row), vars(row)
    # The fewer values the better: the driver parses a statement of more than fifty anew each time.
    names = tuple(name for name in _fields(model) if values[name] is not None)
    return Statement(_insert(model, names), [_prepared(model, name, values[name]) for name in names])


def change(model: type[Model], key: Mapping[str, Any], values: Mapping[str, Any]) -> Statement:
    """Return the UPDATE of the rows whose fields equal `key`; one row is to have them."""
    prepared = [_prepared(model, name, value) for name, value in (*values.items(), *key.items())]
    return Statement(_update(model, tuple(values), tuple(key)), prepared)


def columns(model: type[Model], alias: str) -> str:
    """Return the SELECT list of a model's columns, in the order that `load` takes them."""
    return ", ".join(f'{alias}."{field.column}"' for field in _fields(model).values())


def width(model: type[Model]) -> int:
    """Return how many columns a model has."""
    return len(_fields(model))


def place(model: type[Model], name: str) -> int:
    """Return where a field stands among a model's columns."""
    return list(_fields(model)).index(name)


def load[M: Model](model: type[M], values: Sequence[Any]) -> M:
    """Return the model's instance that a row's values make, as a queryset would."""
    converted = list(values)
    for index, column, steps in _converters(model):
        for step in steps:
            converted[index] = step(converted[index], column, connection)
    return model.from_db(connection.alias, _fields(model), converted)


def read_first(statement: Statement) -> list[tuple[Any, ...]]:
    """Return the rows of a request's first SELECT, asked for again where a kept connection turns out dead.

    This stands in for Django's health check, which costs every request a statement. A database that hangs is
    not asked again: there is no time for it.
    """
    connection.health_check_done = True  # type: ignore[attr-defined] # absent from the stubs
    try:
        return read(statement)
    except (InterfaceError, OperationalError) as error:
        was_open = connection.connection is not None
        has_hung = isinstance(error.__cause__, NoAnswer)
        if has_hung or not was_open or connection.in_atomic_block or connection.is_usable():
            raise
    connection.close()
    return read(statement)


def read(statement: Statement) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT."""
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.values)
        return list(cursor.fetchall())


def write(*statements: Statement) -> None:
    """Run the statements as one: each returns as many rows as it is to, or none of them is done.

    PostgreSQL takes them as a single statement, in one round trip. Raises Stale when a count is wrong, else
    Django's database errors.
    """
    if connection.vendor != "postgresql":
        _write_in_turn(statements)
    elif connection.in_atomic_block:
        with transaction.atomic():
            _write_at_once(statements)
    else:
        _write_at_once(statements)


def _write_in_turn(statements: Sequence[Statement]) -> None:
    with transaction.atomic():
        for statement in statements:
            if len(read(statement)) != statement.rows:
                raise Stale


def _write_at_once(statements: Sequence[Statement]) -> None:
    sql = _as_one(*((statement.sql, statement.rows) for statement in statements))
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, [value for statement in statements for value in statement.values])
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            raise Stale from None
        raise


@lru_cache(maxsize=256)
def _as_one(*statements: tuple[str, int]) -> str:
    """Return the statements as one. A count that is not right divides by zero, which undoes all of it."""
    parts = ", ".join(f"s{number} AS ({sql})" for number, (sql, _) in enumerate(statements))
    counts = " AND ".join(
        f"(SELECT count(*) FROM s{number}) = {rows}" for number, (_, rows) in enumerate(statements)
    )
    return f"WITH {parts} SELECT 1 / CASE WHEN {counts} THEN 1 ELSE 0 END"


@cache
def _fields(model: type[Model]) -> dict[str, "Field[Any, Any]"]:
    return {field.attname: field for field in model._meta.concrete_fields}


def _prepared(model: type[Model], name: str, value: Any) -> Any:
    """Return a field's value as the driver takes it."""
    field = _fields_to_prepare(model).get(name)
    return value if field is None else field.get_db_prep_save(value, connection)


@cache
def _fields_to_prepare(model: type[Model]) -> dict[str, "Field[Any, Any]"]:
    """Return the fields whose values Django has to prepare: to PostgreSQL, all but these go as they are."""
    fields = _fields(model)
    if connection.vendor != "postgresql":
        return fields
    return {name: field for name, field in fields.items() if isinstance(field, IntegerField | JSONField)}


@cache
def _converters(model: type[Model]) -> list[tuple[int, Col, list[Any]]]:
    """Return what turns the driver's values into the fields', for the columns that need it: few do."""
    found = []
    for index, field in enumerate(_fields(model).values()):
        column = Col(model._meta.db_table, field)
        own = column.get_db_converters(connection)
        found.append((index, column, [*connection.ops.get_db_converters(column), *own]))
    return [(index, column, steps) for index, column, steps in found if steps]


@cache
def _insert(model: type[Model], names: tuple[str, ...]) -> str:
    fields = _fields(model)
    columns = ", ".join(f'"{fields[name].column}"' for name in names)
    marks = ", ".join(["%s"] * len(names))
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks}) RETURNING 1'


@cache
def _update(model: type[Model], values: tuple[str, ...], key: tuple[str, ...]) -> str:
    fields = _fields(model)
    settings = ", ".join(f'"{fields[name].column}" = %s' for name in values)
    condition = " AND ".join(f'"{fields[name].column}" = %s' for name in key)
    table = model._meta.db_table
    return f'UPDATE "{table}" SET {settings} WHERE {condition} RETURNING 1'
