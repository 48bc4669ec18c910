from datetime import datetime, timedelta

import structlog

from broker.base import BrokerError
from strategy.flat_by import FlatWindow
from tradedesk.models import Account, FlatDay, IncidentKind, NoticeKind, TradingMode
from tradedesk.services import incidents
from tradedesk.services.contracts.calendars import calendars_of, window_of
from tradedesk.services.desk import READ_TIMEOUT_S, Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.trading_state import effective_mode
from tradedesk.services.order_path import positions
from tradedesk.services.reports.notices import tell, thing

log = structlog.get_logger(__name__)

# Close three minutes before, look one minute before and one minute after.
STEPS = (timedelta(minutes=-3), timedelta(minutes=-1), timedelta(minutes=1))
AGAIN_AFTER = timedelta(minutes=1)
FLATTEN_WITHIN_S = 10.0


def flat_by(desk: Desk) -> int:
    """Bring each account flat by its time and look that it is; return how many are not flat.

    One that is not flat is closed again and told each minute until its markets close. What is halted is not
    traded: it is told, and a person decides. What cannot be read is not flat.
    """
    accounts = Account.objects.filter(enabled=True).exclude(flat_by=None)
    return sum(not _is_in_order(desk, account) for account in accounts)


def _is_in_order(desk: Desk, account: Account) -> bool:
    """Do what is due for an account; return False only where it was found not to be flat."""
    now = desk.now()
    window = window_of(account, calendars_of(account), now)
    if window is None or not window.flat_at + STEPS[0] <= now < window.ends:
        return True
    due = sum(window.flat_at + step <= now for step in STEPS)
    day = _claim(account, window, due, now)
    if day is None:
        return True
    is_flat = (
        _bring_flat(desk, account, window)
        if day.steps == 0 or not day.is_flat
        else _reads_flat(desk, account)
    )
    if not is_flat and day.is_flat:
        is_flat = _bring_flat(desk, account, window)
    FlatDay.objects.filter(pk=day.pk).update(steps=due, is_flat=is_flat)
    _tell(account, window, is_flat, desk.now())
    return is_flat


def _claim(account: Account, window: FlatWindow, due: int, now: datetime) -> FlatDay | None:
    """Return the account's row of this trade date, taken for this process, when something is due."""
    day, _ = FlatDay.objects.get_or_create(
        account=account, trade_date=window.trade_date, defaults={"flat_at": window.flat_at}
    )
    is_done = day.steps >= due and (
        day.is_flat or (day.tried_at is not None and now - day.tried_at < AGAIN_AFTER)
    )
    taken = FlatDay.objects.filter(pk=day.pk, tried_at=day.tried_at)
    return None if is_done or not taken.update(tried_at=now) else day


def _bring_flat(desk: Desk, account: Account, window: FlatWindow) -> bool:
    scope = f"account:{account.name}"
    if effective_mode(scope) is TradingMode.HALTED:
        return _reads_flat(desk, account)
    reason = f"Flat by {account.flat_by:%H:%M}"
    result = flatten(
        desk,
        scope=scope,
        reason=reason,
        by="desk",
        within_s=FLATTEN_WITHIN_S,
        passes_halt=False,
        until=window.ends,
    )
    return result.flat


def _reads_flat(desk: Desk, account: Account) -> bool:
    """Tell whether the broker shows nothing held and nothing working."""
    try:
        link = desk.link(account, timeout_s=READ_TIMEOUT_S)
        held = positions.open_positions(link, desk.deadline(READ_TIMEOUT_S))
        working = link.broker.working_orders(link.account.id, timeout_s=READ_TIMEOUT_S)
    except BrokerError as error:
        log.warning("flat_by.unread", account=account.name, error=str(error))
        return False
    return not held and not working


def _tell(account: Account, window: FlatWindow, is_flat: bool, now: datetime) -> None:
    """Keep the incident in step with what was seen, and tell each minute of an account that is not flat."""
    if is_flat:
        reason = "The account is flat."
        incidents.close_by_subject(IncidentKind.NOT_FLAT, account.name, now=now, reason=reason)
        return
    is_halted = effective_mode(f"account:{account.name}") is TradingMode.HALTED
    seen = {"flat_by": window.flat_at.isoformat(), "halted": is_halted}
    incidents.open_incident(
        IncidentKind.NOT_FLAT, account=account, bot=None, subject=account.name, seen=seen, now=now
    )
    why = "Trading is halted, so the desk closes nothing." if is_halted else "The desk keeps trying."
    about = thing("not flat", account.pk, window.trade_date, now.replace(second=0, microsecond=0).isoformat())
    subject = f"NOT FLAT: {account}, to be flat by {account.flat_by:%H:%M}"
    tell(NoticeKind.FLAT_BY, about, subject, why, now)
