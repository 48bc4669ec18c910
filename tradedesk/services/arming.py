from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from strategy.sessions import next_daily_close
from tradedesk.models import Account, Environment
from tradedesk.services.audit import note
from tradedesk.services.outer_wall import troubles_with

CODE_LASTS = timedelta(minutes=1)


@dataclass(frozen=True)
class VerifiedCode:
    """A person's one-time code, made by whoever checked it: the proof that arming asks for."""

    by: str
    verified_at: datetime


class NotArmed(Exception):
    """The account is not a live one, the code is not fresh, or the broker's own limits are missing."""


def is_armed(account: Account, now: datetime) -> bool:
    """Tell whether openings may leave as far as arming goes: paper and demo need none."""
    if account.environment in (Environment.PAPER, Environment.DEMO):
        return True
    return account.armed_until is not None and now < account.armed_until


@transaction.atomic
def arm(account: Account, code: VerifiedCode, *, reason: str, source_address: str, now: datetime) -> datetime:
    """Let openings of a live account leave until the session ends; return that moment. Raises NotArmed."""
    if account.environment != Environment.LIVE or not timedelta() <= now - code.verified_at <= CODE_LASTS:
        raise NotArmed(account.name)
    if troubles := troubles_with(account, now):
        raise NotArmed(f"{account.name}: {' '.join(troubles)}")
    until = next_daily_close(now)
    Account.objects.filter(pk=account.pk).update(armed_until=until)
    note(code.by, "arm", f"account {account}", {"until": until.isoformat()}, reason, source_address, now)
    return until
