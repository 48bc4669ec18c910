"""Accounts: their money, what holds them back, and the limits that a person may set.

What comes back are the vendor's own rows: see `rows.accounts` for units.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from broker.base import BrokerAccount
from broker.money import OuterWall
from broker.tradovate import views
from broker.tradovate.calls import Calls
from broker.tradovate.parse import unreadable
from broker.tradovate.reads import (
    ACCOUNT_LIST,
    ACCOUNT_RISK_STATUS_DEPS,
    AUTO_LIQ_DEPS,
    CASH_BALANCE_DEPS,
    MARGIN_SNAPSHOT_DEPS,
    ME,
    POSITION_LIMIT_DEPS,
    RISK_PARAMETER_DEPS,
    TRADING_PERMISSION_LIST,
    Many,
)
from broker.tradovate.requests import (
    CreateUserAccountPositionLimit,
    GetCashBalanceSnapshot,
    UpdateUserAccountPositionLimit,
    UpdateUserAutoLiq,
)
from broker.tradovate.rows.accounts import (
    AccountRiskStatus,
    AutoLiqLevels,
    CashBalance,
    CashBalanceSnapshot,
    MarginSnapshot,
    OAuthMeResponse,
    PositionLimit,
    TradingPermission,
    UserAccountAutoLiq,
    UserAccountPositionLimit,
    UserAccountRiskParameter,
)


@dataclass(frozen=True)
class AccountRisk:
    """What the broker says of an account's risk; None for what it has no row of.

    `status` has the admin action and whether only liquidation is allowed, `margin` what is tied up and the
    levels at which the broker acts, `levels` what a person set.
    """

    status: AccountRiskStatus | None
    margin: MarginSnapshot | None
    levels: UserAccountAutoLiq | None


class Managing(Calls):
    """Reads accounts and sets their limits."""

    def me(self, *, timeout_s: float) -> OAuthMeResponse:
        """Return whose token it is. Ten refusals an hour lock it. GET /auth/me"""
        return self.one(ME, deadline=self.deadline(timeout_s))

    def accounts(self, *, timeout_s: float) -> Sequence[BrokerAccount]:
        """Return the accounts that this login sees. GET /account/list"""
        return [views.account(row) for row in self.many(ACCOUNT_LIST, deadline=self.deadline(timeout_s))]

    def trading_permissions(self, *, timeout_s: float) -> Sequence[TradingPermission]:
        """Return how this login reaches other people's accounts. GET /tradingPermission/list"""
        return self.many(TRADING_PERMISSION_LIST, deadline=self.deadline(timeout_s))

    def account_risk(self, account_id: int, *, timeout_s: float) -> AccountRisk:
        """Return what holds an account back.

        GET /accountRiskStatus/deps, /marginSnapshot/deps, /userAccountAutoLiq/deps
        """
        deadline = self.deadline(timeout_s)
        return AccountRisk(
            status=self._only(ACCOUNT_RISK_STATUS_DEPS, account_id, deadline),
            margin=self._only(MARGIN_SNAPSHOT_DEPS, account_id, deadline),
            levels=self._only(AUTO_LIQ_DEPS, account_id, deadline),
        )

    def cash(self, account_id: int, *, timeout_s: float) -> CashBalanceSnapshot:
        """Return an account's money now. Not meant for polling. POST /cashBalance/getcashbalancesnapshot"""
        return self.send(GetCashBalanceSnapshot(account_id=account_id), deadline=self.deadline(timeout_s))

    def cash_balances(self, account_id: int, *, timeout_s: float) -> Sequence[CashBalance]:
        """Return an account's balances, one for each currency and trade date. GET /cashBalance/deps"""
        return self.many(CASH_BALANCE_DEPS, account_id, deadline=self.deadline(timeout_s))

    def auto_liquidation(self, account_id: int, *, timeout_s: float) -> UserAccountAutoLiq | None:
        """Return the levels set for an account, None if there are none. GET /userAccountAutoLiq/deps"""
        return self._only(AUTO_LIQ_DEPS, account_id, self.deadline(timeout_s))

    def set_auto_liquidation(
        self, account_id: int, levels: AutoLiqLevels, *, timeout_s: float
    ) -> UserAccountAutoLiq:
        """Set the levels that are not None and return what is set now.

        POST /userAccountAutoLiq/updateuserautoliq
        """
        request = UpdateUserAutoLiq(account_id=account_id, **_levels(levels))
        reply = self.send(request, deadline=self.deadline(timeout_s))
        changed = reply.user_account_auto_liq or reply.permissioned_account_auto_liq
        if changed is None:
            raise unreadable("userAccountAutoLiq")
        return changed

    def position_limits(self, account_id: int, *, timeout_s: float) -> Sequence[UserAccountPositionLimit]:
        """Return how many contracts an account may hold. GET /userAccountPositionLimit/deps"""
        return self.many(POSITION_LIMIT_DEPS, account_id, deadline=self.deadline(timeout_s))

    def outer_wall(self, account_id: int, *, timeout_s: float) -> OuterWall:
        """Return what the broker itself enforces for an account as a whole.

        GET /userAccountAutoLiq/deps, /userAccountPositionLimit/deps
        """
        deadline = self.deadline(timeout_s)
        levels = self._only(AUTO_LIQ_DEPS, account_id, deadline)
        limits = self.many(POSITION_LIMIT_DEPS, account_id, deadline=deadline)
        bounds = [bound for limit in limits if (bound := views.overall_limit(limit)) is not None]
        return OuterWall(levels.daily_loss_auto_liq if levels else None, min(bounds, default=None))

    def risk_parameters(self, limit_id: int, *, timeout_s: float) -> Sequence[UserAccountRiskParameter]:
        """Return what a position limit says of single orders. GET /userAccountRiskParameter/deps"""
        return self.many(RISK_PARAMETER_DEPS, limit_id, deadline=self.deadline(timeout_s))

    def set_position_limit(self, limit: PositionLimit, *, timeout_s: float) -> UserAccountPositionLimit:
        """Change the limit, if it is one that was read, else add it; return what is set now.

        POST /userAccountPositionLimit/update or create
        """
        if isinstance(limit, UserAccountPositionLimit):
            request = UpdateUserAccountPositionLimit(**asdict(limit))
            return self.send(request, deadline=self.deadline(timeout_s))
        return self.send(CreateUserAccountPositionLimit(**asdict(limit)), deadline=self.deadline(timeout_s))

    def _only[R](self, read: Many[R], account_id: int, deadline: float) -> R | None:
        """Return the row of an account, of a kind that has one for each."""
        return next(iter(self.many(read, account_id, deadline=deadline)), None)


def _levels(levels: AutoLiqLevels) -> dict[str, Any]:
    return {entry.name: getattr(levels, entry.name) for entry in fields(AutoLiqLevels)}
