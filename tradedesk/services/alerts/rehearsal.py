from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from broker.base import BrokerError
from tradedesk.models import Alert, Bot, Reason
from tradedesk.services.desk import ANSWER_WITHIN_S, READ_TIMEOUT_S, Desk
from tradedesk.services.order_path import positions
from tradedesk.services.order_path.choosing import Choice, choose, facts_for
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.order_path.records import records_of
from tradedesk.services.order_path.standing import idle_choice, remembered
from tradedesk.stores.positions import Snapshot, stored

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rehearsal:
    """What a bot would make of an alert that came at `at`: nothing of it was written or sent."""

    bot: Bot
    at: datetime
    before: Snapshot
    choice: Choice


def rehearse(desk: Desk, alert: Alert, bot: Bot) -> Rehearsal:
    """Return what the bot would decide if an accepted alert came now and for the first time.

    By the code that decides alerts: the bot's state, the broker's position and every rule are those of this
    moment, only what this alert left in the bot's memory is not there. Reads only. Raises Unreadable.
    """
    now, before = desk.now(), _without(alert, stored(bot.id))
    alert = _as_if_now(alert, now)
    memory = remembered(alert, bot, before, desk.event_window)
    if isinstance(memory, Reason):
        return Rehearsal(bot, now, before, Choice(memory))
    if choice := idle_choice(alert, bot, before, memory):
        return Rehearsal(bot, now, before, choice)
    view = _look(desk, bot)
    facts = facts_for(desk, alert, bot, before, memory, view, records_of(bot), now)
    return Rehearsal(bot, now, before, choose(alert, bot, memory, before, view, facts))


def _without(alert: Alert, snapshot: Snapshot) -> Snapshot:
    """Return the bot as it would be had the alert never come, with what it holds."""
    entries = tuple(
        entry
        for entry in snapshot.memory.entries
        if entry.key != alert.event_key and not entry.key.startswith(f"stand-down|{alert.id}|")
    )
    return replace(snapshot, memory=replace(snapshot.memory, entries=entries))


def _as_if_now(alert: Alert, now: datetime) -> Alert:
    """Return a copy of the alert, never stored, that fired and came at this moment."""
    if alert.bar_open is None or alert.fired_at is None or alert.effective_at is None:
        raise ValueError(f"alert {alert.id} was rejected and reports no event")
    shift = now - alert.fired_at
    fresh = copy(alert)
    fresh.event_key = f"rehearsal|{alert.event_key}"
    fresh.bar_open, fresh.fired_at = alert.bar_open + shift, now
    fresh.effective_at, fresh.received_at = alert.effective_at + shift, now
    return fresh


def _look(desk: Desk, bot: Bot) -> BrokerView | None:
    """Return what the broker holds and would trade, None where it cannot be read."""
    deadline = desk.deadline(ANSWER_WITHIN_S)
    try:
        link = desk.link(bot.account, timeout_s=deadline.left_s(READ_TIMEOUT_S))
        return positions.view_of(link, bot.instrument, deadline)
    except BrokerError as error:
        log.warning("broker.unread", bot=bot.slug, error=str(error))
        return None
