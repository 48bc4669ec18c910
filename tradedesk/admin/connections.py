from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.outcomes import Look
from tradedesk.models import ConnectionLog, RunningProcess, WebhookToken
from tradedesk.models.connections import CELLS
from tradedesk.services.halting.versions import ALIVE_FOR, signature
from tradedesk.services.reconciling import looking
from tradedesk.services.reconciling.connections import AWAY, NOTHING_YET, WELL, Connection

MAY_SEE = "tradedesk.view_bot"
KNOWN_FOR = timedelta(minutes=3)
SHAPES = {WELL: "●", NOTHING_YET: "–", AWAY: "▲"}
CELL_TONES = {"+": "good", "!": "warn"}


def look_of(found: Connection | ConnectionLog) -> Look:
    """Return how the state of a connection looks."""
    return Look(found.word, SHAPES[found.tone], found.tone)


@dataclass(frozen=True)
class Cell:
    """One look: `x` is where it stands in the strip, its tone "" where nobody looked."""

    x: int
    tone: str


@dataclass(frozen=True)
class Row:
    """A connection as the page shows it; what was found long ago says nothing about now."""

    log: ConnectionLog
    is_old: bool

    @property
    def look(self) -> Look:
        return Look("Not known", "–", NOTHING_YET) if self.is_old else look_of(self.log)

    @property
    def has_error(self) -> bool:
        return self.log.error_at is not None and self.log.error_at == self.log.looked_at

    @property
    def cells(self) -> list[Cell]:
        text = self.log.cells.rjust(CELLS, ".")
        return [Cell(10 * number, CELL_TONES.get(mark, "")) for number, mark in enumerate(text)]

    @property
    def share(self) -> str:
        """Return the part of the looks that found all well."""
        well, told = self.log.cells.count("+"), self.log.cells.count("+") + self.log.cells.count("!")
        return f"{100 * well / told:.0f}%" if told else "–"

    @property
    def strip(self) -> str:
        """Return the strip in words."""
        well, bad = self.log.cells.count("+"), self.log.cells.count("!")
        return (
            f"Of the last {CELLS} minutes {well} well, {bad} in trouble, {CELLS - well - bad} not looked at"
        )


def page(request: HttpRequest) -> HttpResponse:
    """Show every connection as it was last found; on POST look at all of them now."""
    if not request.user.has_perm(MAY_SEE):
        raise PermissionDenied
    if request.method == "POST":
        return _test(request)
    now = wiring.desk().now()
    own = signature()
    processes = list(RunningProcess.objects.filter(seen_at__gte=now - 10 * ALIVE_FOR))
    context = {
        "rows": [Row(log, now - log.looked_at > KNOWN_FOR) for log in ConnectionLog.objects.all()],
        "processes": [(process, now - process.seen_at <= ALIVE_FOR) for process in processes],
        "is_mixed": len({process.code for process in processes if now - process.seen_at <= ALIVE_FOR}) > 1,
        "own": own,
        "schema": _schema(),
        "tokens": WebhookToken.objects.filter(revoked_at=None).select_related("strategy"),
        "may_test": request.user.has_perm(MAY_OPERATE),
    }
    return frame.show(request, "connections", "Connections", context)


def _test(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MAY_OPERATE):
        raise PermissionDenied
    found = looking.look(wiring.desk())
    bad = [each.name for each in found if each.tone == AWAY]
    if bad:
        messages.error(request, f"In trouble: {', '.join(bad)}.")
    else:
        messages.success(request, f"Looked at {len(found)} connections: none is in trouble.")
    return HttpResponseRedirect(reverse("connections"), status=303)


def _schema() -> str:
    """Return the newest migration of the desk that the database has."""
    names = MigrationRecorder.Migration.objects.filter(app="tradedesk").order_by("-name")
    return str(names.values_list("name", flat=True).first() or "none")
