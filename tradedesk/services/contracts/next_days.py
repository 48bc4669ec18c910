from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from strategy import sessions
from strategy.sessions import Session
from tradedesk.models import Holiday, SessionRule
from tradedesk.services.contracts.calendars import CONFIRMED_FOR_DAYS, calendar_of


@dataclass(frozen=True)
class Day:
    """One trade date: its session if there is one, what differs on it, and whether a person confirmed it."""

    date: date
    session: Session | None
    holiday: Holiday | None
    is_confirmed: bool


def next_days(rule: SessionRule, now: datetime) -> Sequence[Day] | None:
    """Return the days that openings need confirmed, today first; None where the rule is not readable."""
    calendar = calendar_of(rule)
    if calendar is None:
        return None
    holidays = {holiday.date: holiday for holiday in rule.holidays.all()}
    today = now.astimezone(calendar.zone).date()
    return [
        Day(
            date=day,
            session=sessions.session_on(calendar, day),
            holiday=holidays.get(day),
            is_confirmed=sessions.first_unconfirmed(calendar, day, 1) is None,
        )
        for day in (today + timedelta(days=ahead) for ahead in range(CONFIRMED_FOR_DAYS))
    ]
