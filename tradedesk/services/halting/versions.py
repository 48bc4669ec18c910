"""What this process runs, and whether all processes of the desk run the same code with the same settings."""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tradedesk.models import Account, Incident, IncidentKind, RunningProcess
from tradedesk.models.ids import new_id
from tradedesk.services import incidents
from tradedesk.services.desk import Desk
from tradedesk.services.halting import trips
from tradedesk.stores import lease

log = structlog.get_logger(__name__)

SIGN_EVERY_S = 10.0
ALIVE_FOR = timedelta(seconds=30)
# A deploy whose old processes end while the new ones start is no mismatch.
OVERLAP = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(hours=1)
PACKAGES = ("broker", "strategy", "tradedesk")
RULING = (
    "MAX_ALERT_AGE_S",
    "EVENT_WINDOW_H",
    "PAPER_BROKER_URL",
    "PAPER_BROKER_USER",
    "PAPER_BROKER_ACCOUNT",
)


class Signature(NamedTuple):
    """What must be the same in all processes. The migrations are part of the code."""

    version: str
    code: str
    settings: str


class Release(NamedTuple):
    """What this process runs: its signature, the newest migration that its code knows, and its package.

    `build` is what the package says of itself: commit, schema, digest of the stage's settings. None where the
    desk runs from a checkout.
    """

    version: str
    code: str
    settings: str
    schema: str
    build: dict[str, Any] | None


@cache
def release() -> Release:
    """Return what this process runs."""
    file = settings.BASE_DIR / "build.json"
    schema = max(name for app, name in _migrations() if app == "tradedesk")
    build = json.loads(file.read_text()) if file.exists() else None
    return Release(*signature(), schema=schema, build=build)


def missing_migrations() -> list[str]:
    """Return the migrations that this code needs and the database lacks. It may have more: those of a later
    release that was rolled back. Errors of the database escape."""
    missing = _migrations() - MigrationRecorder(connection).applied_migrations().keys()
    return sorted(f"{app}.{name}" for app, name in missing)


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


@cache
def signature() -> Signature:
    """Return the signature of this process; source files count as they are at the first call."""
    code = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((settings.BASE_DIR / package).rglob("*.py")):
            code.update(f"{file.relative_to(settings.BASE_DIR)}\0".encode() + file.read_bytes() + b"\0")
    ruling = hashlib.sha256(repr([(name, getattr(settings, name)) for name in RULING]).encode())
    return Signature(settings.VERSION, code.hexdigest()[:16], ruling.hexdigest()[:16])


def sign(role: str, own: Signature, started_at: datetime, now: datetime) -> None:
    """Give a sign of life of this process, and look whether those that are alive agree.

    Where two have run side by side for 20 seconds that differ, the desk only reduces until a person releases
    it, and each account has an incident that stops openings until they agree again.
    """
    RunningProcess.objects.update_or_create(
        id=_identity(os.getpid()),
        defaults={"role": role, **own._asdict(), "started_at": started_at, "seen_at": now},
    )
    RunningProcess.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
    alive = list(RunningProcess.objects.filter(seen_at__gt=now - ALIVE_FOR))
    differing = _differing(alive)
    with transaction.atomic():
        if differing:
            trips.reduce_all(
                IncidentKind.VERSION_MISMATCH,
                Account.objects.filter(enabled=True),
                ", ".join(sorted({str(process) for process in differing})),
                now,
            )
        elif len({_signature_of(process) for process in alive}) == 1:
            for incident in Incident.objects.filter(kind=IncidentKind.VERSION_MISMATCH, closed_at=None):
                incidents.close(incident, now=now, reason="All processes agree.")


def keep_signing(desk: Desk, role: str, stop: threading.Event) -> None:
    """Give a sign of life every ten seconds until `stop` is set. Meant for a thread of its own.

    It renews the lease of this region; one that waits gives no sign.
    """
    started_at = desk.now()
    while not stop.is_set():
        try:
            close_old_connections()
            if lease.renew():
                sign(role, signature(), started_at, desk.now())
        except DatabaseError as error:
            log.warning("versions.not_signed", error=repr(error))
        stop.wait(SIGN_EVERY_S)
    connection.close()


@cache
def _identity(_pid: int) -> UUID:
    return new_id()


def _signature_of(process: RunningProcess) -> Signature:
    return Signature(process.version, process.code, process.settings)


def _differing(alive: Sequence[RunningProcess]) -> set[RunningProcess]:
    """Return the processes that ran beside one that differs. One that is dead gives no sign any more."""
    return {
        process
        for pair in combinations(alive, 2)
        if _signature_of(pair[0]) != _signature_of(pair[1])
        and min(process.seen_at for process in pair) - max(process.started_at for process in pair) >= OVERLAP
        for process in pair
    }
