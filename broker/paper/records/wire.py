"""Rows to JSON and back: camel case names, ISO times, {year, month, day} dates, Decimal as a number."""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Protocol, get_args, get_origin, get_type_hints

type Json = dict[str, Any]

_ODD_NAMES = {
    "realized_pnl": "realizedPnL",
    "week_realized_pnl": "weekRealizedPnL",
    "amount_sod": "amountSOD",
}


class Row(Protocol):
    """Anything with an id that `encode` can write: one of the dataclasses in `rows`."""

    @property
    def id(self) -> int: ...


def encode(row: Row) -> Json:
    """Return the wire's view of a row, absent fields left out."""
    out: Json = {}
    for attribute, name, write, _ in _plan(type(row)):
        value = getattr(row, attribute)
        if value is not None:
            out[name] = write(value) if write else value
    return out


def decode[R: Row](row_type: type[R], data: Json) -> R:
    """Return the row that `encode` wrote; numbers must have been parsed with `parse_float=Decimal`."""
    values = {
        attribute: read(data[name]) if read else data[name]
        for attribute, name, _, read in _plan(row_type)
        if name in data
    }
    return row_type(**values)


def dump(value: Any) -> str:
    """Return compact JSON text."""
    return json.dumps(value, separators=(",", ":"))


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _date_parts(day: date) -> Json:
    return {"year": day.year, "month": day.month, "day": day.day}


def _time_parts(at: time) -> Json:
    return {"hour": at.hour, "minute": at.minute}


type _Convert = Callable[[Any], Any] | None
_CONVERSIONS: dict[type, tuple[_Convert, _Convert]] = {
    datetime: (iso, datetime.fromisoformat),
    date: (_date_parts, lambda parts: date(**parts)),
    time: (_time_parts, lambda parts: time(**parts)),
    Decimal: (float, Decimal),
    tuple: (list, tuple),
}


@cache
def _plan(row_type: type[Row]) -> tuple[tuple[str, str, _Convert, _Convert], ...]:
    hints = get_type_hints(row_type)
    return tuple(
        (field.name, wire_name(field.name), *_conversion(hints[field.name]))
        for field in fields(row_type)  # type: ignore[arg-type]
    )


def _conversion(hint: Any) -> tuple[_Convert, _Convert]:
    if get_origin(hint) is tuple:
        return _CONVERSIONS[tuple]
    plain = next((part for part in get_args(hint) if part is not type(None)), hint)
    if issubclass(plain, StrEnum):
        return None, plain
    return _CONVERSIONS.get(plain, (None, None))


def wire_name(attribute: str) -> str:
    """Return the wire's name of a row's attribute."""
    head, *rest = attribute.split("_")
    return _ODD_NAMES.get(attribute) or head + "".join(word.capitalize() for word in rest)
