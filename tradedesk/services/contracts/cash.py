from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import structlog
from django.db import transaction

from broker.base import BrokerError, Cash
from tradedesk.models import Account, Bot, Fill
from tradedesk.models.ids import earlier, new_id
from tradedesk.services.desk import READ_TIMEOUT_S, Desk, Link
from tradedesk.services.halting import trips

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(seconds=90)
# What only the panel shows need not be newer.
SHOWN_FOR = timedelta(minutes=10)
NEEDED_FOR = ("daily_loss", "drawdown", "margin_factor")


@dataclass(frozen=True)
class Kept:
    """The broker's figures about an account in dollars, as last read; None for what it did not tell.

    `profit` is this session's, open positions included. `peak` is the highest net liquidation value since a
    drawdown was set.
    """

    net_liquidation: Decimal | None = None
    profit: Decimal | None = None
    margin_used: Decimal | None = None
    peak: Decimal | None = None

    @property
    def loss(self) -> Decimal | None:
        """Dollars lost in this session, 0 after a gain."""
        return None if self.profit is None else max(-self.profit, Decimal())

    @property
    def fall(self) -> Decimal | None:
        """Dollars below the peak."""
        if self.peak is None or self.net_liquidation is None:
            return None
        return self.peak - self.net_liquidation

    def to_json(self) -> dict[str, str | None]:
        return {name: None if value is None else str(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Kept":
        return cls(**{name: _money(content.get(name)) for name in cls.__dataclass_fields__})


def kept(account: Account, now: datetime) -> Kept:
    """Return the figures of an account, empty when they are older than 90 seconds."""
    if account.cash_read_at is None or now - account.cash_read_at > FRESH_FOR:
        return Kept()
    return Kept.from_json(account.cash)


def watch(desk: Desk, link: Link, account: Account) -> None:
    """Read an account's figures where a limit or a bot's risk needs them, and keep them with their time.

    For the panel alone they are read each ten minutes and after a fill. A loss or a drawdown at its limit
    lets the account only reduce from then on. Figures that cannot be read stay as they are and grow old,
    which stops openings.
    """
    sizes_by_risk = Bot.objects.filter(account=account, risk_percent__isnull=False)
    if _is_shown(account, desk.now()) and not account.is_limited(*NEEDED_FOR) and not sizes_by_risk.exists():
        return
    try:
        cash = link.broker.cash(link.account.id, timeout_s=READ_TIMEOUT_S)
    except BrokerError as error:
        log.warning("cash.unread", account=account.name, error=str(error))
        return
    now = desk.now()
    with transaction.atomic():
        row = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        figures = _figures(row, cash)
        Account.objects.filter(pk=account.pk).update(cash=figures.to_json(), cash_read_at=now)
        trips.watch_account(row, figures.loss, figures.fall, now)
    account.cash, account.cash_read_at = figures.to_json(), now


def _is_shown(account: Account, now: datetime) -> bool:
    """Tell whether the panel may go on with the figures as last read."""
    read_at = account.cash_read_at
    if read_at is None or now - read_at >= SHOWN_FOR:
        return False
    recent = Fill.objects.filter(account=account, id__gt=earlier(new_id(), int(SHOWN_FOR.total_seconds())))
    return not recent.filter(created_at__gt=read_at).exists()


def _figures(account: Account, cash: Cash) -> Kept:
    peak = None
    if account.drawdown is not None and cash.net_liq is not None:
        before = Kept.from_json(account.cash).peak
        peak = cash.net_liq if before is None else max(before, cash.net_liq)
    return Kept(cash.net_liq, cash.total_pnl, cash.initial_margin, peak)


def _money(value: Any) -> Decimal | None:
    try:
        money = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return money if money.is_finite() else None
