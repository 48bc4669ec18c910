from datetime import timedelta

from strategy import symbols
from strategy.timeframes import parse_timeframe
from strategy.types import Color, Cross, Event, Indicator
from tradedesk.models import Alert, Reason, Strategy

FUTURE_BAR_AFTER = timedelta(minutes=2)
DELAYED_SUFFIXES = ("_DL", "_DLY")

# action -> (indicator, signal.type, signal.direction, signal.trigger) of the alert contract.
WORDS = {
    "LONG_ENTRY": ("Trend_Validator", "ENTRY", "LONG", "COLOR_CHANGE_BLUE"),
    "SHORT_ENTRY": ("Trend_Validator", "ENTRY", "SHORT", "COLOR_CHANGE_RED"),
    "DI_CROSS_UP": ("DI_Cross", "CROSS", "UP", "DI_PLUS_ABOVE_DI_MINUS"),
    "DI_CROSS_DOWN": ("DI_Cross", "CROSS", "DOWN", "DI_MINUS_ABOVE_DI_PLUS"),
    "HEARTBEAT": ("Heartbeat", "HEARTBEAT", "NONE", "BAR_CLOSE"),
}
MEANINGS: dict[str, tuple[Indicator, Color | Cross]] = {
    "LONG_ENTRY": (Indicator.TREND, Color.BLUE),
    "SHORT_ENTRY": (Indicator.TREND, Color.RED),
    "DI_CROSS_UP": (Indicator.DI, Cross.UP),
    "DI_CROSS_DOWN": (Indicator.DI, Cross.DOWN),
}


def event_of(alert: Alert, strategy: Strategy) -> Event:
    """Return the fact that an accepted alert reports. Raises ValueError for a rejected one."""
    if alert.event_key is None or alert.effective_at is None or alert.fired_at is None:
        raise ValueError(f"alert {alert.id} was rejected and reports no event")
    indicator, value = MEANINGS[alert.action]
    if indicator is Indicator.TREND and _is_of_filter(alert, strategy):
        indicator = Indicator.FILTER
    return Event(alert.event_key, indicator, value, alert.effective_at, alert.fired_at)


def refusal_of_alert(alert: Alert, strategy: Strategy) -> Reason | None:
    """Return why an accepted alert is no fact for this strategy, or None when it is one.

    Such an alert is stored and never folded: it says nothing true about the strategy's chart.
    """
    if alert.bar_open is None or alert.fired_at is None:
        raise ValueError(f"alert {alert.id} was rejected and reports no event")
    is_trend = MEANINGS[alert.action][0] is Indicator.TREND
    expected = strategy.trend_timeframe if is_trend else strategy.di_timeframe
    if is_trend and _is_of_filter(alert, strategy):
        expected = strategy.filter_timeframe
    timeframe = parse_timeframe(alert.timeframe)
    if alert.exchange.endswith(DELAYED_SUFFIXES):
        return Reason.DELAYED_DATA
    if symbols.root_of(alert.symbol, [strategy.instrument.root]) is None:
        return Reason.UNKNOWN_SYMBOL
    if timeframe is None or timeframe != parse_timeframe(expected):
        return Reason.WRONG_TIMEFRAME
    if max(alert.bar_open, alert.fired_at) - alert.received_at > FUTURE_BAR_AFTER:
        return Reason.FUTURE_BAR
    if strategy.bar_close_only and alert.fired_at < alert.bar_open + timeframe:
        return Reason.INTRABAR
    return None


def _is_of_filter(alert: Alert, strategy: Strategy) -> bool:
    filter_timeframe = strategy.filter_timeframe
    return filter_timeframe != "" and parse_timeframe(alert.timeframe) == parse_timeframe(filter_timeframe)
