"""Reads whole rows from bodies, field by field as the row declares them."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from broker.paper.records.wire import Row, wire_name
from broker.paper.rest.forms import Form


def read_row[R: Row](form: Form, row_type: type[R], row_id: int) -> R:
    """Return the row of this id that a body describes. Use it only after the form's `check`."""
    hints = get_type_hints(row_type)
    values: dict[str, Any] = {}
    for field in fields(row_type):  # type: ignore[arg-type]
        if field.name == "id":
            continue
        name, hint = wire_name(field.name), hints[field.name]
        if type(None) not in get_args(hint) and not form.has(name):
            form.refuse(name, "NotNull", "is required")
        values[field.name] = _read(form, name, hint)
    return row_type(**{"id": row_id, **values})


def _read(form: Form, name: str, hint: Any) -> Any:
    plain = next((part for part in get_args(hint) if part is not type(None)), hint)
    if issubclass(plain, StrEnum):
        word = form.text(name, tuple(plain))
        return None if word is None else plain(word)
    readers: dict[Any, Callable[[str], Any]] = {
        str: form.text,
        bool: form.flag,
        int: form.positive if name.endswith("Id") or name == "maxBackMonth" else form.count,
        Decimal: form.number,
        datetime: form.moment,
    }
    return readers[plain](name)
