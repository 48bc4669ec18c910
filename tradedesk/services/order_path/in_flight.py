"""What may belong to a request that is not over yet: others wait for it, or leave it alone."""

from datetime import datetime, timedelta

from tradedesk.models import Order, OrderStatus

# A request is over by then; what it left behind is nobody's.
LEFT_BEHIND_AFTER = timedelta(seconds=5)


def may_be_in_flight(order: Order, now: datetime) -> bool:
    """Tell whether another process may be sending the order at this moment, late perhaps."""
    if order.status != OrderStatus.SENT or order.sent_at is None:
        return False
    return is_recent(order.sent_at, now)


def is_recent(moment: datetime, now: datetime) -> bool:
    """Tell whether what was written at a moment may be a request's still.

    What lies further in the future was written by a clock that was set back since, and is left behind too.
    """
    return abs(now - moment) < LEFT_BEHIND_AFTER


def recently(now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when such a moment lies."""
    return now - LEFT_BEHIND_AFTER, now + LEFT_BEHIND_AFTER
