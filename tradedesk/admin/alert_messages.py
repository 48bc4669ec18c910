import json
import re
from dataclasses import dataclass
from typing import Any

from tradedesk.admin.words import EVENTS, timeframe
from tradedesk.models import Strategy
from tradedesk.services.alerts.intake import Signal
from tradedesk.services.alerts.signals import WORDS
from tradedesk.services.shapes import iso

MARKET = {
    "symbol": "{{ticker}}",
    "exchange": "{{exchange}}",
    "timeframe": "{{interval}}",
    "timestamp": "{{time}}",
    "timenow": "{{timenow}}",
}
PRICES = {name: f"{{{{{name}}}}}" for name in ("open", "high", "low", "close", "volume")}

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class AlertMessage:
    """What to paste into one alert of TradingView, the chart to make it on, and when it is expected."""

    action: str
    event: str
    chart: str
    expected: str
    text: str


def messages_for(strategy: Strategy) -> list[AlertMessage]:
    """Return the message of every event, ready to paste, for the charts of a strategy."""
    root = strategy.instrument.root
    of_filter = f", and {strategy.filter_timeframe} for the filter" if strategy.filter_timeframe else ""
    charts = {
        "Trend_Validator": f"{root}1!, {strategy.trend_timeframe} minutes{of_filter}",
        "DI_Cross": f"{root}1!, {strategy.di_timeframe} minutes",
        "Heartbeat": f"{root}1!, either of the two",
    }
    expected = {
        "Trend_Validator": f"when the colour changes, at most once in {timeframe(strategy.trend_timeframe)}",
        "DI_Cross": f"when the lines cross, at most once in {timeframe(strategy.di_timeframe)}",
        "Heartbeat": f"every {timeframe(strategy.heartbeat_timeframe or strategy.trend_timeframe)} "
        "while the market is open",
    }
    return [
        AlertMessage(
            action,
            EVENTS.get(action, "Heartbeat, once per bar"),
            charts[words[0]],
            expected[words[0]],
            json.dumps(_message(action), indent=2),
        )
        for action, words in WORDS.items()
    ]


def filled_message(signal: Signal, note: str) -> str:
    """Return the message of an event as TradingView sends it, its placeholders filled in, with a note."""
    values = {
        "ticker": signal.symbol,
        "exchange": signal.exchange,
        "interval": signal.timeframe,
        "time": iso(signal.bar_open),
        "timenow": iso(signal.fired_at),
        **dict.fromkeys(PRICES, "" if signal.close is None else str(signal.close)),
        "volume": "",
    }
    text = json.dumps({**_message(signal.action), "note": note})
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)


def _message(action: str) -> dict[str, Any]:
    indicator, kind, direction, trigger = WORDS[action]
    return {
        "action": action,
        "indicator": indicator,
        "signal": {"type": kind, "direction": direction, "trigger": trigger},
        "market_data": MARKET,
        "price_data": PRICES,
    }
