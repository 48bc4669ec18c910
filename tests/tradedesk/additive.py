"""Whether the code before a migration runs on the schema after it: without that there is no way back."""

from collections.abc import Iterator
from typing import Any

from django.db.migrations import AddField, AddIndex, AlterField, AlterModelOptions, CreateModel, Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field, ManyToManyField

HARMLESS = (CreateModel, AddIndex, AlterModelOptions)


def findings(migration: Migration, before: ProjectState) -> list[str]:
    """Return what of a migration the code before it may not bear, empty when nothing.

    A person who has looked says so in the migration: `old_code_runs = "why"`.
    """
    if getattr(migration, "old_code_runs", ""):
        return []
    state = before.clone()
    found = []
    for operation in migration.operations:
        found += [f"{migration.name}: {operation.describe()}: {why}" for why in _faults(operation, state)]
        operation.state_forwards("tradedesk", state)
    return found


def _faults(operation: Operation, state: ProjectState) -> Iterator[str]:
    if isinstance(operation, AddField):
        field = operation.field
        if not (field.null or field.has_db_default() or isinstance(field, ManyToManyField)):
            yield "old code inserts no value: null or db_default"
    elif isinstance(operation, AlterField):
        model = state.models["tradedesk", operation.model_name_lower]
        yield from _narrowed(model.fields[operation.name], operation.field)
    elif not isinstance(operation, HARMLESS):
        yield "not known to be additive"


def _narrowed(old: "Field[Any, Any]", new: "Field[Any, Any]") -> Iterator[str]:
    was, becomes = _column(old), _column(new)
    if was.pop("null", False) and not becomes.pop("null", False):
        yield "old code may insert null"
    becomes.pop("null", None)
    if (becomes.pop("max_length", None) or 0) < (was.pop("max_length", None) or 0):
        yield "old code may insert longer values"
    if was != becomes:
        yield f"another column: {was} becomes {becomes}"


def _column(field: "Field[Any, Any]") -> dict[str, Any]:
    """Return what of a field shows in the database."""
    _, path, _, arguments = field.deconstruct()
    kept = {key: value for key, value in arguments.items() if key not in field.non_db_attrs}
    return {"class": path, **{key: value for key, value in kept.items() if key != "default"}}
