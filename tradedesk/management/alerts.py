import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from tradedesk.services.alerts.signals import WORDS

POST_WITHIN_S = 10.0
TREND_TIMEFRAME, DI_TIMEFRAME = "10", "15"
TREND_ACTIONS = {"blue": "LONG_ENTRY", "red": "SHORT_ENTRY"}
DI_ACTIONS = {"up": "DI_CROSS_UP", "down": "DI_CROSS_DOWN"}
HEARTBEAT = "HEARTBEAT"

# What a day may look like: action, minutes between the bar's close and the newest half hour, close in points.
SAMPLE = [
    ("LONG_ENTRY", 120, "6838.50"),
    ("DI_CROSS_DOWN", 105, "6851.25"),
    ("DI_CROSS_UP", 75, "6846.00"),
    ("LONG_ENTRY", 60, "6852.75"),
    ("SHORT_ENTRY", 30, "6841.50"),
    (HEARTBEAT, 0, "6840.00"),
]


class NotAnswered(Exception):
    """The desk could not be asked, or what answered is no desk."""


@dataclass(frozen=True)
class Answer:
    """What the webhook answered to an alert."""

    http: int
    content: Mapping[str, Any]

    @property
    def is_ok(self) -> bool:
        return self.http == 200

    @property
    def color(self) -> str | None:
        """The trend's colour of the first bot that decided, None where none did."""
        decisions = self.content.get("decisions") or []
        return decisions[0]["state"]["trend_color"] if decisions else None

    def lines(self) -> list[str]:
        """Return what the desk made of the alert, one line for each bot."""
        if not self.is_ok:
            errors = [f"{field}: {' '.join(said)}" for field, said in self.content.get("errors", {}).items()]
            return [f"HTTP {self.http} {self.content.get('detail', '')}", *errors]
        decisions = self.content.get("decisions") or []
        return [_told(decision) for decision in decisions] or [str(self.content.get("status"))]


def payload(
    action: str,
    *,
    bar_open: str,
    fired_at: str,
    close: str,
    symbol: str = "MES1!",
    timeframe: str = "",
) -> dict[str, Any]:
    """Return an alert as TradingView sends it, its placeholders filled in. Times are ISO-8601 UTC."""
    indicator, kind, direction, trigger = WORDS[action]
    price = Decimal(close)
    prices = {"open": price - 2, "high": price + 1, "low": price - 3, "close": price}
    return {
        "action": action,
        "indicator": indicator,
        "signal": {"type": kind, "direction": direction, "trigger": trigger},
        "market_data": {
            "symbol": symbol,
            "exchange": "CME_MINI",
            "timeframe": timeframe or usual_timeframe(action),
            "timestamp": bar_open,
            "timenow": fired_at,
        },
        "price_data": {**{name: str(value) for name, value in prices.items()}, "volume": "1204"},
    }


def usual_timeframe(action: str) -> str:
    """Return the timeframe in minutes that the strategy watches an event on."""
    return DI_TIMEFRAME if action in DI_ACTIONS.values() else TREND_TIMEFRAME


def sample(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the alerts of the last two hours of a made-up day, each sent just now."""
    half_hour = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    for action, minutes, close in SAMPLE:
        length = timedelta(minutes=int(usual_timeframe(action)))
        bar_open = half_hour - timedelta(minutes=minutes) - length
        yield payload(action, bar_open=iso(bar_open), fired_at=iso(now), close=close)


def curl(url: str, color: str | None) -> str:
    """Return a command that trades whenever it is pasted: it turns the trend to the other colour, now."""
    action = TREND_ACTIONS["blue" if color == "RED" else "red"]
    text = json.dumps(
        payload(action, bar_open="BAR_OPEN", fired_at="FIRED_AT", close="6840.00"), separators=(",", ":")
    )
    text = text.replace("BAR_OPEN", "'$(date -u +%Y-%m-%dT%H:%M:00Z)'")
    text = text.replace("FIRED_AT", "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'")
    return f"curl -sS {url} -d '{text}'"


def post(url: str, alert: Mapping[str, Any]) -> Answer:
    """Send an alert and return the answer. Raises NotAnswered."""
    is_here = urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    try:
        response = httpx.post(url, json=alert, timeout=POST_WITHIN_S, trust_env=not is_here)
        content = response.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAnswered(f"{type(error).__name__}: {error}") from error
    except ValueError:
        raise NotAnswered(f"HTTP {response.status_code}, and no JSON: this is not the webhook.") from None
    if not isinstance(content, dict):
        raise NotAnswered(f"HTTP {response.status_code}, and no JSON object: this is not the webhook.")
    return Answer(response.status_code, content)


def iso(moment: datetime, timespec: str = "seconds") -> str:
    """Return a moment as TradingView writes it, or finer."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def _told(decision: Mapping[str, Any]) -> str:
    order, state = decision["order"], decision["state"]
    sent = "no order"
    if order:
        price = f" at {order['average_price']}" if order["average_price"] else ""
        sent = f"{order['side']} {order['quantity']} {order['contract']} {order['status']}{price}"
    waiting = ", waiting for re-entry" if state["waiting_for_reentry"] == "YES" else ""
    return (
        f"{decision['bot']}: {decision['action']} ({decision['reason']}), {sent}; "
        f"now {state['current_position']}, trend {state['trend_color'] or 'unknown'}{waiting}"
    )
