from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError

from strategy.machine import effective_time
from strategy.timeframes import parse_timeframe
from tradedesk.models import Alert, AlertOutcome, Strategy
from tradedesk.stores import rows


@dataclass(frozen=True)
class Signal:
    """The parsed meaning of an alert: its words, its bar, and the prices that came along."""

    action: str
    indicator: str
    symbol: str
    exchange: str
    timeframe: str
    bar_open: datetime
    fired_at: datetime
    contract: str
    close: Decimal | None

    @property
    def event_key(self) -> str:
        """What makes two messages the same event of one strategy; neither firing time nor body is in it."""
        bar = self.bar_open.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.indicator}|{self.action}|{self.symbol}|{self.timeframe}|{bar}"


def store_alert(
    strategy: Strategy,
    signal: Signal,
    *,
    body: str,
    source_address: str,
    headers: Mapping[str, str],
    now: datetime,
) -> tuple[Alert, bool]:
    """Store an alert durably and return it with True, or the first one of the same event with False.

    `body` and `headers` are what came in with the token cut out. Raises DatabaseError when it could not
    be stored.
    """
    alert = alert_of(strategy, signal, now)
    alert.source_address, alert.body, alert.headers = source_address, body, dict(headers)
    try:
        rows.write(rows.insertion(alert))
    except IntegrityError:
        return Alert.objects.get(strategy=strategy, event_key=signal.event_key), False
    return alert, True


def alert_of(strategy: Strategy, signal: Signal, now: datetime) -> Alert:
    """Return the accepted alert that a signal is, received now; it is not stored."""
    timeframe = parse_timeframe(signal.timeframe)
    return Alert(
        strategy=strategy,
        event_key=signal.event_key,
        outcome=AlertOutcome.ACCEPTED,
        received_at=now,
        action=signal.action,
        indicator=signal.indicator,
        symbol=signal.symbol,
        exchange=signal.exchange,
        timeframe=signal.timeframe,
        contract=signal.contract,
        bar_open=signal.bar_open,
        fired_at=signal.fired_at,
        effective_at=effective_time(signal.bar_open, timeframe, signal.fired_at)
        if timeframe
        else signal.fired_at,
        close=signal.close,
    )


def store_rejected(
    strategy: Strategy,
    errors: Mapping[str, Sequence[str]],
    *,
    body: str,
    source_address: str,
    headers: Mapping[str, str],
    now: datetime,
) -> Alert:
    """Store a message with a valid token that is no alert, with what is wrong by field."""
    return Alert.objects.create(
        strategy=strategy,
        outcome=AlertOutcome.REJECTED,
        received_at=now,
        source_address=source_address,
        body=body,
        headers=dict(headers),
        errors=dict(errors),
    )


def note_heartbeat(strategy: Strategy, timeframe: str, now: datetime) -> None:
    """Remember the strategy's last sign of life, and the bars that it comes with."""
    Strategy.objects.filter(pk=strategy.pk).update(heartbeat_at=now, heartbeat_timeframe=timeframe)
