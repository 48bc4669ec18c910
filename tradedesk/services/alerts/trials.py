from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from strategy.timeframes import parse_timeframe
from strategy.types import Indicator
from tradedesk.models import Bot, Strategy
from tradedesk.services.alerts.intake import Signal, alert_of
from tradedesk.services.alerts.rehearsal import Rehearsal, rehearse
from tradedesk.services.alerts.signals import MEANINGS, WORDS
from tradedesk.services.desk import Desk

USUAL_BAR = timedelta(minutes=10)


def signal_of(strategy: Strategy, action: str, close: Decimal | None, now: datetime) -> Signal:
    """Return an event of a strategy's chart whose bar closes at this second, so that it is like no other."""
    is_trend = MEANINGS[action][0] is Indicator.TREND
    timeframe = strategy.trend_timeframe if is_trend else strategy.di_timeframe
    fired_at = now.replace(microsecond=0)
    return Signal(
        action=action,
        indicator=WORDS[action][0],
        symbol=f"{strategy.instrument.root}1!",
        exchange=strategy.instrument.exchange,
        timeframe=timeframe,
        bar_open=fired_at - (parse_timeframe(timeframe) or USUAL_BAR),
        fired_at=fired_at,
        contract="",
        close=close,
    )


def rehearse_all(desk: Desk, strategy: Strategy, signal: Signal, bots: Sequence[Bot]) -> list[Rehearsal]:
    """Return what each bot would make of a signal that came now. Nothing is written or sent."""
    alert = alert_of(strategy, signal, desk.now())
    return [rehearse(desk, alert, bot) for bot in bots]
