from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# A Date is cut to the second.
HALF_A_SECOND = timedelta(seconds=0.5)


def ahead_s(date: str, here: datetime) -> float | None:
    """Return the seconds by which an HTTP Date is ahead of an aware time, half a second more or less.

    None for a text that is no such date.
    """
    try:
        there = parsedate_to_datetime(date)
    except ValueError:
        return None
    if there.tzinfo is None:
        return None
    return (there + HALF_A_SECOND - here).total_seconds()
