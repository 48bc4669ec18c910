from datetime import datetime

from django.db import transaction

from strategy.sessions import next_daily_close
from tradedesk.models import Account, Environment
from tradedesk.services.halting.outer_wall import troubles_with
from tradedesk.services.people.audit import note
from tradedesk.services.people.second_factor import VerifiedCode


class NotArmed(Exception):
    """The account is not a live one, its number is another, the code is not fresh, or the broker's own limits
    are missing.
    """


def is_armed(account: Account, now: datetime) -> bool:
    """Tell whether openings may leave as far as arming goes: paper and demo need none."""
    if account.environment in (Environment.PAPER, Environment.DEMO):
        return True
    return account.armed_until is not None and now < account.armed_until


@transaction.atomic
def arm(
    account: Account, code: VerifiedCode, *, number: str, reason: str, source_address: str, now: datetime
) -> datetime:
    """Let openings of a live account leave until the session ends; return that moment.

    `number` is the account's as the person typed it, who knows by it which money is meant. Raises NotArmed.
    """
    if account.environment != Environment.LIVE:
        raise NotArmed(f"{account.name} is no live account.")
    if not account.broker_account_name or number.strip() != account.broker_account_name:
        raise NotArmed("The account number is another.")
    if not code.is_fresh(now):
        raise NotArmed("The one-time code is too old.")
    if troubles := troubles_with(account, now):
        raise NotArmed(" ".join(troubles))
    until = next_daily_close(now)
    Account.objects.filter(pk=account.pk).update(armed_until=until)
    note(code.by, "arm", f"account {account}", {"until": until.isoformat()}, reason, source_address, now)
    return until


@transaction.atomic
def disarm(account: Account, *, by: str, reason: str, source_address: str, now: datetime) -> None:
    """Let no opening of a live account leave any more until it is armed again."""
    Account.objects.filter(pk=account.pk).update(armed_until=None)
    note(by, "disarm", f"account {account}", {}, reason, source_address, now)
