from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from broker.base import BrokerError
from tradedesk.models import Account, Incident
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.stores.positions import Busy, Unreadable

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Round:
    """A reconciliation of several accounts: what it found, and by account name what kept it from looking."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    unread: dict[str, BrokerError | Busy | Unreadable] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not self.differences and not self.unread

    @property
    def silence(self) -> str:
        """What kept it from looking, in words, each account by its name."""
        return "; ".join(f"{name}: {str(error) or 'busy'}" for name, error in self.unread.items())


def reconcile_each(desk: Desk, accounts: Iterable[Account]) -> Round:
    """Reconcile the accounts one by one: a broker that does not answer holds up its own only."""
    found = Round()
    for account in accounts:
        try:
            one = reconcile(desk, [account])
        except (BrokerError, Busy, Unreadable) as error:
            log.warning("reconcile.unread", account=account.name, error=str(error))
            found.unread[account.name] = error
            continue
        found.differences.extend(one.differences)
        found.incidents.extend(one.incidents)
    return found
