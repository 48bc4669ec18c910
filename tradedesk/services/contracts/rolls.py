from dataclasses import dataclass
from datetime import date, datetime

import structlog

from broker.base import BrokerContract, BrokerError
from strategy.rolls import trade_date
from strategy.sessions import session_open
from tradedesk.models import Account, Bot, BotState, IncidentKind, NoticeKind, Order, TradingMode
from tradedesk.services import incidents
from tradedesk.services.contracts.calendars import calendars_of
from tradedesk.services.desk import READ_TIMEOUT_S, Desk, Link
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.trading_state import effective_mode
from tradedesk.services.order_path import positions
from tradedesk.services.reports.notices import tell, thing

log = structlog.get_logger(__name__)

FLATTEN_WITHIN_S = 10.0


@dataclass(frozen=True)
class Due:
    """A position in a month that is to be left: signed contracts, the month that the desk trades now, and the
    trade date from which the desk closes it. None for what could not be read.
    """

    contract: str
    quantity: int
    to_trade: str | None
    flat_from: date | None


def watch_rolls(desk: Desk) -> int:
    """Open an incident for each bot that holds a month it must leave, and close what its date has passed for.

    A month is left when it is no longer the one that the desk trades, or close to first notice or expiry.
    Returns how many positions the desk had to close and could not. Nothing halted is closed.
    """
    left = 0
    for account in Account.objects.filter(enabled=True):
        try:
            link = desk.link(account, timeout_s=READ_TIMEOUT_S)
            for bot in account.bots.select_related("account", "instrument"):
                left += not _is_in_order(desk, bot, due_of(desk, link, bot))
        except BrokerError as error:
            log.warning("rolls.unread", account=account.name, error=str(error))
    return left


def due_of(desk: Desk, link: Link, bot: Bot) -> list[Due]:
    """Return what a bot holds in months that it must leave. Raises BrokerError."""
    view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
    due = []
    for holding in view.holdings:
        contract, cutoffs = holding.contract, positions.cutoffs_of(bot.instrument, holding.contract)
        may_stay = positions.before_cutoff(bot.instrument, contract, desk.now())
        if not may_stay or _is_another(contract, view.to_trade):
            to_trade = view.to_trade.name if view.to_trade else None
            flat_from = cutoffs.flat_from if cutoffs else None
            due.append(Due(contract.name, holding.quantity, to_trade, flat_from))
    return due


def _is_another(held: BrokerContract, to_trade: BrokerContract | None) -> bool:
    return to_trade is not None and held.id != to_trade.id


def _is_in_order(desk: Desk, bot: Bot, due: list[Due]) -> bool:
    """Keep the incident in step, close what is past its date; return False where that did not work."""
    now = desk.now()
    if BotState.objects.filter(bot=bot).exclude(quantity=0).exists():
        reason = "The bot holds a position again."
        incidents.close_by_subject(IncidentKind.ROLL_HALF_DONE, bot.slug, now=now, reason=reason)
    if not due and Order.objects.unfinished().filter(bot=bot).exists():
        # A roll may be on its way; what becomes of it is known when its orders are over.
        return True
    if not due:
        reason = "Nothing is held in a month to be left."
        incidents.close_by_subject(IncidentKind.ROLL_DUE, bot.slug, now=now, reason=reason)
        return True
    incidents.open_incident(
        IncidentKind.ROLL_DUE, account=bot.account, bot=bot, subject=bot.slug, seen=_seen(due), now=now
    )
    is_past = any(held.flat_from is not None and trade_date(now) >= held.flat_from for held in due)
    return not is_past or _close(desk, bot, now)


def _seen(due: list[Due]) -> dict[str, str]:
    return {
        held.contract: f"{held.quantity:+d}, the desk trades {held.to_trade or 'an unknown month'}, "
        f"closed from {held.flat_from or 'an unknown date'}"
        for held in due
    }


def _close(desk: Desk, bot: Bot, now: datetime) -> bool:
    """Close what a bot holds while its market is open and nothing is halted; tell once a day if it stays."""
    scope = f"bot:{bot.slug}"
    is_halted = effective_mode(scope) is TradingMode.HALTED
    if not is_halted and _is_closed(bot, now):
        return True
    if (
        not is_halted
        and flatten(
            desk,
            scope=scope,
            reason="The contract must be left before first notice or expiry.",
            by="desk",
            within_s=FLATTEN_WITHIN_S,
            passes_halt=False,
        ).flat
    ):
        reason = "The desk closed the position."
        incidents.close_by_subject(IncidentKind.ROLL_DUE, bot.slug, now=desk.now(), reason=reason)
        return True
    why = "Trading is halted, so the desk closes nothing." if is_halted else "The desk keeps trying."
    about = thing("roll", bot.pk, trade_date(now))
    tell(NoticeKind.FLAT_BY, about, f"NOT FLAT: {bot}, its contract is about to end", why, desk.now())
    return False


def _is_closed(bot: Bot, now: datetime) -> bool:
    """Tell whether the bot's market is known to be closed."""
    calendar = calendars_of(bot.account)[bot.instrument.root]
    return calendar is not None and not session_open(calendar, now)
