import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings

from strategy.machine import memory_of
from strategy.memory import from_json, to_json
from strategy.types import Event, Memory, StandDown, State
from tests.strategy.builders import BLUE, LONG_BLUE, OUT_BLUE, STATES, TREND, at, down, flatten, make_event
from tests.strategy.test_arrival_order import some_entries, starts

WRITTEN = {
    "v": 1,
    "base": {"p": "NONE", "c": "BLUE", "w": True},
    "entries": [
        {
            "k": "a",
            "i": "TREND",
            "v": "BLUE",
            "t": "2026-11-23T15:10:00+00:00",
            "f": "2026-11-23T15:10:01.500000+00:00",
        },
        {"k": "b", "t": "2026-11-23T15:10:00+00:00", "a": "TREND", "r": "LATE"},
        {"k": "c", "t": "2026-11-23T15:20:00+00:00", "a": None, "r": "FLATTEN"},
    ],
}
READ = Memory(
    OUT_BLUE,
    (
        Event("a", TREND, BLUE, at(10), at(10) + timedelta(seconds=1.5)),
        StandDown("b", at(10), TREND, "LATE"),
        StandDown("c", at(20), None, "FLATTEN"),
    ),
)


def test_memory_is_written_with_compact_keys_and_utc_times() -> None:
    assert to_json(READ) == WRITTEN


def test_written_memory_is_read_back() -> None:
    assert from_json(json.loads(json.dumps(WRITTEN))) == READ


def test_empty_memory_survives_the_round_trip() -> None:
    assert to_json(Memory()) == {"v": 1, "base": {"p": "NONE", "c": None, "w": False}, "entries": []}
    assert from_json(to_json(Memory())) == Memory()


@settings(deadline=None)
@given(some_entries(), starts)
def test_any_memory_survives_the_round_trip(entries: list[Any], start: State) -> None:
    memory = memory_of(entries, start)

    assert from_json(json.loads(json.dumps(to_json(memory)))) == memory


@pytest.mark.parametrize("state", STATES)
def test_every_reachable_base_survives_the_round_trip(state: State) -> None:
    assert from_json(to_json(Memory(state))) == Memory(state)


def test_time_of_another_zone_is_written_in_utc() -> None:
    chicago = datetime(2026, 11, 23, 9, 10, tzinfo=timezone(timedelta(hours=-6)))
    event = Event("a", TREND, BLUE, chicago, chicago)

    assert to_json(Memory(LONG_BLUE, (event,)))["entries"][0]["t"] == "2026-11-23T15:10:00+00:00"


def test_time_is_written_in_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/Chicago")
        time.tzset()
        written = to_json(READ)
    time.tzset()

    assert written == WRITTEN


def _entry(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["entries"][0].update(changes)


def _stand_down(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["entries"][1].update(changes)


def _base(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["base"].update(changes)


def _root(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.update(changes)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        pytest.param(_root(v=2), "unknown version of a memory: 2", id="another version"),
        pytest.param(_root(v=True), "unknown version of a memory: True", id="version true"),
        pytest.param(_root(extra=1), r"expected an object with \['base', 'entries', 'v'\]", id="extra key"),
        pytest.param(
            lambda data: data.pop("base"),
            r"expected an object with \['base', 'entries', 'v'\]",
            id="missing key",
        ),
        pytest.param(_root(base=None), r"expected an object with \['c', 'p', 'w'\]", id="no base"),
        pytest.param(_root(entries={}), "^entries must be a list$", id="entries not a list"),
        pytest.param(
            _root(entries=["a"]),
            r"expected an object with \['f', 'i', 'k', 't', 'v'\]",
            id="entry not an object",
        ),
        pytest.param(_base(p="UP"), "'UP' is not a valid Direction", id="unknown position"),
        pytest.param(_base(c=""), "'' is not a valid Color", id="empty colour"),
        pytest.param(_base(w=1), "^w must be true or false$", id="waiting not a bool"),
        pytest.param(_base(p="LONG"), "a state the strategy cannot reach: State", id="waiting while long"),
        pytest.param(
            _base(p="SHORT", w=False), "a state the strategy cannot reach: State", id="short while blue"
        ),
        pytest.param(
            _base(c=None), "a state the strategy cannot reach: State", id="waiting without a colour"
        ),
        pytest.param(_entry(k=1), "not a text: 1", id="key not a text"),
        pytest.param(_entry(i="MACD"), "'MACD' is not a valid Indicator", id="unknown indicator"),
        pytest.param(_entry(v="UP"), "'UP' is not a valid Color", id="cross from the trend"),
        pytest.param(_entry(i="DI"), "'BLUE' is not a valid Cross", id="colour from the DI"),
        pytest.param(_entry(v=[]), r"\[\] is not a valid Color", id="value not a text"),
        pytest.param(
            _entry(x=1), r"expected an object with \['f', 'i', 'k', 't', 'v'\]", id="entry with an extra key"
        ),
        pytest.param(
            _entry(t="2026-11-23T15:10:00"),
            "not an ISO-8601 UTC time: '2026-11-23T15:10:00'",
            id="naive time",
        ),
        pytest.param(
            _entry(t="2026-11-23T15:10:00Z"),
            "not an ISO-8601 UTC time: '2026-11-23T15:10:00Z'",
            id="time not as written",
        ),
        pytest.param(
            _entry(t="2026-11-23T09:10:00-06:00"),
            "not an ISO-8601 UTC time: '2026-11-23T09:10:00-06:00'",
            id="time of another zone",
        ),
        pytest.param(
            _entry(f="0001-01-01T00:00:00+05:00"),
            "not an ISO-8601 UTC time: '0001-01-01T00:00:00",
            id="time before the calendar",
        ),
        pytest.param(_entry(t="yesterday"), "Invalid isoformat string: 'yesterday'", id="no time"),
        pytest.param(_entry(t=1763910600), "not a text: 1763910600", id="time as a number"),
        pytest.param(_stand_down(a="F"), "'F' is not a valid Indicator", id="after an unknown indicator"),
        pytest.param(_stand_down(r=None), "not a text: None", id="no reason"),
        pytest.param(_stand_down(k="a"), "^entries must be in order, one per key$", id="one key twice"),
        pytest.param(
            lambda data: data["entries"].reverse(),
            "^entries must be in order, one per key$",
            id="out of order",
        ),
        pytest.param(
            lambda data: data["entries"][0].pop("f"),
            r"expected an object with \['f', 'i', 'k', 't', 'v'\]",
            id="entry with a missing key",
        ),
    ],
)
def test_spoilt_memory_is_refused_by_name(spoil: Callable[[dict[str, Any]], object], complaint: str) -> None:
    data = json.loads(json.dumps(WRITTEN))
    spoil(data)

    with pytest.raises(ValueError, match=complaint):
        from_json(data)


@pytest.mark.parametrize("data", [None, [], "", 1, {}])
def test_other_json_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="expected an object"):
        from_json(data)


def test_order_of_keys_and_stand_downs_does_not_matter_to_equality() -> None:
    assert from_json(to_json(memory_of([down(15), flatten(10)]))) == memory_of([flatten(10), down(15)])


def test_reading_keeps_utc() -> None:
    memory = from_json(to_json(Memory(LONG_BLUE, (make_event(BLUE, 10),))))

    assert memory.entries[0].effective_at.tzinfo is UTC
