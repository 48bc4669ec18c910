from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from strategy.machine import memory_of
from strategy.types import Color, Cross, Direction, Entry, Event, Filter, Indicator, Memory, StandDown, State

_VERSION = 1
_VALUES: Mapping[Indicator, type[Color] | type[Cross]] = {
    Indicator.TREND: Color,
    Indicator.DI: Cross,
    Indicator.FILTER: Color,
}
_EVENT_KEYS = {"k", "i", "v", "t", "f"}
_STAND_DOWN_KEYS = {"k", "t", "a", "r"}
_REACHABLE = {
    State(),
    *(State(Direction.NONE, color, waiting) for color in Color for waiting in (False, True)),
    State(Direction.LONG, Color.BLUE),
    State(Direction.SHORT, Color.RED),
}


def to_json(memory: Memory) -> dict[str, Any]:
    """Return the memory as JSON-able data with ISO-8601 UTC times, for `from_json`."""
    base = memory.base
    data: dict[str, Any] = {
        "v": _VERSION,
        "base": {"p": base.position.value, "c": base.color and base.color.value, "w": base.waiting},
        "entries": [_entry_to_json(entry) for entry in memory.entries],
    }
    if memory.filter_timeframe:
        data["filter"] = {"t": memory.filter_timeframe, "c": base.filter.value}
    return data


def from_json(data: object) -> Memory:
    """Return the memory that `to_json` wrote.

    Raises ValueError for anything else: another version, missing or extra keys, unknown words, times that are
    not ISO-8601 UTC, a state the strategy cannot reach, entries out of order or with one key twice.
    """
    has_filter = isinstance(data, dict) and "filter" in data
    root = _object(data, {"v", "base", "entries", *(["filter"] if has_filter else [])})
    if type(root["v"]) is not int or root["v"] != _VERSION:
        raise ValueError(f"unknown version of a memory: {root['v']!r}")
    if not isinstance(root["entries"], list):
        raise ValueError("entries must be a list")
    entries = tuple(_entry_from_json(item) for item in root["entries"])
    timeframe, color = _filter_from_json(root["filter"]) if has_filter else ("", Filter.OFF)
    base = replace(_state_from_json(root["base"]), filter=color)
    memory = replace(memory_of(entries, base), filter_timeframe=timeframe)
    if memory.entries != entries:
        raise ValueError("entries must be in order, one per key")
    return memory


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    common = {"k": entry.key, "t": _time_to_json(entry.effective_at)}
    if isinstance(entry, StandDown):
        return {**common, "a": entry.after and entry.after.value, "r": entry.reason}
    return {
        **common,
        "i": entry.indicator.value,
        "v": entry.value.value,
        "f": _time_to_json(entry.fired_at),
    }


def _entry_from_json(data: object) -> Entry:
    if isinstance(data, dict) and "r" in data:
        row = _object(data, _STAND_DOWN_KEYS)
        after = None if row["a"] is None else Indicator(row["a"])
        return StandDown(_text(row["k"]), _time_from_json(row["t"]), after, _text(row["r"]))
    row = _object(data, _EVENT_KEYS)
    indicator = Indicator(row["i"])
    value = _VALUES[indicator](row["v"])
    return Event(_text(row["k"]), indicator, value, _time_from_json(row["t"]), _time_from_json(row["f"]))


def _state_from_json(data: object) -> State:
    row = _object(data, {"p", "c", "w"})
    if not isinstance(row["w"], bool):
        raise ValueError("w must be true or false")
    color = None if row["c"] is None else Color(row["c"])
    state = State(Direction(row["p"]), color, row["w"])
    if state not in _REACHABLE:
        raise ValueError(f"a state the strategy cannot reach: {state}")
    return state


def _filter_from_json(data: object) -> tuple[str, Filter]:
    row = _object(data, {"t", "c"})
    timeframe, color = _text(row["t"]), Filter(row["c"])
    if not timeframe or color is Filter.OFF:
        raise ValueError("a filter has a timeframe, and a colour or none yet")
    return timeframe, color


def _time_to_json(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _time_from_json(data: object) -> datetime:
    text = _text(data)
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() != timedelta(0) or moment.isoformat() != text:
        raise ValueError(f"not an ISO-8601 UTC time: {text!r}")
    return moment


def _text(data: object) -> str:
    if not isinstance(data, str):
        raise ValueError(f"not a text: {data!r}")
    return data


def _object(data: object, keys: set[str]) -> dict[str, Any]:
    if not isinstance(data, dict) or set(data) != keys:
        raise ValueError(f"expected an object with {sorted(keys)}")
    return data
