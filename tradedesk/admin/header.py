from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tradedesk import wiring
from tradedesk.models import Account, Environment, FlattenWish, TradingMode, TradingState
from tradedesk.services.halting import versions

ALL = "all"
TITLES = {
    TradingMode.ACTIVE: "",
    TradingMode.REDUCING: "ENTRIES BLOCKED · ",
    TradingMode.HALTED: "HALTED · ",
}


@dataclass(frozen=True)
class Header:
    """What the top of every page says. `mode` is None where it could not be read."""

    now: datetime
    mode: TradingMode | None = None
    states: Sequence[TradingState] = field(default_factory=list)
    flattening: Sequence[FlattenWish] = field(default_factory=list)

    @property
    def release(self) -> versions.Release:
        return versions.release()

    @property
    def title_prefix(self) -> str:
        return "STATE UNKNOWN · " if self.mode is None else TITLES[self.mode]

    @property
    def stopped(self) -> list[TradingState]:
        """The scopes that are not active, the widest first."""
        found = [state for state in self.states if state.mode != TradingMode.ACTIVE]
        return sorted(found, key=lambda state: (state.scope != ALL, state.bot_id is not None, state.scope))

    @property
    def tree(self) -> list[tuple[int, TradingState]]:
        """The scopes with their depth: all, then each account followed by its bots."""
        rows = [(0, state) for state in self.states if state.scope == ALL]
        for account in (state for state in self.states if state.account_id):
            rows.append((1, account))
            rows += [
                (2, state)
                for state in self.states
                if state.bot is not None and state.bot.account_id == account.account_id
            ]
        return rows

    @property
    def modes(self) -> list[tuple[Environment, str]]:
        """The environments of the accounts that are switched on, live first, with a word for each.

        Real money is named with its accounts.
        """
        accounts = [state.account for state in self.states if state.account and state.account.enabled]
        used = [environment for environment in reversed(Environment) if environment in _used(accounts)]
        numbers = [row.broker_account_name for row in accounts if row.environment == Environment.LIVE]
        live = " ".join(["LIVE", *filter(None, numbers)])
        return [(found, live if found is Environment.LIVE else str(found.label)) for found in used]


def _used(accounts: Sequence[Account]) -> set[str]:
    return {account.environment for account in accounts}


def read_header() -> Header:
    """Return the header, with no mode where the database or the row of the widest scope is missing."""
    now = wiring.desk().now()
    try:
        states = list(TradingState.objects.select_related("account", "bot"))
        # While one is open its scope is not active.
        is_stopped = any(state.mode != TradingMode.ACTIVE for state in states)
        flattening = list(FlattenWish.objects.filter(ended_at=None)) if is_stopped else []
    except DatabaseError:
        return Header(now)
    widest = next((state for state in states if state.scope == ALL), None)
    return Header(now, TradingMode(widest.mode) if widest else None, states, flattening)


def panel(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - the signature of a context processor
    """Give templates `panel`; the database is asked only by a page that shows it."""
    return {"panel": SimpleLazyObject(read_header)}
