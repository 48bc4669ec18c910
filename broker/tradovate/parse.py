"""Tradovate's JSON as rows: frozen dataclasses whose hints say what a reply must hold.

A field that is missing or of another type makes the reply unreadable. One that the class does not have is
passed over and logged once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, partial
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import structlog

from broker.base import BrokerOutcomeUnknown
from broker.logins import AccessToken
from broker.tradovate.names import wire_name
from broker.tradovate.words import Word

log = structlog.get_logger(__name__)

type Row = Mapping[str, Any]


@dataclass(frozen=True)
class AccessTokenResponse:
    """What a login or a renewal answers."""

    access_token: str = field(repr=False)
    expiration_time: datetime
    # Not read as a time: no login should fail over it.
    password_expiration_time: str | None
    user_status: str | None
    user_id: int | None
    name: str | None
    has_live: bool | None
    error_text: str | None


def access_token(data: object) -> AccessToken:
    """Return the token of a login or renewal, refusing one that would not fit into a header line."""
    reply = row(AccessTokenResponse, data)
    value = reply.access_token
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise unreadable("accessToken")
    return AccessToken(value, reply.expiration_time, user_id=reply.user_id)


def refused_user(data: object) -> str:
    """Return what is wrong with the user where a login got no token for it, such as TemporaryLocked."""
    if not isinstance(data, dict) or data.get("accessToken"):
        return ""
    status = data.get("userStatus")
    return status if isinstance(status, str) and status != "Active" else ""


def row[R](kind: type[R], data: object) -> R:
    """Return one row. Raises BrokerOutcomeUnknown naming the field that cannot be read."""
    table: _Table[R] = _table(kind)  # type: ignore[arg-type] # a class can be hashed
    return _read(table, data)


def rows[R](kind: type[R], data: object) -> list[R]:
    """Return every row of a list reply."""
    if not isinstance(data, list):
        raise unreadable("not a list")
    table: _Table[R] = _table(kind)  # type: ignore[arg-type] # a class can be hashed
    return [_read(table, item) for item in data]


def unreadable(what: str) -> BrokerOutcomeUnknown:
    return BrokerOutcomeUnknown(f"unreadable reply: {what}")


# The attribute, the type that decoded JSON has, and what makes the value of it, None for nothing.
type _Field = tuple[str, type, Callable[[Any], object] | None]


@dataclass(frozen=True)
class _Table[R]:
    """What a class expects, by name on the wire. `blank` has the attributes that may be left out.

    `passed_over` has the unknown names that were logged.
    """

    kind: type[R]
    fields: Mapping[str, _Field]
    blank: dict[str, object]
    passed_over: set[str]


@cache
def _table(kind: Any) -> _Table[Any]:
    hints = get_type_hints(kind)
    names = [entry.name for entry in fields(kind)]
    return _Table(
        kind,
        fields={wire_name(name): _field(name, _bare(hints[name])) for name in names},
        blank={name: None for name in names if _is_optional(hints[name])},
        passed_over=set(),
    )


def _is_optional(hint: Any) -> bool:
    return isinstance(hint, UnionType)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if _is_optional(hint) else hint


def _field(attribute: str, hint: Any) -> _Field:
    if get_origin(hint) is tuple:
        return attribute, list, lambda data: tuple(rows(get_args(hint)[0], data))
    if isinstance(hint, type) and is_dataclass(hint):
        return attribute, dict, partial(row, hint)
    if issubclass(hint, Word):
        return attribute, str, _word(hint)
    return attribute, *_KINDS[hint]


def _word(kind: type[Word]) -> Callable[[str], Word]:
    known = {word.value: word for word in kind}
    return lambda text: known.get(text) or kind(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def _day(parts: Row) -> date:
    return date(parts["year"], parts["month"], parts["day"])


def _clock(parts: Row) -> time:
    return time(parts["hour"], parts["minute"])


_KINDS: Mapping[type, tuple[type, Callable[[Any], object] | None]] = {
    bool: (bool, None),
    int: (int, None),
    str: (str, None),
    Decimal: (Decimal, None),
    datetime: (str, _moment),
    date: (dict, _day),
    time: (dict, _clock),
}


def _read[R](table: _Table[R], data: object) -> R:
    """Return a row. It is read on the way of each order, so the loop has no calls that it can do without."""
    if not isinstance(data, dict):
        raise unreadable("not an object")
    values = table.blank.copy()
    field_of, passed_over = table.fields.get, table.passed_over
    for name, value in data.items():
        known = field_of(name)
        if known is None:
            if name not in passed_over:
                _pass_over(table, name)
            continue
        attribute, kind, convert = known
        # Not `isinstance`: a bool is no number here.
        if type(value) is kind:
            try:
                values[attribute] = value if convert is None else convert(value)
            except (ValueError, TypeError, KeyError, OverflowError):
                raise unreadable(name) from None
        elif type(value) is int and kind is Decimal:
            values[attribute] = Decimal(value)
        elif value is not None:
            raise unreadable(name)
    if len(values) < len(table.fields):
        raise unreadable(next(name for name, known in table.fields.items() if known[0] not in values))
    made = object.__new__(table.kind)
    # At once: in its own `__init__` a frozen dataclass makes a call for each field.
    object.__setattr__(made, "__dict__", values)
    return made


def _pass_over[R](table: _Table[R], name: str) -> None:
    table.passed_over.add(name)
    # Most replies have fields that no document names.
    log.debug("unknown field from Tradovate", row=table.kind.__name__, field=name)
