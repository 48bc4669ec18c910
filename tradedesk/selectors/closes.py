"""What alerts told of a chart around one of them: closes, the trend's colour, and a bot's fills between."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tradedesk.models import Alert, AlertOutcome, Bot, Fill, OrderSide

BEFORE, AFTER = 60, 40
MOST_FILLS = 100
COLORS = {"LONG_ENTRY": "BLUE", "SHORT_ENTRY": "RED"}


@dataclass(frozen=True)
class Close:
    """The close that an alert told, and the trend's colour by then; None before a first one."""

    at: datetime
    price: Decimal
    color: str | None


@dataclass(frozen=True)
class Closes:
    """The closes in order of time, and the bot's fills from the first of them on."""

    closes: Sequence[Close]
    fills: Sequence[Fill]


def closes_around(alert: Alert, bot: Bot) -> Closes:
    """Return up to 101 closes around an alert of its strategy, this one included. Three queries."""
    told = Alert.objects.filter(
        strategy=alert.strategy_id, symbol=alert.symbol, outcome=AlertOutcome.ACCEPTED, close__isnull=False
    ).values_list("effective_at", "close", "action")
    older: list[Any] = list(told.filter(id__lte=alert.id).order_by("-id")[: BEFORE + 1])
    newer: list[Any] = list(told.filter(id__gt=alert.id).order_by("id")[:AFTER])
    closes, color = [], None
    for at, price, action in sorted([*older, *newer], key=lambda row: row[0]):
        color = COLORS.get(action, color)
        closes.append(Close(at, price, color))
    if len(closes) < 2:
        return Closes(closes, [])
    fills = Fill.objects.filter(bot=bot, filled_at__gte=closes[0].at).order_by("id")
    return Closes(closes, list(fills[:MOST_FILLS]))


def as_chart(found: Closes, lines: Sequence[tuple[str, Decimal | None]]) -> dict[str, Any]:
    """Return closes, fills and price lines as the chart takes them: Unix seconds, points as numbers."""
    points = {int(close.at.timestamp()): close for close in found.closes}
    last = max(points, default=0)
    marks = [
        {
            "time": min(int(fill.filled_at.timestamp()), last),
            "side": "buy" if fill.side == OrderSide.BUY else "sell",
            "text": f"{OrderSide(fill.side).label} {fill.quantity}",
        }
        for fill in found.fills
    ]
    return {
        "points": [[second, float(close.price), close.color] for second, close in sorted(points.items())],
        "marks": marks,
        "lines": [[name, float(price)] for name, price in lines if price is not None],
    }
