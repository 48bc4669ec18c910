from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from strategy.types import Event, Indicator
from tradedesk import wiring
from tradedesk.admin import frame, sparks
from tradedesk.admin.alert_lines import AlertLine, lines_of, with_decisions
from tradedesk.admin.checklist import checklist_of
from tradedesk.admin.kill_switch import MAY_OPERATE
from tradedesk.admin.limits import meters_of
from tradedesk.admin.outcomes import Outcome
from tradedesk.admin.result import Held, held_by, result_of
from tradedesk.admin.shown import Shown, shown_by
from tradedesk.admin.tally import FAILED, STOPPED, TRADED, Tally, tally
from tradedesk.admin.tokens import webhook_address
from tradedesk.models import Alert, Bot, Incident, IncidentKind, Strategy, TradingMode
from tradedesk.selectors import latency, profit
from tradedesk.selectors.checklist import progress
from tradedesk.services.halting.trading_state import effective_modes
from tradedesk.services.reconciling.connections import connections_of
from tradedesk.services.showing import bots_to_show
from tradedesk.stores.positions import Snapshot

log = structlog.get_logger(__name__)

EVERY_S = 5
LATEST = 10
MOST_INCIDENTS = 10
MOST_REASONS = 6
# Days, 0 for all.
RANGES = ((1, "1D"), (7, "1W"), (31, "1M"), (92, "3M"), (0, "All"))
SEES = ("alert", "bot", "fill", "incident", "order", "strategy")


@dataclass(frozen=True)
class BotLine:
    """One bot with what it holds, what that would bring, and its last events."""

    bot: Bot
    snapshot: Snapshot
    mode: TradingMode
    held: Held

    @property
    def trend(self) -> Event | None:
        return self._last(Indicator.TREND)

    @property
    def di(self) -> Event | None:
        return self._last(Indicator.DI)

    def _last(self, indicator: Indicator) -> Event | None:
        events = (entry for entry in reversed(self.snapshot.memory.entries) if isinstance(entry, Event))
        return next((event for event in events if event.indicator is indicator), None)


@dataclass(frozen=True)
class Latencies:
    """The day's way of orders: percentiles in milliseconds of the whole and of each stage."""

    p50: float | None
    p95: float | None
    totals: Sequence[float]
    stages: Sequence[tuple[str, float | None]]

    @property
    def spark(self) -> str:
        return sparks.line(self.totals)

    @property
    def bar(self) -> list[sparks.Segment]:
        return sparks.bar([(f"stage-{n}", time or 0) for n, (_, time) in enumerate(self.stages, 1)])


@dataclass(frozen=True)
class Reasons:
    """Why alerts did not trade, each reason with its count and its share of the most frequent."""

    quiet: Sequence[tuple[str, int, int]]
    stopped: Sequence[tuple[str, int, int]]
    quiet_count: int
    stopped_count: int

    @property
    def not_traded(self) -> int:
        return self.quiet_count + self.stopped_count


class Cards:
    """Reads what each card shows, as far as a person may see it. One that cannot be read fails alone."""

    def __init__(self, sees: dict[str, bool]) -> None:
        self._sees = sees
        self.failed: list[str] = []

    def read[T](self, title: str, right: str, read: Callable[[], T]) -> T | None:
        """Return what a card shows; None where it may not be seen or could not be read."""
        if not self._sees[right]:
            return None
        try:
            return read()
        except DatabaseError as error:
            log.warning("overview.card_failed", card=title, error=repr(error))
            self.failed.append(title)
            return None


def page(request: HttpRequest) -> HttpResponse:
    """Show the start page: what is held, what it brought, what came in and whether all works."""
    return frame.show(request, "overview", "Overview", overview_of(request), every_s=EVERY_S)


def overview_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the start page shows; what the person may not view is None."""
    now, user = wiring.desk().now(), request.user
    sees = {name: user.has_perm(f"tradedesk.view_{name}") for name in SEES}
    bots = list(bots_to_show()) if sees["bot"] else []
    shown = shown_by(request, bots, now)
    cards = Cards(sees)
    book = cards.read("Equity", "fill", profit.book)
    lines = cards.read(
        "Bots and positions",
        "bot",
        lambda: _bot_lines([bot for bot in bots if shown.shows(bot)], book or profit.Book(), now),
    )
    held = [line.held for line in lines or ()]
    alerts = cards.read("Latest alerts", "alert", lambda: _latest_alerts(shown))
    counts = cards.read(
        "Why alerts did not trade", "alert", lambda: tally(shown.start, shown.end, **shown.keys)
    )
    return {
        "now": now,
        "shown": shown,
        "may_operate": user.has_perm(MAY_OPERATE),
        "positions": sum(1 for line in lines or () if line.snapshot.quantity),
        "marked_at": min((found.marked_at for found in held if found.open and found.marked_at), default=None),
        "ranges": RANGES,
        "bots": lines,
        "checked": cards.read("Bots and positions", "bot", lambda: _checked(shown)),
        "result": result_of(shown, book, held, now) if book is not None else None,
        "alerts": alerts,
        "tally": counts,
        "traded": counts.of(*TRADED) if counts else 0,
        "alert_bar": _alert_bar(counts) if counts else [],
        "reasons": _reasons(counts) if counts else None,
        "latencies": cards.read("Latency by stage", "order", lambda: _latencies(shown)),
        "connections": cards.read("Connections", "bot", lambda: connections_of(shown.accounts, now)),
        "meters": cards.read("Risk limits", "bot", lambda: meters_of(shown, now)),
        "incidents": cards.read("Open incidents", "incident", _open_incidents),
        "failed": cards.failed,
        "first_strategy": Strategy.objects.first() if not alerts and sees["strategy"] else None,
        "webhook": webhook_address(request, "TOKEN"),
        **(checklist_of(progress()) if sees["bot"] and not bots and not alerts else {}),
    }


def _bot_lines(bots: list[Bot], book: profit.Book, now: datetime) -> list[BotLine]:
    modes, marks = effective_modes(bots), profit.marks(now) if bots else {}
    return [
        BotLine(bot, Snapshot.from_row(bot.state), modes[bot.slug], held_by(bot, book, marks)) for bot in bots
    ]


def _checked(shown: Shown) -> tuple[bool, datetime | None]:
    """Tell whether all positions equal the broker's, and when the oldest look was."""
    accounts = [account for account in shown.accounts if shown.account in (None, account)]
    differs = Incident.objects.filter(
        account__in=accounts,
        closed_at=None,
        kind__in=(IncidentKind.POSITION_MISMATCH, IncidentKind.FOREIGN_POSITION),
    ).exists()
    looks = [account.reconciled_at for account in accounts]
    oldest = None if not looks or None in looks else min(look for look in looks if look)
    return not differs and not any(account.differences for account in accounts), oldest


def _latest_alerts(shown: Shown) -> list[AlertLine]:
    alerts = Alert.objects.select_related("strategy").order_by("-id")
    if shown.account:
        alerts = alerts.filter(strategy__bots__account=shown.account)
    if shown.bot:
        alerts = alerts.filter(strategy__bots=shown.bot)
    if not shown.is_today:
        alerts = alerts.filter(received_at__gte=shown.start, received_at__lt=shown.end)
    return lines_of(with_decisions(alerts)[:LATEST], shown.shows)


def _alert_bar(counts: Tally) -> list[sparks.Segment]:
    return sparks.bar(
        [
            ("good", counts.of(*TRADED)),
            ("quiet", counts.of(Outcome.NO_ACTION)),
            ("warn", counts.of(*STOPPED)),
            ("bad", counts.of(*FAILED)),
        ]
    )


def _reasons(counts: Tally) -> Reasons:
    quiet, stopped = counts.reasons(Outcome.NO_ACTION), counts.reasons(*STOPPED, *FAILED)
    most = max((count for _, count in [*quiet, *stopped]), default=1)

    def shares(found: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
        return [(reason, count, round(100 * count / most)) for reason, count in found[:MOST_REASONS]]

    return Reasons(shares(quiet), shares(stopped), counts.of(Outcome.NO_ACTION), counts.of(*STOPPED, *FAILED))


def _latencies(shown: Shown) -> Latencies:
    found = latency.ways(shown.start, shown.end, **shown.keys)
    totals = latency.totals(found)
    return Latencies(
        latency.percentile(totals, 50),
        latency.percentile(totals, 95),
        totals,
        [(stage.name, stage.percentile(95)) for stage in latency.stages(found)],
    )


def _open_incidents() -> list[Incident]:
    return list(Incident.objects.filter(closed_at=None).select_related("account", "bot")[:MOST_INCIDENTS])
