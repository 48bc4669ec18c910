from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from tradedesk.models import (
    Account,
    Cause,
    Environment,
    Incident,
    Order,
    OrderStatus,
    TradingMode,
    TradingState,
)
from tradedesk.services.desk import CLAIM_VALID_S, SUBMIT_TIMEOUT_S, Desk
from tradedesk.services.halting import wishes
from tradedesk.services.halting.scopes import accounts_in, orders_in, state_of
from tradedesk.services.halting.trading_state import ALL, set_mode
from tradedesk.services.people.audit import note
from tradedesk.services.people.second_factor import VerifiedCode
from tradedesk.services.reconciling.rounds import reconcile_each

POLL_S = 0.02
DISAGREE = "The broker and the desk disagree, or an incident is open."
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
    """Trading stays off: the broker and the desk disagree, an incident that blocks is open, or somebody
    stopped trading again while the release was looking.
    """

    def __init__(
        self,
        why: str,
        differences: Sequence[dict[str, Any]] = (),
        incidents: Sequence[Incident] = (),
    ) -> None:
        super().__init__(why)
        self.differences = list(differences)
        self.incidents = list(incidents)


class NotCompared(Exception):
    """Trading stays off: an account could not be compared. Each is named, with what kept the desk from it."""


class LiveLocked(Exception):
    """Resuming a live account takes a fresh one-time code of the person's second factor."""


def status(scope: str = "all") -> Switch:
    """Return how the switch of a scope stands. Raises UnknownScope."""
    return _switch(state_of(scope), 0)


def engage(
    desk: Desk, *, scope: str, mode: TradingMode, reason: str, by: str, source_address: str = ""
) -> Switch:
    """Stop trading in a scope and return once no order of it can leave any more.

    HALTED lets nothing out, REDUCING only orders toward flat; a halt may be loosened to it. The database
    orders this against every claim to send; the wait is for the POSTs of claims that came first, at most the
    broker's time-out.
    Raises UnknownScope.
    """
    state = state_of(scope)
    with transaction.atomic():
        state = set_mode(state.scope, mode, Cause.PERSON, reason, by, desk.now())
        note(by, "kill switch on", scope, {"mode": mode.value}, reason, source_address, desk.now())
    return _switch(state, wait_until_quiet(desk, scope))


def release(
    desk: Desk,
    *,
    scope: str,
    reason: str,
    by: str,
    source_address: str = "",
    code: VerifiedCode | None = None,
) -> Switch:
    """Let trading go on in a scope, after a reconciliation of its accounts found nothing.

    Nothing is sent by itself afterwards, and a flatten of the scope that goes on ends. Live accounts that
    are halted on their own stay so unless they are named; letting one out takes a code.
    Raises NotClean, NotCompared, LiveLocked, UnknownScope.
    """
    if live_let_out(scope) and (code is None or not code.is_fresh(desk.now())):
        raise LiveLocked
    asked = state_of(scope)
    compare(desk, scope)
    with transaction.atomic():
        current = TradingState.objects.select_for_update(no_key=True).get(scope=scope)
        if _as_written(current) != _as_written(asked):
            raise NotClean("Somebody stopped trading while the release was looking at the broker.")
        state = set_mode(scope, TradingMode.ACTIVE, Cause.PERSON, reason, by, desk.now())
        wishes.end_by_release(scope, by, desk.now())
        proof = {"code_of": code.by} if code else {}
        note(by, "kill switch off", scope, proof, reason, source_address, desk.now())
    return _switch(state, 0)


def compare(desk: Desk, scope: str) -> int:
    """Compare every account that a release of a scope would let out; return how many there were.

    Raises NotClean, NotCompared, UnknownScope.
    """
    live = {account.pk for account in live_let_out(scope)}
    accounts = [
        account
        for account in accounts_in(scope)
        if account.enabled and (account.environment != Environment.LIVE or account.pk in live)
    ]
    found = reconcile_each(desk, accounts)
    if found.unread:
        raise NotCompared(found.silence)
    blocking = [incident for incident in found.incidents if incident.blocks]
    if found.differences or blocking:
        raise NotClean(DISAGREE, found.differences, blocking)
    return len(accounts)


def live_let_out(scope: str) -> list[Account]:
    """Return the live accounts that a release of a scope would let out; each takes a code.

    A release of all concerns only those that no halt of their own keeps. Raises UnknownScope.
    """
    if scope != ALL:
        return [account for account in accounts_in(scope) if account.environment == Environment.LIVE]
    halted = TradingState.objects.filter(mode=TradingMode.HALTED, account__isnull=False).values("account")
    return list(Account.objects.filter(environment=Environment.LIVE).exclude(pk__in=halted))


def _as_written(state: TradingState) -> tuple[str, datetime | None, str, str]:
    return state.mode, state.since, state.by, state.reason


def _switch(state: TradingState, in_flight: int) -> Switch:
    mode = TradingMode(state.mode)
    engaged = mode is not TradingMode.ACTIVE
    return Switch(engaged, state.scope, mode, state.since, state.by, state.reason, in_flight)


def wait_until_quiet(desk: Desk, scope: str) -> int:
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
