"""A sample of everything that the client can ask of Tradovate, made from the registries of its operations."""

from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from broker.tradovate.reads import Argument, Read
from broker.tradovate.requests import Request

ARGUMENTS: dict[str, Argument] = {
    "id": 663695020149,
    "masterid": 663695020149,
    "masterids": (663695020149, 2),
    "name": "MESZ6",
    "t": "MES",
    "l": 5,
}
_VALUES: dict[type, object] = {
    int: 663695020149,
    str: "td-0001",
    bool: True,
    Decimal: Decimal("6842.25"),
    datetime: datetime(2026, 11, 24, 21, tzinfo=UTC),
}


def sample_address(read: Read[Any]) -> str:
    """Return path and query of a read, each parameter filled in."""
    return read.address(*[ARGUMENTS[name] for name in read.parameters])


def sample_request[R: Request[Any]](kind: type[R], *, with_optional: bool) -> R:
    """Return a request with all its fields, or with those only that it must have."""
    return _sample(kind, with_optional)  # type: ignore[no-any-return]


def _sample(kind: Any, with_optional: bool) -> Any:
    hints = get_type_hints(kind)
    wanted = [
        entry.name for entry in fields(kind) if entry.init and (with_optional or entry.default is MISSING)
    ]
    return kind(**{name: _value(name, hints[name], with_optional) for name in wanted})


def _value(name: str, hint: Any, with_optional: bool) -> object:
    if isinstance(hint, UnionType):
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        return (1, 2)
    if is_dataclass(hint):
        return _sample(hint, with_optional)
    if issubclass(hint, StrEnum):
        return next(iter(hint))
    # Quantities and limits have 32 bits, ids have 64.
    return 2 if hint is int and not name.endswith("id") else _VALUES[hint]
