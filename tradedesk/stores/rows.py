from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import DataError, connection, transaction
from django.db.models import Field, Model
from django.db.models.expressions import Col
from psycopg.errors import DivisionByZero


@dataclass(frozen=True)
class Statement:
    """SQL with its values, as the database's driver takes them, and how many rows it is to return."""

    sql: str
    values: Sequence[Any]
    rows: int = 1


class Stale(Exception):
    """Something is not as it was when it was read: nothing was written. Read again, decide again."""


def insertion(row: Model) -> Statement:
    """Return the INSERT of a new row, as `save(force_insert=True)` would, its SQL made once per model."""
    fields = _fields(type(row))
    values = [_prepared(field, getattr(row, field.attname)) for field in fields.values()]
    return Statement(_insert(type(row)), values)


def change(model: type[Model], key: Mapping[str, Any], values: Mapping[str, Any]) -> Statement:
    """Return the UPDATE of the rows whose fields equal `key`; one row is to have them."""
    fields = _fields(model)
    prepared = [_prepared(fields[name], value) for name, value in (*values.items(), *key.items())]
    return Statement(_update(model, tuple(values), tuple(key)), prepared)


def columns(model: type[Model], alias: str) -> str:
    """Return the SELECT list of a model's columns, in the order that `load` takes them."""
    return ", ".join(f'{alias}."{field.column}"' for field in _fields(model).values())


def width(model: type[Model]) -> int:
    """Return how many columns a model has."""
    return len(_fields(model))


def load[M: Model](model: type[M], values: Sequence[Any]) -> M:
    """Return the model's instance that a row's values make, as a queryset would."""
    converted = [_converted(value, *steps) for value, steps in zip(values, _converters(model), strict=True)]
    return model.from_db(connection.alias, list(_fields(model)), converted)


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
    """A count that is not right divides by zero, and the database takes all of it back."""
    parts = ", ".join(f"s{number} AS ({statement.sql})" for number, statement in enumerate(statements))
    counts = " AND ".join(
        f"(SELECT count(*) FROM s{number}) = {statement.rows}" for number, statement in enumerate(statements)
    )
    sql = f"WITH {parts} SELECT 1 / CASE WHEN {counts} THEN 1 ELSE 0 END"
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, [value for statement in statements for value in statement.values])
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            raise Stale from None
        raise


@cache
def _fields(model: type[Model]) -> dict[str, "Field[Any, Any]"]:
    return {field.attname: field for field in model._meta.concrete_fields}


def _prepared(field: "Field[Any, Any]", value: Any) -> Any:
    return field.get_db_prep_save(value, connection)


@cache
def _converters(model: type[Model]) -> list[tuple[Col, list[Any]]]:
    """Return for each column what turns the driver's value into the field's; nothing, for most."""
    steps = []
    for field in _fields(model).values():
        column = Col(model._meta.db_table, field)
        own = column.get_db_converters(connection)
        steps.append((column, [*connection.ops.get_db_converters(column), *own]))
    return steps


def _converted(value: Any, column: Col, steps: list[Any]) -> Any:
    for step in steps:
        value = step(value, column, connection)
    return value


@cache
def _insert(model: type[Model]) -> str:
    columns = ", ".join(f'"{field.column}"' for field in _fields(model).values())
    marks = ", ".join(["%s"] * len(_fields(model)))
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks}) RETURNING 1'


@cache
def _update(model: type[Model], values: tuple[str, ...], key: tuple[str, ...]) -> str:
    fields = _fields(model)
    settings = ", ".join(f'"{fields[name].column}" = %s' for name in values)
    condition = " AND ".join(f'"{fields[name].column}" = %s' for name in key)
    table = model._meta.db_table
    return f'UPDATE "{table}" SET {settings} WHERE {condition} RETURNING 1'
