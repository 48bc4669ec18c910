import re
from datetime import timedelta

_DAY_MINUTES = 24 * 60
_TIMEFRAME = re.compile(r"(?P<minutes>[1-9][0-9]{0,3})m?|(?P<hours>[1-9][0-9]?)[Hh]|1?[Dd]")


def parse_timeframe(text: str) -> timedelta | None:
    """Return the length of a bar up to one day: `10` or `10m`, `1H`, `D` or `1D`; None if unreadable.

    A capital `M` is TradingView's month, so `10M` is unreadable, not ten minutes.
    """
    match = _TIMEFRAME.fullmatch(text)
    if match is None:
        return None
    if match["minutes"]:
        minutes = int(match["minutes"])
    elif match["hours"]:
        minutes = int(match["hours"]) * 60
    else:
        minutes = _DAY_MINUTES
    return timedelta(minutes=minutes) if minutes <= _DAY_MINUTES else None
