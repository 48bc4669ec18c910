from datetime import datetime
from urllib.parse import urlsplit

from broker.base import BrokerAccount, BrokerRefused
from tradedesk.models import Account, Environment, IncidentKind
from tradedesk.services import incidents

TRADOVATE = "tradovateapi.com"


def check_address(environment: Environment, url: str) -> None:
    """Refuse an address that is not the environment's own: practice orders must never reach real money.

    Raises BrokerRefused.
    """
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    is_tradovate = host == TRADOVATE or host.endswith(f".{TRADOVATE}")
    is_right = (
        not is_tradovate if environment is Environment.PAPER else host == f"{environment.value}.{TRADOVATE}"
    )
    if not is_right:
        raise BrokerRefused("WrongHost", f"{host} is no address of the environment {environment.value}")


def check_account(account: Account, found: BrokerAccount, now: datetime) -> None:
    """Sign off the account that a login leads to, the first time; refuse any other from then on.

    Paper accounts are exempt: nothing is lost when another paper broker takes the place of one.
    Raises BrokerRefused, with an incident, when the broker's id or name is not the one signed off.
    """
    if account.environment == Environment.PAPER:
        return
    if account.broker_account_id is None:
        _sign_off(account, found, now)
    if (account.broker_account_id, account.broker_account_name) == (found.id, found.name):
        return
    seen = {
        "signed off": [account.broker_account_id, account.broker_account_name],
        "found": [found.id, found.name],
    }
    incidents.open_incident(
        IncidentKind.ACCOUNT_CHANGED, account=account, bot=None, subject=account.name, seen=seen, now=now
    )
    raise BrokerRefused(
        "AccountChanged",
        f"the login leads to {found.name} ({found.id}), signed off is {account.broker_account_name} "
        f"({account.broker_account_id}); if that is meant, sign it off anew on the account's page",
    )


def _sign_off(account: Account, found: BrokerAccount, now: datetime) -> None:
    """Keep id and name, unless another process was quicker."""
    Account.objects.filter(pk=account.pk, broker_account_id=None).update(
        broker_account_id=found.id, broker_account_name=found.name
    )
    account.refresh_from_db(fields=["broker_account_id", "broker_account_name"])
    reason = "A person had the account signed off anew."
    incidents.close_by_subject(IncidentKind.ACCOUNT_CHANGED, account.name, now=now, reason=reason)
