"""Limits and faults that change the trading state when they are met. A person releases what they latched."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from strategy.gate import Check
from tradedesk.models import (
    Account,
    Bot,
    Cause,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
    TradingMode,
    TradingState,
)
from tradedesk.services import incidents
from tradedesk.services.halting.trading_state import ALL, set_mode
from tradedesk.services.people.audit import note

BY = "desk"
# Too many orders, or one larger than the desk ever means: the desk itself may be wrong.
HALTING = (Reason.TOO_MANY_ORDERS, Reason.ORDER_SIZE)
NEVER_LEFT = (OrderStatus.PENDING, OrderStatus.DENIED)


def halts(check: Check) -> bool:
    """Tell whether a verdict of the gate halts the bot: one that was read, not one that could not be."""
    return check.breached and check.code in HALTING


def halt_bot(bot: Bot, check: Check, now: datetime) -> None:
    """Halt a bot that met a limit, until a person releases it. Call it in a transaction."""
    _latch(f"bot:{bot.slug}", TradingMode.HALTED, Reason(check.code), check.figures, now)


def watch_account(account: Account, loss: Decimal | None, fall: Decimal | None, now: datetime) -> None:
    """Let an account only reduce once its loss or its drawdown has reached the limit.

    Until a person releases it. Call it in a transaction.
    """
    for reason, most, found in (
        (Reason.DAILY_LOSS, account.daily_loss, loss),
        (Reason.DRAWDOWN, account.drawdown, fall),
    ):
        if most is not None and found is not None and found >= most:
            figures = f"{found:.2f} of {most:.2f}"
            _latch(f"account:{account.name}", TradingMode.REDUCING, reason, figures, now)


def watch_outcome(order: Order, excess: int, now: datetime) -> None:
    """Halt the account of an order that was filled beyond its size, and a bot that is rejected too often.

    Until a person releases it. Call it in a transaction, with what was learnt stored on the order.
    """
    if excess > 0:
        halt_account(
            IncidentKind.OVERFILLED,
            order.account,
            order.client_order_id,
            {"ordered": order.quantity, "filled": order.quantity + excess},
            now,
        )
    # The closing half of a reversal follows it, and must not meet a halt; nor must the next try to close.
    if order.status == OrderStatus.REJECTED and order.purpose == OrderPurpose.OPEN and order.bot:
        _watch_rejections(order.bot, now)


def halt_account(
    kind: IncidentKind, account: Account, subject: str, seen: Mapping[str, int], now: datetime
) -> None:
    """Halt an account where something happened that must never happen, with an incident."""
    incidents.open_incident(kind, account=account, bot=None, subject=subject, seen=dict(seen), now=now)
    figures = ", ".join(f"{name} {value}" for name, value in seen.items())
    _latch(f"account:{account.name}", TradingMode.HALTED, kind, f"({subject}: {figures})", now)


def reduce_all(kind: IncidentKind, accounts: Iterable[Account], figures: str, now: datetime) -> None:
    """Let the whole desk only reduce, with an incident for each account. Call it in a transaction."""
    for account in accounts:
        incidents.open_incident(
            kind, account=account, bot=None, subject=account.name, seen={"found": figures}, now=now
        )
    _latch(ALL, TradingMode.REDUCING, kind, f"({figures})", now)


def _watch_rejections(bot: Bot, now: datetime) -> None:
    """Halt a bot whose last openings were all rejected; those before a release do not count any more."""
    most, state = bot.rejections_in_a_row, TradingState.objects.filter(bot=bot).first()
    if most is None or state is None:
        return
    left = Order.objects.filter(bot=bot).exclude(settled_at=None).exclude(status__in=NEVER_LEFT)
    left = left.filter(purpose__in=(OrderPurpose.OPEN, OrderPurpose.REVERSE))
    since = left.filter(created_at__gt=state.since) if state.since else left
    last = list(since.order_by("-id").values_list("status", flat=True)[:most])
    if len(last) == most and set(last) == {OrderStatus.REJECTED}:
        _latch(f"bot:{bot.slug}", TradingMode.HALTED, Reason.BROKER_REJECTED, f"{most} in a row.", now)


def _latch(scope: str, mode: TradingMode, reason: Reason | IncidentKind, figures: str, now: datetime) -> None:
    """Tighten a scope, never loosen it; what would be lifted by itself waits for a person from now on."""
    state = TradingState.objects.select_for_update(no_key=True).filter(scope=scope).first()
    if state is None:
        # A state that is missing counts as halted.
        return
    lifts_itself = state.cause in (Cause.INCIDENT, Cause.FLATTEN)
    strictness = TradingMode(state.mode).strictness
    if strictness > mode.strictness or (strictness == mode.strictness and not lifts_itself):
        return
    why = f"{reason.label} {figures}"
    set_mode(scope, mode, Cause.LIMIT, why, BY, now)
    note(BY, "limit met", scope, {"code": reason.value, "mode": mode.value, "figures": figures}, why, "", now)
