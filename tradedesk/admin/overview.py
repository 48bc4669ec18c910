from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.alerts import outcomes_of, why, with_decisions
from tradedesk.admin.base import COUNT_CAP, AtLeast
from tradedesk.admin.outcomes import Outcome
from tradedesk.admin.tokens import webhook_address
from tradedesk.models import Alert, Bot, Decision, Incident, Strategy, TradingMode
from tradedesk.services.showing import bots_to_show
from tradedesk.services.trading_state import effective_modes
from tradedesk.stores.positions import Snapshot

LATEST = 10
MOST_INCIDENTS = 10


@dataclass(frozen=True)
class BotLine:
    bot: Bot
    snapshot: Snapshot
    mode: TradingMode


@dataclass(frozen=True)
class AlertLine:
    alert: Alert
    results: Sequence[tuple[Decision | None, Outcome, str]]


@dataclass(frozen=True)
class Overview:
    """What the start page shows; what the person may not view is None."""

    bots: Sequence[BotLine] | None = None
    alerts: Sequence[AlertLine] | None = None
    alerts_today: int | None = None
    incidents: Sequence[Incident] | None = None
    first_strategy: Strategy | None = None
    webhook: str = ""

    @property
    def held(self) -> int:
        """How many bots hold a position."""
        return sum(1 for line in self.bots or () if line.snapshot.quantity)


def page(request: HttpRequest) -> HttpResponse:
    """Show the start page."""
    return frame.show(request, "overview", "Overview", {"overview": overview_of(request)}, every_s=5)


def overview_of(request: HttpRequest) -> Overview:
    """Return the start page's content: the bots, the latest alerts and the open incidents."""
    user = request.user
    sees = {
        name: user.has_perm(f"tradedesk.view_{name}") for name in ("alert", "bot", "incident", "strategy")
    }
    alerts = _latest_alerts() if sees["alert"] else None
    return Overview(
        bots=_bot_lines() if sees["bot"] else None,
        alerts=alerts,
        alerts_today=_alerts_in_a_day() if sees["alert"] else None,
        incidents=_open_incidents() if sees["incident"] else None,
        first_strategy=Strategy.objects.first() if not alerts and sees["strategy"] else None,
        webhook=webhook_address(request, "TOKEN"),
    )


def _bot_lines() -> list[BotLine]:
    bots = list(bots_to_show())
    modes = effective_modes(bots)
    return [BotLine(bot, Snapshot.from_row(bot.state), modes[bot.slug]) for bot in bots]


def _latest_alerts() -> list[AlertLine]:
    latest = with_decisions(Alert.objects.select_related("strategy"))[:LATEST]
    return [
        AlertLine(
            alert, [(decision, outcome, why(alert, decision)) for decision, outcome in outcomes_of(alert)]
        )
        for alert in latest
    ]


def _alerts_in_a_day() -> int:
    since = wiring.desk().now() - timedelta(days=1)
    recent = Alert.objects.filter(received_at__gte=since).order_by().values("pk")[: COUNT_CAP + 1]
    found = recent.count()
    return AtLeast(COUNT_CAP) if found > COUNT_CAP else found


def _open_incidents() -> list[Incident]:
    return list(Incident.objects.filter(closed_at=None).select_related("account", "bot")[:MOST_INCIDENTS])
