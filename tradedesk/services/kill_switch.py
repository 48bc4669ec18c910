from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from tradedesk.models import (
    Cause,
    Environment,
    Incident,
    Order,
    OrderStatus,
    TradingMode,
    TradingState,
)
from tradedesk.services.audit import note
from tradedesk.services.desk import CLAIM_VALID_S, SUBMIT_TIMEOUT_S, Desk
from tradedesk.services.reconciliation import reconcile
from tradedesk.services.scopes import accounts_in, orders_in, state_of
from tradedesk.services.trading_state import set_mode

POLL_S = 0.02
# A claim is good for a moment, and its POST lasts so long at most: afterwards nothing claimed can leave.
QUIET_AFTER_S = CLAIM_VALID_S + SUBMIT_TIMEOUT_S + 0.25


@dataclass(frozen=True)
class Switch:
    """The kill switch of one scope. `in_flight` counts orders whose sending had not ended."""

    engaged: bool
    scope: str
    mode: TradingMode
    since: datetime | None
    by: str
    reason: str
    in_flight: int = 0


class NotClean(Exception):
    """Trading stays off: the broker and the desk disagree, or an incident that blocks is open."""

    def __init__(self, differences: Sequence[dict[str, Any]], incidents: Sequence[Incident]) -> None:
        super().__init__(f"{len(differences)} differences, {len(incidents)} incidents")
        self.differences = list(differences)
        self.incidents = list(incidents)


class LiveLocked(Exception):
    """A live account cannot be released: that needs a one-time code, which this desk cannot check yet."""


def status(scope: str = "all") -> Switch:
    """Return how the switch of a scope stands. Raises UnknownScope."""
    return _switch(state_of(scope), 0)


def engage(
    desk: Desk, *, scope: str, mode: TradingMode, reason: str, by: str, source_address: str = ""
) -> Switch:
    """Stop trading in a scope and return once no order of it can leave any more.

    HALTED lets nothing out, REDUCING only orders toward flat. The database orders this against every claim
    to send; the wait is for the POSTs of claims that came first, at most the broker's time-out.
    Raises UnknownScope.
    """
    state = state_of(scope)
    with transaction.atomic():
        state = set_mode(state.scope, mode, Cause.PERSON, reason, by, desk.now())
        note(by, "kill switch on", scope, {"mode": mode.value}, reason, source_address, desk.now())
    return _switch(state, _wait_until_quiet(desk, scope))


def release(desk: Desk, *, scope: str, reason: str, by: str, source_address: str = "") -> Switch:
    """Let trading go on in a scope, after a reconciliation of its accounts found nothing.

    Nothing is sent by itself afterwards. Raises NotClean, LiveLocked, UnknownScope, BrokerError.
    """
    accounts = accounts_in(scope)
    if any(account.environment == Environment.LIVE for account in accounts):
        raise LiveLocked
    found = reconcile(desk, accounts)
    blocking = [incident for incident in found.incidents if incident.blocks]
    if found.differences or blocking:
        raise NotClean(found.differences, blocking)
    with transaction.atomic():
        state = set_mode(scope, TradingMode.ACTIVE, Cause.PERSON, reason, by, desk.now())
        note(by, "kill switch off", scope, {}, reason, source_address, desk.now())
    return _switch(state, 0)


def _switch(state: TradingState, in_flight: int) -> Switch:
    mode = TradingMode(state.mode)
    engaged = mode is not TradingMode.ACTIVE
    return Switch(engaged, state.scope, mode, state.since, state.by, state.reason, in_flight)


def _wait_until_quiet(desk: Desk, scope: str) -> int:
    """Wait for the orders that were claimed before; return how many are still without an outcome."""
    sending = orders_in(scope).filter(status=OrderStatus.SENT)
    claimed = list(sending.values_list("pk", flat=True))
    deadline = desk.deadline(QUIET_AFTER_S)
    while claimed and deadline.left_s():
        desk.sleep(POLL_S)
        claimed = list(
            Order.objects.filter(pk__in=claimed, status=OrderStatus.SENT).values_list("pk", flat=True)
        )
    return len(claimed)
