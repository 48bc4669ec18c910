from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

CHICAGO = ZoneInfo("America/Chicago")
OPENS, CLOSES = time(17, 0), time(16, 0)
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6


def is_open(at: datetime) -> bool:
    """Tell whether CME's regular week is open at an aware time: Sunday 17:00 to Friday 16:00 Chicago,
    closed from 16:00 to 17:00 each day. Holidays are not in it.

    Source: cmegroup.com trading hours of the equity index, energy and metals futures.
    """
    local = at.astimezone(CHICAGO)
    clock = local.time()
    if local.weekday() == SATURDAY:
        return False
    if local.weekday() == SUNDAY:
        return clock >= OPENS
    if local.weekday() == FRIDAY:
        return clock < CLOSES
    return not CLOSES <= clock < OPENS


def session_start(at: datetime) -> datetime:
    """Return when the session of an aware time began: 17:00 Chicago, Sunday to Thursday.

    The daily break and the weekend belong to the session before them.
    """
    local = at.astimezone(CHICAGO)
    day = local.date() if local.time() >= OPENS else local.date() - timedelta(days=1)
    while day.weekday() in (FRIDAY, SATURDAY):
        day -= timedelta(days=1)
    return datetime.combine(day, OPENS, CHICAGO)
