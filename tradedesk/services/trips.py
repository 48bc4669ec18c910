"""Limits that change the trading state when they are met. A person releases what they latched."""

from datetime import datetime
from decimal import Decimal

from strategy.gate import Check
from tradedesk.models import Account, Bot, Cause, Reason, TradingMode, TradingState
from tradedesk.services.audit import note
from tradedesk.services.trading_state import set_mode

BY = "desk"
# Too many orders, or one larger than the desk ever means: the desk itself may be wrong.
HALTING = (Reason.TOO_MANY_ORDERS, Reason.ORDER_SIZE)


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


def _latch(scope: str, mode: TradingMode, reason: Reason, figures: str, now: datetime) -> None:
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
