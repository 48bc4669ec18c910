"""Stops and targets at the broker: what became of them, and how they go before anything else is sent."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog
from django.db import transaction

from broker.base import BrokerError, BrokerRefused, OrderReport
from broker.orders import BrokerOrder
from strategy.types import Direction
from tradedesk.models import Bot, IncidentKind, Order, OrderPurpose, OrderStatus, Reason
from tradedesk.services import incidents
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.order_path import booking, orders, positions, settling
from tradedesk.services.order_path.choosing import stood_down_by
from tradedesk.services.order_path.in_flight import may_be_in_flight
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.stores.positions import Busy, Snapshot, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

SEAT_WAIT_S = 5.0
# With less time than this left, legs stay where they are: the order after them must still get out.
LEAST_TO_CLEAR_S = 1.0
OVER_WITHIN_S = 0.8
FIRST_POLL_S, LONGEST_POLL_S = 0.01, 0.2
CODES = {OrderPurpose.STOP: Reason.STOP_FILLED, OrderPurpose.TARGET: Reason.TARGET_FILLED}

type Leg = tuple[Order, BrokerOrder | None]


def at_broker(bot: Bot) -> list[Order]:
    """Return the legs that may wait at the broker; those that wait here leave with their opening."""
    legs = Order.objects.open_legs().filter(bot=bot).exclude(status=OrderStatus.PENDING)
    return list(legs.select_related("entry"))


def settle(desk: Desk, link: Link, bot: Bot, deadline: Deadline) -> list[Leg]:
    """Book what became of a bot's legs, from its seat; return those that may still fill.

    Each with the broker's word of it, None for one that the broker does not list. Raises BrokerError.
    """
    legs = at_broker(bot)
    if not legs:
        return []
    listed = link.broker.orders(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    by_id = {found.id: found for found in listed}
    by_name = {found.client_order_id: found for found in listed if found.client_order_id}
    found = [(leg, by_id.get(leg.broker_order_id or 0) or by_name.get(leg.client_order_id)) for leg in legs]
    outcomes = [
        (leg, _outcome(desk, link, leg, order)) for leg, order in found if not _is_on_its_way(desk, leg)
    ]
    view = None
    if any(outcome.fills for _, outcome in outcomes):
        view = positions.view_of(link, bot.instrument, deadline)
    for leg, outcome in outcomes:
        book(desk, bot, leg, outcome, view)
    standing = [(leg, order) for leg, order in found if leg.settled_at is None]
    if not standing:
        close_incident(bot, desk.now(), reason="It is over.")
    return standing


def clear(desk: Desk, link: Link, bot: Bot, deadline: Deadline) -> bool:
    """Cancel a bot's legs and wait until they are over, from its seat; return whether there were any.

    A leg that is left behind could open a position. Raises Busy when there is no time, or the broker does not
    say in time that all of them are over; and BrokerError. An incident is open then until they are.
    """
    legs = at_broker(bot)
    if not legs:
        return False
    try:
        _clear(desk, link, bot, legs, deadline)
    except (BrokerError, Busy):
        _open_incident(bot, desk.now())
        raise
    return True


def _clear(desk: Desk, link: Link, bot: Bot, legs: list[Order], deadline: Deadline) -> None:
    if deadline.left_s() < LEAST_TO_CLEAR_S:
        raise Busy("there is no time to cancel the stop")
    if not all(leg.broker_order_id for leg in legs):
        legs = [leg for leg, _ in settle(desk, link, bot, deadline)]
    for leg in legs:
        cancel(link, leg, deadline)
    until, pause = desk.deadline(deadline.left_s(OVER_WITHIN_S)), FIRST_POLL_S
    while settle(desk, link, bot, deadline):
        if not until.left_s():
            raise Busy("the stop or target is not over at the broker")
        desk.sleep(min(pause, until.left_s()))
        pause = min(pause * 2, LONGEST_POLL_S)


def cancel(link: Link, leg: Order, deadline: Deadline) -> None:
    """Ask for a leg to be cancelled; one that is over already shows when it is looked at."""
    if leg.broker_order_id is None:
        return
    try:
        link.broker.cancel(leg.broker_order_id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    except BrokerRefused as refusal:
        log.info("leg.cancel_refused", order=str(leg.id), error=str(refusal))


def close_incident(bot: Bot, now: datetime, *, reason: str) -> None:
    """Close the incident about legs that are to go, if it is open."""
    incidents.close_by_subject(IncidentKind.LEG_NOT_CANCELLED, bot.slug, now=now, reason=reason)


def _open_incident(bot: Bot, now: datetime) -> None:
    standing = {leg.purpose: f"{leg} at {leg.price}" for leg in at_broker(bot)}
    if standing:
        incidents.open_incident(
            IncidentKind.LEG_NOT_CANCELLED,
            account=bot.account,
            bot=bot,
            subject=bot.slug,
            seen=standing,
            now=now,
        )


def settle_ended(desk: Desk, link: Link, bot: Bot, *, wait_s: float = SEAT_WAIT_S) -> list[Order]:
    """Book what became of the legs that work at the broker no more, and return those that are over now.

    One request where all of them work. Raises BrokerError, and Busy after `wait_s` seconds.
    """
    legs = at_broker(bot)
    if not legs:
        return []
    working = link.broker.working_orders(link.account.id, timeout_s=READ_TIMEOUT_S)
    ids = {order.id for order in working}
    if all(leg.broker_order_id in ids for leg in legs):
        return []
    with seat(bot.id, wait_s=wait_s, sleep=desk.sleep) as taken:
        settle(desk, link, bot, desk.deadline(READ_TIMEOUT_S))
        taken.snapshot = stored(bot.id)
    return list(Order.objects.filter(pk__in=[leg.pk for leg in legs]).exclude(settled_at=None))


def book(desk: Desk, bot: Bot, order: Order, outcome: orders.Outcome, view: BrokerView | None) -> Snapshot:
    """Store an outcome from the bot's seat and return the bot; after new fills it holds what the view shows.

    The bot stands down when a leg has closed what the strategy still wanted held.
    """
    while True:
        before, now = stored(bot.id), desk.now()
        try:
            with transaction.atomic():
                fills = orders.record(order, outcome, bot, now)
                after = before
                if fills and view is not None:
                    filled = sum(fill.signed_quantity for fill in fills)
                    after = settling.after_fills(order, before, view, filled, now)
                after = _stood_down(order, before, after)
                if after is not before:
                    booking.store(before, after)
                if order.settled_at is not None:
                    booking.watch_target(bot, after, now=now, why=order.note or order.status)
            return after
        except Stale:
            continue


def _stood_down(order: Order, before: Snapshot, after: Snapshot) -> Snapshot:
    """Return the bot standing down where the fill of a leg has left it flat."""
    code = CODES.get(OrderPurpose(order.purpose))
    has_closed = after is not before and after.held is Direction.NONE
    if code is None or not has_closed or after.state.position is not Direction.of(-order.signed_quantity):
        return after
    return replace(after, memory=stood_down_by(after.memory, f"leg|{order.id}", code))


def _is_on_its_way(desk: Desk, leg: Order) -> bool:
    """Tell whether a leg's sending is not over: its opening tells the outcome, or whoever sends it now."""
    if leg.status != OrderStatus.SENT:
        return False
    goes_along = leg.entry is not None and leg.entry.status == OrderStatus.SENT
    return goes_along or may_be_in_flight(leg, desk.now())


def _outcome(desk: Desk, link: Link, leg: Order, found: BrokerOrder | None) -> orders.Outcome:
    """Return what the broker's word of a leg means. Its quantity follows its entry and its sibling there."""
    if found is None:
        return _not_listed(desk, link, leg)
    if found.quantity and found.quantity != leg.quantity:
        leg.quantity = found.quantity
        leg.save(update_fields=["quantity"])
    report = OrderReport(found.id, found.status, found.fills, found.reject_reason)
    return orders.outcome_of(report, leg, leg.acknowledged_at)


def _not_listed(desk: Desk, link: Link, leg: Order) -> orders.Outcome:
    """Return what it means that the broker does not list a leg: it fell through with its entry, or is lost.

    Lists may not reach far back, so one with an id is asked for by itself first. Lost takes three looks over
    ten seconds, the first of them through a session that nothing happened to.
    """
    entry, now = leg.entry, desk.now()
    if leg.broker_order_id is not None:
        with suppress(BrokerRefused):
            report = link.broker.order_report(leg.broker_order_id, timeout_s=READ_TIMEOUT_S)
            return orders.outcome_of(report, leg, leg.acknowledged_at)
    elif entry is not None and entry.settled_at and not entry.filled_quantity:
        return orders.Outcome(OrderStatus(entry.status), note="It went with an order that came to nothing.")
    if not leg.looks:
        link.broker.log_in_again(timeout_s=READ_TIMEOUT_S)
    leg.looks, leg.first_look_at = leg.looks + 1, leg.first_look_at or now
    leg.save(update_fields=["looks", "first_look_at"])
    if leg.looks >= orders.LOOKS_TO_LOSE and now - leg.first_look_at >= orders.LOST_AFTER:
        return orders.Outcome(OrderStatus.LOST, note=f"Not at the broker after {leg.looks} looks.")
    return orders.Outcome(OrderStatus.UNCONFIRMED, note="The broker does not list it; it may still turn up.")
