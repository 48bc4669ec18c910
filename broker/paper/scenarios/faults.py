"""What goes wrong on purpose: faults set by a scenario, each counted down as requests or frames meet it."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from aiohttp import web

from broker.paper.records.wire import Json

EVERY_PATH = "*"
SOCKET = "socket"
# Where `*` does not reach: what is no operation of its own.
NO_OPERATION = frozenset({SOCKET, "/websocket"})
MOST_TIMES = 1_000_000
MOST_FAULTS = 10_000
LONGEST_TEXT = 8192
LONGEST_S = 86_400
# What a close frame may carry: no code that is reserved for what is never sent, and so many bytes of UTF-8.
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
LONGEST_REASON = 123
STATUSES = frozenset({401, 403, 404, 408, 423, 429, 500, 502, 503, 504})


class FaultError(Exception):
    """The fault cannot be read; the text says why."""


class Kind(StrEnum):
    PENALTY = "penalty"
    STATUS = "status"
    STATUS_AFTER = "status_after"
    HANG = "hang"
    DROP = "drop"
    GARBAGE = "garbage"
    VIOLATIONS = "violations"
    REFUSE = "refuse"
    UNKNOWN_WORD = "unknown_word"
    EXTRA_FIELD = "extra_field"
    SILENT = "silent"
    REORDER = "reorder"
    DUPLICATE = "duplicate"
    MISS = "miss"
    SPLIT = "split"
    CLOSE = "close"


class When(StrEnum):
    """Before or after the request is carried out."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as a scenario asked for it; what its kind does not use keeps its default.

    `on` is a path such as /order/placeorder, `*` for all, or `socket` for the frames of user sync. `seconds`
    is a penalty's wait or the length of a hang, None for until released.
    """

    on: str
    kind: Kind
    times: int = 1
    when: When = When.BEFORE
    status: int = 500
    text: str | None = None
    reason: str | None = None
    seconds: int | None = None
    captcha: bool = False
    reset: bool = False
    field: str = "somethingNew"
    word: str = "SomethingNew"
    seed: int = 1
    code: int = 1000
    id: int = 0


OPTIONS: dict[Kind, frozenset[str]] = {
    Kind.PENALTY: frozenset({"seconds", "captcha"}),
    Kind.STATUS: frozenset({"status", "text"}),
    Kind.STATUS_AFTER: frozenset({"status", "text"}),
    Kind.HANG: frozenset({"when", "seconds"}),
    Kind.DROP: frozenset({"when", "reset"}),
    Kind.GARBAGE: frozenset({"text"}),
    Kind.VIOLATIONS: frozenset({"field", "text"}),
    Kind.REFUSE: frozenset({"reason", "text"}),
    Kind.UNKNOWN_WORD: frozenset({"field", "word"}),
    Kind.EXTRA_FIELD: frozenset({"field", "word"}),
    Kind.SILENT: frozenset(),
    Kind.REORDER: frozenset({"seed"}),
    Kind.DUPLICATE: frozenset(),
    Kind.MISS: frozenset(),
    Kind.SPLIT: frozenset(),
    Kind.CLOSE: frozenset({"code", "text"}),
}
BENDING = frozenset({Kind.UNKNOWN_WORD, Kind.EXTRA_FIELD})
OF_SOCKETS = BENDING | {Kind.SILENT, Kind.REORDER, Kind.DUPLICATE, Kind.MISS, Kind.SPLIT, Kind.CLOSE}
OF_REQUESTS = frozenset(Kind) - OF_SOCKETS | BENDING


class Faults:
    """The faults that wait to be met, the oldest first."""

    def __init__(self) -> None:
        self.hanging = 0
        self._waiting: list[Fault] = []
        self._last_id = 0
        self._stopped = False
        self._release = asyncio.Event()

    def add(self, fault: Fault) -> Fault:
        """Set a fault and return it with its number. Raises FaultError."""
        if len(self._waiting) >= MOST_FAULTS:
            raise FaultError("too many faults")
        self._last_id += 1
        self._waiting.append(replace(fault, id=self._last_id))
        return self._waiting[-1]

    def first(self, on: str, kinds: Collection[Kind]) -> Fault | None:
        """Return the oldest fault that a path or the socket meets, without counting it."""
        for fault in self._waiting:
            if fault.kind in kinds and (
                fault.on == on or (fault.on == EVERY_PATH and on not in NO_OPERATION)
            ):
                return fault
        return None

    def hit(self, fault: Fault) -> None:
        """Count a fault down by one; it is gone after its last time."""
        for place, waiting in enumerate(self._waiting):
            if waiting.id == fault.id:
                left = replace(waiting, times=waiting.times - 1)
                self._waiting[place : place + 1] = [left] if left.times else []
                return

    def take(self, on: str, *kinds: Kind) -> Fault | None:
        """Return the oldest fault of these kinds and count it."""
        fault = self.first(on, kinds)
        if fault:
            self.hit(fault)
        return fault

    def waiting(self) -> tuple[Fault, ...]:
        """Return the faults not met yet, with the times that are left."""
        return tuple(self._waiting)

    async def hang(self, seconds: int | None) -> None:
        """Return after so many seconds, or when the faults are cleared.

        Raises HTTPServiceUnavailable when the broker stops instead.
        """
        self.hanging += 1
        try:
            await asyncio.wait_for(self._release.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self.hanging -= 1
        if self._stopped:
            raise web.HTTPServiceUnavailable

    def clear(self) -> None:
        """Forget every fault and let what hangs go on."""
        self._waiting.clear()
        self._release.set()
        self._release = asyncio.Event()

    def stop(self) -> None:
        """Let nothing that hangs be carried out any more."""
        self._stopped = True
        self.clear()


FAULTS = web.AppKey("faults", Faults)


def read_fault(body: Json) -> Fault:
    """Return the fault that a scenario describes. Raises FaultError."""
    body = {_ALIASES.get(name, name): value for name, value in body.items()}
    kind = _choice(body.pop("kind", None), Kind, "kind")
    on = body.pop("on", SOCKET if kind not in OF_REQUESTS else None)
    if not isinstance(on, str) or not (on in (EVERY_PATH, SOCKET) or on.startswith("/")):
        raise FaultError("on must be a path such as /order/placeorder, * or socket")
    if kind not in (OF_SOCKETS if on == SOCKET else OF_REQUESTS):
        raise FaultError(f"{kind} cannot happen on {on}")
    for name, value in body.items():
        if name not in OPTIONS[kind] | {"times"}:
            raise FaultError(f"{kind} has no {name}")
        _check(name, value)
    if kind is Kind.CLOSE and len(body.get("text", "").encode()) > LONGEST_REASON:
        raise FaultError(f"text must be at most {LONGEST_REASON} bytes as the reason of a close")
    if "when" in body:
        body["when"] = When(body["when"])
    return Fault(on, kind, **body)


def _choice[E: StrEnum](value: Any, choices: type[E], name: str) -> E:
    if not isinstance(value, str) or value not in tuple(choices):
        raise FaultError(f"{name} must be one of {', '.join(choices)}")
    return choices(value)


def _check(name: str, value: Any) -> None:
    """Raises FaultError for a value that an option cannot have."""
    if name in _RANGES:
        if type(value) is not int or value not in _RANGES[name]:
            raise FaultError(f"{name} must be a whole number from {_RANGES[name][0]} to {_RANGES[name][-1]}")
    elif name == "status":
        if type(value) is not int or value not in STATUSES:
            raise FaultError(f"status must be one of {', '.join(map(str, sorted(STATUSES)))}")
    elif name == "code":
        if type(value) is not int or value not in CLOSE_CODES:
            raise FaultError("code must be one that a close may carry: 1000-1003, 1007-1014 or 3000-4999")
    elif name == "when":
        _choice(value, When, name)
    elif name in ("captcha", "reset"):
        if not isinstance(value, bool):
            raise FaultError(f"{name} must be true or false")
    elif not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise FaultError(f"{name} must be a string of at most {LONGEST_TEXT} characters")


# The wire's own names for the parts of a penalty.
_ALIASES = {"p-time": "seconds", "p-captcha": "captcha"}
_RANGES = {
    "times": range(1, MOST_TIMES + 1),
    "seconds": range(LONGEST_S + 1),
    "seed": range(2**31),
}
