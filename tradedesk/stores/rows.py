from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from django.db.models.expressions import Col


@dataclass(frozen=True)
class Statement:
    """SQL with its values, as the database's driver takes them."""

    sql: str
    values: Sequence[Any]


def insertion(row: Model) -> Statement:
    """Return the INSERT of a new row, as `save(force_insert=True)` would, its SQL made once per model."""
    fields = _fields(type(row))
    values = [_prepared(field, getattr(row, field.attname)) for field in fields.values()]
    return Statement(_insert(type(row)), values)


def change(model: type[Model], key: Mapping[str, Any], values: Mapping[str, Any]) -> Statement:
    """Return the UPDATE of the rows whose fields equal `key`; it returns one row for each row changed."""
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


def run(*statements: Statement) -> list[list[tuple[Any, ...]]]:
    """Run statements in order and return what each returned; PostgreSQL takes them in one round trip.

    Raises Django's database errors.
    """
    with connection.wrap_database_errors:
        if connection.vendor == "postgresql" and len(statements) > 1:
            connection.ensure_connection()
            with connection.connection.pipeline():
                return _run(statements)
        return _run(statements)


def _run(statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    cursors = []
    for statement in statements:
        cursor = connection.cursor()
        cursor.execute(statement.sql, statement.values)
        cursors.append(cursor)
    return [
        cursor.fetchall() if _returns_rows(statement) else []
        for cursor, statement in zip(cursors, statements, strict=True)
    ]


def _returns_rows(statement: Statement) -> bool:
    return not statement.sql.startswith("INSERT")


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
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})'  # noqa: S608 - own names


@cache
def _update(model: type[Model], values: tuple[str, ...], key: tuple[str, ...]) -> str:
    fields = _fields(model)
    settings = ", ".join(f'"{fields[name].column}" = %s' for name in values)
    condition = " AND ".join(f'"{fields[name].column}" = %s' for name in key)
    table = model._meta.db_table
    return f'UPDATE "{table}" SET {settings} WHERE {condition} RETURNING 1'  # noqa: S608 - own names
