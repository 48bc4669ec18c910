from datetime import timedelta

import structlog

from broker.base import BrokerError
from tradedesk.models import Account
from tradedesk.services.desk import READ_TIMEOUT_S, Desk

log = structlog.get_logger(__name__)

# Renewed when less than 15 minutes are left; this leaves time for a second try.
LEAST_LEFT = timedelta(minutes=10)


def renew_tokens(desk: Desk) -> list[str]:
    """Renew the tokens that end within a quarter of an hour, so that an idle desk keeps its sessions.

    Returns the names of the enabled accounts whose token could not be renewed in time. The next request logs
    in for them, which takes longer and may push out another session.
    """
    return [account.name for account in Account.objects.filter(enabled=True) if not _lasts(desk, account)]


def _lasts(desk: Desk, account: Account) -> bool:
    try:
        link = desk.link(account, timeout_s=READ_TIMEOUT_S)
        ends_at = link.broker.token_ends_at(timeout_s=READ_TIMEOUT_S)
    except BrokerError as error:
        log.warning("renewal.failed", account=account.name, error=str(error))
        return False
    return ends_at - desk.now() >= LEAST_LEFT
