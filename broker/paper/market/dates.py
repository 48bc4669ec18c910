"""The exchange's calendar as pure functions: trade dates, business days, last trading days."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHICAGO = ZoneInfo("America/Chicago")
SESSION_OPENS = time(17, 0)
FRIDAY, SATURDAY = 4, 5


def trade_date(now: datetime) -> date:
    """Return the trade date of a moment: from 17:00 in Chicago it is the next week day."""
    local = now.astimezone(CHICAGO)
    day = local.date() + timedelta(days=1) if local.time() >= SESSION_OPENS else local.date()
    return day + timedelta(days=max(0, 7 - day.weekday())) if day.weekday() >= SATURDAY else day


def is_business_day(day: date) -> bool:
    """Say whether the exchange counts this day: no weekend and no United States holiday."""
    return day.weekday() < SATURDAY and day not in _holidays(day.year)


def business_days_before(day: date, count: int) -> date:
    """Return the business day that lies `count` business days before `day`."""
    while count:
        day -= timedelta(days=1)
        count -= is_business_day(day)
    return day


def third_friday(year: int, month: int) -> date:
    """Return the last day of an index contract: the third Friday, or the business day before."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
    return friday if is_business_day(friday) else business_days_before(friday, 1)


def crude_last_day(year: int, month: int) -> date:
    """Return the last day of CL: 3 business days before the 25th of the month before.

    They are 4 where that 25th is no business day itself.
    """
    year, month = previous_month(year, month)
    anchor = date(year, month, 25)
    return business_days_before(anchor, 3 if is_business_day(anchor) else 4)


def crude_first_notice(year: int, month: int) -> date:
    """Return the first notice day of CL: the second business day after its last day."""
    day, count = crude_last_day(year, month), 2
    while count:
        day += timedelta(days=1)
        count -= is_business_day(day)
    return day


def micro_crude_last_day(year: int, month: int) -> date:
    """Return the last day of MCL, one business day before CL."""
    return business_days_before(crude_last_day(year, month), 1)


def gold_last_day(year: int, month: int) -> date:
    """Return the last day of GC: the third last business day of the contract month."""
    return business_days_before(_first_of_next_month(year, month), 3)


def gold_first_notice(year: int, month: int) -> date:
    """Return the first notice day of GC: the last business day of the month before the contract month."""
    return business_days_before(date(year, month, 1), 1)


def monday_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def previous_month(year: int, month: int) -> tuple[int, int]:
    """Return the calendar month before."""
    return (year - 1, 12) if month == 1 else (year, month - 1)


def _first_of_next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


def _holidays(year: int) -> frozenset[date]:
    if year not in _HOLIDAYS:
        _HOLIDAYS[year] = frozenset(_holidays_of(year))
    return _HOLIDAYS[year]


_HOLIDAYS: dict[int, frozenset[date]] = {}


def _holidays_of(year: int) -> Iterator[date]:
    for month, day in ((1, 1), (6, 19), (7, 4), (12, 25)):
        fixed = date(year, month, day)
        # On a Saturday the Friday is free, except before New Year's Day; on a Sunday the Monday is.
        if fixed.weekday() == SATURDAY and month != 1:
            yield fixed - timedelta(days=1)
        else:
            yield fixed + timedelta(days=fixed.weekday() // 6)
    yield _nth_weekday(year, 1, 0, 3)
    yield _nth_weekday(year, 2, 0, 3)
    yield _easter(year) - timedelta(days=2)
    yield monday_of(date(year, 5, 31))
    yield _nth_weekday(year, 9, 0, 1)
    yield _nth_weekday(year, 11, 3, 4)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _easter(year: int) -> date:
    """Return Easter Sunday by the Gregorian rule (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    m = (a + 11 * d + 22 * e) // 451
    month, day = divmod(d + e - 7 * m + 114, 31)
    return date(year, month, day + 1)
