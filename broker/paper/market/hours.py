"""When the exchange trades: Sunday 17:00 to Friday 16:00 in Chicago, with a break from 16 to 17 each day.

Holidays are not kept: on one the market is open as on any other week day.
"""

from datetime import datetime, time

from broker.paper.market.dates import CHICAGO, FRIDAY, SATURDAY

OPENS, CLOSES = time(17, 0), time(16, 0)
SUNDAY = 6


def is_open(now: datetime) -> bool:
    """Say whether the exchange trades at a moment."""
    local = now.astimezone(CHICAGO)
    day, at = local.weekday(), local.time()
    if day == SATURDAY:
        return False
    if day == SUNDAY:
        return at >= OPENS
    return at < CLOSES or (at >= OPENS and day != FRIDAY)
