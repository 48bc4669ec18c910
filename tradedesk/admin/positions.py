"""What is held, by the desk's books and by the broker, and how to have them compared now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.result import Held, held_by
from tradedesk.models import Account, Bot, Incident, IncidentKind, Order, OrderPurpose, TradingMode
from tradedesk.selectors import profit
from tradedesk.services.halting.trading_state import effective_modes
from tradedesk.services.reconciling.connections import RECONCILED_FOR
from tradedesk.services.reconciling.reconciliation import SECOND_LOOK_AFTER
from tradedesk.services.reconciling.rounds import Round, reconcile_each
from tradedesk.services.showing import bots_to_show
from tradedesk.stores.positions import Snapshot

EVERY_S = 5


@dataclass(frozen=True)
class Difference:
    """A difference with the broker as the last comparison saw it, in signed contracts."""

    kind: IncidentKind
    subject: str
    broker: int
    booked: int
    first_seen: datetime

    def second_look_in(self, now: datetime) -> int:
        """Return in how many seconds a second look makes it an incident, 0 when it is one."""
        left = SECOND_LOOK_AFTER - (now - self.first_seen)
        return max(0, round(left / timedelta(seconds=1)))


@dataclass(frozen=True)
class Line:
    """One bot's contract on its account. `broker` is what the account held there at the last comparison."""

    bot: Bot
    snapshot: Snapshot
    mode: TradingMode
    held: Held
    broker: int | None
    found: Difference | None
    is_stale: bool
    stop: Order | None
    second_look_in: int

    @property
    def difference(self) -> int | None:
        return None if self.broker is None else self.broker - self.snapshot.quantity

    @property
    def lacks_stop(self) -> bool:
        return bool(self.bot.has_stop and self.snapshot.quantity and self.stop is None)

    @property
    def contract(self) -> str:
        return self.snapshot.contract or self.bot.instrument.pinned_contract or self.bot.instrument.root


def page(request: HttpRequest) -> HttpResponse:
    """Show every position beside what the broker said of it."""
    if not request.user.has_perm("tradedesk.view_botstate"):
        raise PermissionDenied
    return frame.show(request, "positions", "Positions", positions_of(request), every_s=EVERY_S)


def positions_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows."""
    now, bots = wiring.desk().now(), list(bots_to_show())
    book = profit.book()
    accounts = sorted({bot.account for bot in bots}, key=lambda account: account.name)
    differences = {account.pk: differences_of(account) for account in accounts}
    lines = _lines(bots, book, differences, now)
    opened = [line.held.open for line in lines if line.held.open is not None]
    return {
        "now": now,
        "lines": lines,
        "foreign": [
            (account, found, found.second_look_in(now))
            for account in accounts
            for found in differences[account.pk]
            if found.kind is not IncidentKind.POSITION_MISMATCH
        ],
        "accounts": accounts,
        "total": sum(opened, Decimal()) if opened else None,
        "may_operate": request.user.has_perm(MAY_OPERATE),
        "incidents": list(
            Incident.objects.filter(
                closed_at=None,
                kind__in=(
                    IncidentKind.POSITION_MISMATCH,
                    IncidentKind.FOREIGN_POSITION,
                    IncidentKind.STOP_MISSING,
                    IncidentKind.UNHELD_TARGET,
                ),
            ).select_related("account", "bot")[:10]
        ),
    }


def differences_of(account: Account) -> list[Difference]:
    """Return how an account differed from the desk's books when they were last compared."""
    return [_difference(identity, seen) for identity, seen in account.differences.items()]


def _difference(identity: str, seen: str) -> Difference:
    kind, *subject, broker, booked = identity.split("|")
    return Difference(
        IncidentKind(kind), "|".join(subject), int(broker), int(booked), datetime.fromisoformat(seen)
    )


def _lines(
    bots: Sequence[Bot], book: profit.Book, differences: dict[Any, list[Difference]], now: datetime
) -> list[Line]:
    marks = profit.marks(now) if bots else {}
    modes, stops = effective_modes(list(bots)), _stops(bots)
    lines = []
    for bot in bots:
        snapshot, checked = Snapshot.from_row(bot.state), bot.account.reconciled_at
        found = next((found for found in differences[bot.account_id] if found.subject == bot.slug), None)
        booked = snapshot.quantity if checked else None
        lines.append(
            Line(
                bot=bot,
                snapshot=snapshot,
                mode=modes[bot.slug],
                held=held_by(bot, book, marks),
                broker=found.broker if found else booked,
                found=found,
                is_stale=checked is None or now - checked > RECONCILED_FOR,
                stop=stops.get(bot.pk),
                second_look_in=found.second_look_in(now) if found else 0,
            )
        )
    # What differs comes first, then what is held.
    return sorted(lines, key=lambda line: (line.found is None, line.snapshot.quantity == 0, line.bot.slug))


def _stops(bots: Iterable[Bot]) -> dict[Any, Order]:
    """Return the protective stop that waits at the broker for each bot that has one. One query."""
    waiting = Order.objects.open_legs().filter(purpose=OrderPurpose.STOP, bot__in=list(bots))
    return {order.bot_id: order for order in waiting}


def reconcile_now(request: HttpRequest) -> HttpResponse:
    """Compare one account with the broker at once and say what was found. Nothing is traded."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm(MAY_OPERATE):
        raise PermissionDenied
    desk = wiring.desk()
    account = get_object_or_404(Account, name=request.POST.get("account", ""))
    found = reconcile_each(desk, [account])
    if "HX-Request" in request.headers:
        context = {"account": account, "found": found, "said": outcome_of(found), "at": desk.now()}
        return render(request, "panel/positions/checked.html", context)
    level = messages.SUCCESS if found.clean else messages.WARNING
    messages.add_message(request, level, f"{account}: {outcome_of(found)}")
    return HttpResponseRedirect(reverse("admin:tradedesk_botstate_changelist"), status=303)


def outcome_of(found: Round) -> str:
    """Return in a sentence what a comparison found."""
    if found.unread:
        return f"The broker could not be read: {found.silence}."
    count = len(found.differences)
    if count:
        return f"{count} difference{'s' if count > 1 else ''}; a second look in 5 s makes an incident of it."
    return "Equal to the broker."
