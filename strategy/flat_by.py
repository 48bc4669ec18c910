from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from strategy.sessions import Calendar, current_or_next, session_on

NO_OPENINGS_BEFORE = timedelta(minutes=15)
# On a day that closes early the account is flat so long before the close.
BEFORE_AN_EARLY_CLOSE = timedelta(minutes=7)


@dataclass(frozen=True, slots=True)
class FlatWindow:
    """The end of a trade date for an account: flat from `flat_at` until the last market closes, aware UTC."""

    trade_date: date
    flat_at: datetime
    ends: datetime

    def refuses_openings(self, at: datetime) -> bool:
        """Tell whether it is too late to open a position: from 15 minutes before the account must be flat."""
        return self.flat_at - NO_OPENINGS_BEFORE <= at < self.ends


def flat_window(calendars: Sequence[Calendar], flat_by: time, at: datetime) -> FlatWindow | None:
    """Return when an account that trades on these calendars must be flat, on the trade date that is or comes.

    `flat_by` is in each calendar's exchange time; where a market closes earlier, seven minutes before that.
    The earliest of the markets counts for all of them. None where no session comes within two weeks.
    """
    coming = [session for calendar in calendars if (session := current_or_next(calendar, at))]
    if not coming:
        return None
    trade_date = min(session.trade_date for session in coming)
    moments, closes = [], []
    for calendar in calendars:
        session = session_on(calendar, trade_date)
        if session is None:
            continue
        asked = datetime.combine(trade_date, flat_by, calendar.zone).astimezone(UTC)
        is_early = session.is_short or asked > session.closes
        moments.append(min(asked, session.closes - BEFORE_AN_EARLY_CLOSE) if is_early else asked)
        closes.append(session.closes)
    return FlatWindow(trade_date, min(moments), max(closes))
