from datetime import datetime

import structlog
from django.db import transaction

from broker.base import BrokerError
from strategy.types import Direction
from tradedesk.models import Bot, Order, OrderPurpose, OrderStatus, Reason
from tradedesk.services.contracts import roll_openings
from tradedesk.services.desk import Deadline, Desk, Link
from tradedesk.services.order_path import booking, orders, owed_closings, positions
from tradedesk.services.order_path.choosing import stood_down, stood_down_by
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.stores.positions import Snapshot, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

CANCEL_TIMEOUT_S = 0.8
AT_WORK = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


def opens_elsewhere(order: Order, target: Direction) -> bool:
    """Tell whether an order opens toward a side that is not the target any more."""
    is_opening = order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE)
    return is_opening and Direction.of(order.signed_quantity) is not target


def works_elsewhere(order: Order, target: Direction) -> bool:
    """Tell whether such an order is known to work at the broker."""
    return order.status in AT_WORK and opens_elsewhere(order, target)


def call_off(
    desk: Desk, link: Link, order: Order, broker_order_id: int, deadline: Deadline
) -> orders.Outcome:
    """Ask for the rest of a working order to be cancelled, and return what became of the order.

    It may have filled meanwhile, or work still when the broker does not answer in time.
    """
    try:
        link.broker.cancel(broker_order_id, timeout_s=deadline.left_s(CANCEL_TIMEOUT_S))
    except BrokerError as error:
        # A dead order is refused; what it came to is read in any case.
        log.info("order.not_cancelled", order=str(order.id), error=str(error))
    return orders.follow(desk, link, order, broker_order_id, deadline)


def end(desk: Desk, link: Link, order: Order, bot: Bot, deadline: Deadline) -> None:
    """Call a working order off and book what it came to, as far as the broker answers.

    Call it from the bot's seat; the seat's snapshot is to be read anew afterwards.
    """
    assert order.broker_order_id is not None
    try:
        outcome = call_off(desk, link, order, order.broker_order_id, deadline)
        view = positions.view_of(link, bot.instrument, deadline) if outcome.fills else None
    except BrokerError as error:
        log.warning("order.not_called_off", order=str(order.id), error=str(error))
        return
    book(desk, order, bot, outcome, view, is_called_off=True)


def book(
    desk: Desk,
    order: Order,
    bot: Bot,
    outcome: orders.Outcome,
    view: BrokerView | None,
    *,
    is_called_off: bool = False,
) -> Snapshot:
    """Store an outcome from the bot's seat; after new fills the position is the one in the view.

    `is_called_off` says that the desk itself ended the order, for an event that is decided next: the target
    is that event's to change.
    """
    while True:
        before = stored(bot.id)
        try:
            with transaction.atomic():
                return _book_once(desk, order, bot, outcome, before, view, is_called_off)
        except Stale:
            continue


def book_with_closing(
    desk: Desk, order: Order, bot: Bot, outcome: orders.Outcome, view: BrokerView | None
) -> tuple[Snapshot, Order | None]:
    """Book an outcome as `book` does, and in one with it the closing that the order leaves to be sent.

    Returns the bot and that closing, None where there is none or it was written before.
    """
    with transaction.atomic():
        after = book(desk, order, bot, outcome, view)
        return after, owed_closings.put_down(order, after, desk.now())


def _book_once(
    desk: Desk,
    order: Order,
    bot: Bot,
    outcome: orders.Outcome,
    before: Snapshot,
    view: BrokerView | None,
    is_called_off: bool,
) -> Snapshot:
    now = desk.now()
    new_fills = orders.record(order, outcome, bot, now)
    orders.record_legs(order, outcome, bot, now)
    after = before
    if view is not None and new_fills:
        after = after_fills(order, before, view, sum(fill.signed_quantity for fill in new_fills), now)
    roll_openings.end_with(order, now)
    if not is_called_off and _gives_up_target(order, after):
        after = _given_up(order, bot, before, after, now)
    if after is not before:
        booking.store(before, after)
    booking.watch_order(order, bot, now)
    if order.settled_at is not None:
        booking.watch_target(bot, after, now=now, why=order.note or order.status)
    return after


def _given_up(order: Order, bot: Bot, before: Snapshot, after: Snapshot, now: datetime) -> Snapshot:
    """Return the bot with its target given up, as far as the order was one to bring it there."""
    if order.decision is not None:
        is_refused = order.status in booking.REFUSED
        code = Reason.BROKER_REJECTED if is_refused else Reason.ORDER_UNCONFIRMED
        memory = stood_down(after.memory, order.decision.alert, code)
    elif roll_openings.is_of_roll(order):
        roll_openings.note_half_done(order, bot, now)
        memory = stood_down_by(after.memory, f"roll|{order.id}", Reason.CONTRACT_ROLLED)
    else:
        return after
    return booking.give_up(before, after, memory, now)


def after_fills(order: Order, before: Snapshot, view: BrokerView, filled: int, now: datetime) -> Snapshot:
    """Return the bot after new fills: holding what the broker shows, as far as orders explain it."""
    after = booking.as_held(before, view, now)
    if before.quantity and before.contract != order.contract:
        return after
    held, expected = view.quantity_in(order.contract), before.quantity + filled
    if held in (before.quantity, expected):
        # A closing sized from the broker may have counted the fills.
        return after
    # The rest is somebody else's trade.
    contract = order.contract if expected else ""
    return before.changed(now, quantity=expected, average_price=after.average_price, contract=contract)


def _gives_up_target(order: Order, snapshot: Snapshot) -> bool:
    """Tell whether an order is over and nothing takes the bot to its target any more.

    The opening toward it came to nothing, or the order filled after an event that wanted to stay.
    """
    target = snapshot.state.position
    if order.settled_at is None or target in (Direction.NONE, snapshot.held):
        return False
    return not Order.objects.unfinished().filter(bot=order.bot).exists()
