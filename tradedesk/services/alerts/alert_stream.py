from datetime import datetime, timedelta

from strategy import sessions
from strategy.sessions import CHICAGO
from strategy.timeframes import parse_timeframe
from tradedesk.models import Bot, Environment, IncidentKind, NoticeKind, Strategy
from tradedesk.services import incidents
from tradedesk.services.contracts.calendars import calendar_of
from tradedesk.services.reports.notices import tell, thing

MISSED, GRACE = 2, timedelta(minutes=1)
REMIND_DAYS = (7, 1)


def watch(now: datetime) -> None:
    """Keep the incidents about missing heartbeats in step with what came, and remind of alerts that end."""
    strategies = Strategy.objects.select_related("instrument__session_rule")
    for strategy in strategies.prefetch_related("bots__account", "instrument__session_rule__holidays"):
        seen = silence(strategy, now)
        for bot in strategy.bots.all():
            _watch_bot(strategy, bot, seen, now)
        _remind(strategy, now)


def silence(strategy: Strategy, now: datetime) -> dict[str, str] | None:
    """Return the figures of two heartbeats missing, None while they come, never came, or are not watched.

    Only the time is counted in which the market was open, by bars of the length that the last one came with.
    """
    rule = strategy.instrument.session_rule
    calendar = calendar_of(rule) if rule else None
    if calendar is None or strategy.heartbeat_at is None or not strategy.watch_heartbeat:
        return None
    bar = _bar_of(strategy)
    silent = sessions.time_open(calendar, strategy.heartbeat_at, now)
    if silent < MISSED * bar + GRACE:
        return None
    return {
        "last heartbeat": strategy.heartbeat_at.isoformat(timespec="seconds"),
        "bar": f"{bar.total_seconds() / 60:g} min",
    }


def _bar_of(strategy: Strategy) -> timedelta:
    told = parse_timeframe(strategy.heartbeat_timeframe)
    own = (parse_timeframe(text) for text in (strategy.trend_timeframe, strategy.di_timeframe))
    return told or max((length for length in own if length), default=timedelta(minutes=15))


def _watch_bot(strategy: Strategy, bot: Bot, seen: dict[str, str] | None, now: datetime) -> None:
    is_concerned = bot.enabled and bot.account.enabled and bot.account.environment != Environment.PAPER
    if seen is None or not is_concerned:
        reason = f"The heartbeats of {strategy} come again, or are not watched."
        incidents.close_by_subject(IncidentKind.HEARTBEAT_MISSED, bot.slug, now=now, reason=reason)
        return
    incidents.open_incident(
        IncidentKind.HEARTBEAT_MISSED, account=bot.account, bot=bot, subject=bot.slug, seen=seen, now=now
    )


def _remind(strategy: Strategy, now: datetime) -> None:
    """Write a notice 7 days and 1 day before the alerts end in TradingView, and when they have."""
    ends = strategy.alerts_expire_on
    if ends is None:
        return
    left = (ends - now.astimezone(CHICAGO).date()).days
    due = min((days for days in (*REMIND_DAYS, 0) if left <= days), default=None)
    if due is None:
        return
    when = f"end in {left} d, on {ends}" if left > 0 else f"ended or end today ({ends})"
    text = "Renew them in TradingView, then write the new day on the strategy's page."
    about = thing("alerts expire", strategy.pk, ends, due)
    tell(NoticeKind.ALERT_STREAM, about, f"{strategy}: alerts {when}", text, now)
