"""The events of user sync: every row that changes goes to every socket that asked, and never twice."""

import random
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from broker.paper.records.tables import Change
from broker.paper.records.wire import Json, encode
from broker.paper.scenarios.faults import BENDING, SOCKET, Fault, Faults, Kind
from broker.paper.scenarios.mishaps import bend
from broker.paper.socket.connection import Socket
from broker.paper.socket.frames import event_frame
from broker.paper.socket.snapshot import ON_THE_WIRE

GOING_AWAY = 1001


@dataclass(frozen=True, slots=True)
class Event:
    """One row as it stood after one change."""

    kind: str
    created: bool
    entity: Json

    @property
    def row(self) -> tuple[str, int]:
        """Return what is the same in all events of one row."""
        return self.kind, self.entity["id"]


class Feed:
    """The open sockets. `publish` hears of each step of the exchange; nothing is kept for later."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._sockets: list[Socket] = []

    def join(self, socket: Socket) -> None:
        """Take a socket in."""
        self._sockets.append(socket)

    def leave(self, socket: Socket) -> None:
        """Forget a socket that is closed."""
        self._sockets.remove(socket)

    def publish(self, changes: list[Change]) -> None:
        """Send the changes of one step to the sockets that follow."""
        followers = [socket for socket in self._sockets if socket.subscription]
        if not followers:
            return
        events = [
            Event(change.kind, change.created, encode(change.row))
            for change in changes
            if change.kind in ON_THE_WIRE
        ]
        if events:
            events = self._spoil(events)
            split = self._faults.take(SOCKET, Kind.SPLIT) is not None
            for socket in followers:
                _send(socket, events, split=split)

    def afflict(self) -> None:
        """Let sockets that follow meet the faults that silence or close one, each socket one."""
        for socket in self._sockets:
            if socket.subscription is None or socket.silent:
                continue
            fault = self._faults.take(SOCKET, Kind.SILENT, Kind.CLOSE)
            if fault is not None and fault.kind is Kind.SILENT:
                socket.silent = True
            elif fault is not None:
                socket.close(fault.code, fault.text or "Closed")

    def end_session(self, session_id: int) -> None:
        """Close the sockets of a session that has ended."""
        for socket in self._sockets:
            if socket.session is not None and socket.session.id == session_id:
                _shut_down(socket, "ConnectionQuotaReached", "The session was closed by a newer one.")

    def stop(self) -> None:
        """Tell every client that the broker stops."""
        for socket in self._sockets:
            _shut_down(socket, "Maintenance", "The broker is stopping.")

    def _spoil(self, events: list[Event]) -> list[Event]:
        """Return what is left of one step's events after reordering, loss, repetition and bending."""
        if fault := self._faults.take(SOCKET, Kind.REORDER):
            events = shuffled(events, fault)
        kept: list[Event] = []
        for event in events:
            if self._faults.take(SOCKET, Kind.MISS):
                continue
            self._bend(event)
            kept += [event] * (2 if self._faults.take(SOCKET, Kind.DUPLICATE) else 1)
        return kept

    def _bend(self, event: Event) -> None:
        fault = self._faults.first(SOCKET, BENDING)
        if fault is not None and bend(event.entity, fault):
            self._faults.hit(fault)


FEED = web.AppKey("feed", Feed)


def shuffled(events: list[Event], fault: Fault) -> list[Event]:
    """Return events in an order that the fault's seed chooses; those of one row keep theirs."""
    rows = [event.row for event in events]
    by_row: defaultdict[tuple[str, int], deque[Event]] = defaultdict(deque)
    for event in events:
        by_row[event.row].append(event)
    random.Random(fault.seed + fault.times).shuffle(rows)  # noqa: S311 - no secret
    return [by_row[row].popleft() for row in rows]


def props_frame(kind: str, entity: Json | list[Json], *, created: bool = True) -> str:
    """Return the frame that tells of a row, or of an array of rows."""
    event_type = "Created" if created else "Updated"
    return event_frame("props", {"entityType": kind, "eventType": event_type, "entity": entity})


def _send(socket: Socket, events: Iterable[Event], *, split: bool) -> None:
    wanted = socket.subscription
    if wanted is None:
        return
    for event in events:
        if wanted.kinds is None or event.kind in wanted.kinds:
            entity = [event.entity] if split or wanted.split else event.entity
            socket.send(props_frame(event.kind, entity, created=event.created))


def _shut_down(socket: Socket, code: str, reason: str) -> None:
    socket.send(event_frame("shutdown", {"reasonCode": code, "reason": reason}))
    socket.close(GOING_AWAY, reason)
