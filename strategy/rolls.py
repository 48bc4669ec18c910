from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from strategy.sessions import CHICAGO, DAILY_OPEN

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The trade dates from which a contract month opens nothing any more, and is to be flat."""

    no_openings_from: date
    flat_from: date


def cutoffs(
    expires_on: date | None,
    first_notice_on: date | None,
    *,
    is_delivered: bool,
    opening_days: int,
    flat_days: int,
    holidays: Collection[date] = (),
) -> Cutoffs | None:
    """Return the cut-offs of a contract, so many business days before its first notice or its last day.

    The earlier of the two counts. None where a date is missing: a contract that is delivered needs both.
    """
    if expires_on is None or (is_delivered and first_notice_on is None):
        return None
    end = min(expires_on, first_notice_on or expires_on)
    return Cutoffs(
        no_openings_from=business_days_before(end, opening_days, holidays),
        flat_from=business_days_before(end, flat_days, holidays),
    )


def business_days_before(day: date, count: int, holidays: Collection[date]) -> date:
    """Return the day so many week days before another, those that are no holidays."""
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() < SATURDAY and day not in holidays
    return day


def trade_date(at: datetime) -> date:
    """Return the trade date of an aware time: from 17:00 Chicago the next day, on a weekend the Monday."""
    local = at.astimezone(CHICAGO)
    day = local.date() + timedelta(days=local.time() >= DAILY_OPEN)
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    return day
