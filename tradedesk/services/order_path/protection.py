"""Keeps the stop at the broker as large as the position: put back once, else the position is closed."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from strategy.brackets import Bracket
from strategy.types import Direction, Memory, StandDown
from tradedesk.models import (
    Bot,
    Incident,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderSide,
    OrderStatus,
    Reason,
    TradingMode,
)
from tradedesk.models.ids import new_id
from tradedesk.services import incidents
from tradedesk.services.contracts.calendars import market_of
from tradedesk.services.desk import READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Desk, Link
from tradedesk.services.order_path import booking, brackets, legs, orders, positions
from tradedesk.services.order_path.choosing import stood_down_by
from tradedesk.services.order_path.legs import Leg
from tradedesk.services.order_path.positions import BrokerView, Holding
from tradedesk.services.order_path.records import Records, records_of
from tradedesk.stores.positions import Busy, Snapshot, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

# How our ids of orders begin that were put back.
AGAIN = "td-again-"


def keep(desk: Desk, link: Link, bot: Bot, view: BrokerView, standing: list[Leg]) -> None:
    """Bring the stop in step with a position that is booked as it is held, from the bot's seat.

    `standing` are the legs that may still fill, looked at before the view. Those of a flat bot are put away.
    While trading is halted or the market closed nothing is placed or closed; the incident tells. Raises
    BrokerError.
    """
    held = next(iter(view.holdings), None)
    if held is None and any(order is not None for _, order in standing):
        with suppress(Busy):
            legs.clear(desk, link, bot, desk.deadline(READ_TIMEOUT_S))
    now = desk.now()
    is_missing = watch(bot, held, standing, now)
    if held is None and standing:
        return
    if held is None or not is_missing:
        legs.close_incident(bot, now, reason="Nothing waits for it any more.")
        return
    if records_of(bot).mode is TradingMode.HALTED or market_of(bot, now).is_open is False:
        return
    try:
        _mend(desk, link, bot, held)
    except (Busy, Stale) as change:
        # Somebody stopped trading or traded meanwhile, or a leg is not over yet: the next comparison sees.
        log.info("protection.put_off", bot=bot.slug, why=repr(change))


def watch(bot: Bot, held: Holding | None, standing: list[Leg], now: datetime) -> bool:
    """Keep the incident about the stop in step with what is held, and tell whether the stop is missing."""
    if held is None or not bot.has_stop or _protects(standing, held):
        reason = "The stop fits the position." if held else "The position is closed."
        incidents.close_by_subject(IncidentKind.STOP_MISSING, bot.slug, now=now, reason=reason)
        return False
    if any(order is None for _, order in standing):
        # One of these may be the stop whose answer was lost: looking at it again tells.
        return False
    _open_incident(bot, standing, held, now)
    return True


def _mend(desk: Desk, link: Link, bot: Bot, held: Holding) -> None:
    """Put the stop back, once for a position, else close it; nothing where the position moved meanwhile.

    A position on the other side than the last opening was brought about by orders that were to close: it is
    closed at once. Raises BrokerError; Busy and Stale where nothing was sent.
    """
    legs.clear(desk, link, bot, desk.deadline(READ_TIMEOUT_S))
    before, records = stored(bot.id), records_of(bot)
    view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
    if records.mode is TradingMode.HALTED or not _is_still_held(view, before, held):
        return
    prices = brackets.bracket_of(bot, held.average_price, Direction.of(held.quantity))
    adopted_at = _adopted_at(before.memory)
    entry = _entry(bot, adopted_at)
    was_opened = entry is None or entry.side != _closing_side(held)
    if prices is None or not was_opened or _was_put_back(bot, entry, adopted_at):
        _close(desk, link, bot, before, held, records)
    else:
        _put_back(desk, link, bot, before, entry, held, prices, records)


def _is_still_held(view: BrokerView, before: Snapshot, held: Holding) -> bool:
    return view.agrees_with(before.quantity, before.contract) and view.months == {
        held.contract.name: held.quantity
    }


def _protects(standing: list[Leg], held: Holding) -> bool:
    """Tell whether one stop waits at the broker for just what is held."""
    stops = [(leg, order) for leg, order in standing if leg.purpose == OrderPurpose.STOP]
    return [
        (leg.contract, leg.side, order.quantity - order.filled_quantity)
        for leg, order in stops
        if order is not None and order.quantity is not None
    ] == [(held.contract.name, _closing_side(held), abs(held.quantity))]


def _closing_side(held: Holding) -> OrderSide:
    return OrderSide.SELL if held.quantity > 0 else OrderSide.BUY


def _open_incident(bot: Bot, standing: list[Leg], held: Holding, now: datetime) -> Incident:
    stopped = sum(
        order.quantity or 0
        for leg, order in standing
        if order is not None and leg.purpose == OrderPurpose.STOP
    )
    return incidents.open_incident(
        IncidentKind.STOP_MISSING,
        account=bot.account,
        bot=bot,
        subject=bot.slug,
        seen={"held": held.quantity, "stopped": stopped},
        now=now,
    )


def _was_put_back(bot: Bot, entry: Order | None, adopted_at: datetime) -> bool:
    """Tell whether the stop of this position was put back before."""
    stops = Order.objects.filter(bot=bot, entry=entry, purpose=OrderPurpose.STOP, created_at__gte=adopted_at)
    tried = stops.filter(client_order_id__startswith=AGAIN).exclude(status=OrderStatus.DENIED)
    return tried.exists()


def _adopted_at(memory: Memory) -> datetime:
    """Return when a person last let the bot adopt a position, the beginning of time if never."""
    adoptions = (
        entry.effective_at
        for entry in memory.entries
        if isinstance(entry, StandDown) and entry.reason == Reason.ADOPTED
    )
    return max(adoptions, default=datetime.min.replace(tzinfo=UTC))


def _entry(bot: Bot, adopted_at: datetime) -> Order | None:
    """Return the last opening of the bot that filled since; None where there is none."""
    openings = Order.objects.filter(bot=bot, purpose__in=(OrderPurpose.OPEN, OrderPurpose.REVERSE))
    return openings.filter(created_at__gte=adopted_at).exclude(filled_quantity=0).first()


def _put_back(
    desk: Desk,
    link: Link,
    bot: Bot,
    before: Snapshot,
    entry: Order | None,
    held: Holding,
    prices: Bracket,
    records: Records,
) -> None:
    """Send a stop for what is held, and a target if the bot has one; the fill of one cancels the other."""
    claimed, now = desk.monotonic(), desk.now()
    stop, *target = brackets.legs_for(
        bot,
        prices,
        entry=entry,
        contract=held.contract.name,
        held=held.quantity,
        name=f"{AGAIN}{new_id().hex}",
        status=OrderStatus.SENT,
        now=now,
    )
    booking.write(bot, before, before.changed(now), None, stop, records, target)
    outcome = _send(desk, link, stop, claimed, target)
    for leg, of_it in [(stop, outcome), *orders.outcomes_of_legs(target, outcome)]:
        _book(desk, link, bot, leg, of_it)


def _close(desk: Desk, link: Link, bot: Bot, before: Snapshot, held: Holding, records: Records) -> None:
    """Close what is held; the bot stands down until the next colour change."""
    claimed, now, identity = desk.monotonic(), desk.now(), new_id()
    order = Order(
        id=identity,
        account=bot.account,
        bot=bot,
        purpose=OrderPurpose.CLOSE,
        contract=held.contract.name,
        side=_closing_side(held),
        quantity=abs(held.quantity),
        client_order_id=f"td-close-{identity.hex}",
        status=OrderStatus.SENT,
        position_before=held.quantity,
        note="The position had no fitting stop at the broker.",
        created_at=now,
        sent_at=now,
    )
    memory = stood_down_by(before.memory, f"stop-missing|{identity}", Reason.STOP_MISSING)
    booking.write(bot, before, before.changed(now, memory=memory), None, order, records)
    _book(desk, link, bot, order, _send(desk, link, order, claimed))
    booking.watch_order(order, bot, desk.now())


def _send(
    desk: Desk, link: Link, order: Order, claimed: float, along: Sequence[Order] = ()
) -> orders.Outcome:
    outcome = orders.send(desk, link, order, None, claimed, desk.deadline(SUBMIT_TIMEOUT_S), along)
    if outcome.status is OrderStatus.PENDING:
        # The next comparison decides anew; an order of this kind is never sent late.
        return replace(outcome, status=OrderStatus.DENIED)
    return outcome


def _book(desk: Desk, link: Link, bot: Bot, order: Order, outcome: orders.Outcome) -> None:
    view = None
    if outcome.fills:
        view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
    legs.book(desk, bot, order, outcome, view)
