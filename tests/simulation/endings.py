from collections.abc import Iterator, Sequence

from django.db.models import Q

from broker.paper.records.rows import OrdStatus
from strategy.types import Direction
from tests.simulation.venue import Venue
from tradedesk.models import (
    Alert,
    AlertOutcome,
    Bot,
    Decision,
    FlattenWish,
    Incident,
    IncidentKind,
    Order,
    OrderStatus,
    TradingMode,
    TradingState,
)
from tradedesk.stores.positions import stored

ENDS = {
    OrdStatus.FILLED: OrderStatus.FILLED,
    OrdStatus.CANCELED: OrderStatus.CANCELLED,
    OrdStatus.REJECTED: OrderStatus.REJECTED,
}


def complaints(venue: Venue, bots: Sequence[Bot]) -> Iterator[str]:
    """Yield what is not as it must be once everything is quiet."""
    accepted = Alert.objects.filter(outcome=AlertOutcome.ACCEPTED).count()
    decided = Decision.objects.count()
    if decided != accepted * len(bots):
        yield f"{accepted} alerts for {len(bots)} bots, {decided} decisions"
    # A halt that came after a flatten stops it, and so does an order that may fill still, until a person
    # tells what became of it. Both say so.
    is_halted = TradingState.objects.filter(mode=TradingMode.HALTED).exists()
    is_in_doubt = Incident.objects.filter(closed_at=None, kind=IncidentKind.ORDER_UNCONFIRMED).exists()
    for wish in () if is_halted or is_in_doubt else FlattenWish.objects.filter(ended_at=None):
        yield f"{wish} is not done: {wish.seen}"
    for order in Order.objects.all():
        yield from _about_order(venue, order)
    for bot in bots:
        yield from _about_bot(venue, bot)


def _about_order(venue: Venue, order: Order) -> Iterator[str]:
    """An order that arrived ended as it did at the broker; one that did not has an end of its own."""
    at_broker = venue.order_of(order.client_order_id)
    if order.settled_at is None:
        subject = {"kind": IncidentKind.ORDER_UNCONFIRMED, "subject": order.client_order_id}
        if not Incident.objects.filter(closed_at=None, **subject).exists():
            yield f"{order} ({order.status}) has no end and no incident"
    elif at_broker is None:
        if order.status not in (OrderStatus.LOST, OrderStatus.DENIED, OrderStatus.REJECTED):
            yield f"{order} is {order.status} and never arrived"
    # One that a person declared lost may not be: the position shows it.
    elif not order.note.startswith("Declared lost by"):
        end, filled = ENDS.get(at_broker.ord_status), venue.book.orders.filled(at_broker.id)
        if (order.status, order.filled_quantity) != (end, filled):
            here = f"{order.status} here with {order.filled_quantity} filled"
            yield f"{order} is {here}, {end} at the broker with {filled}"


def _about_bot(venue: Venue, bot: Bot) -> Iterator[str]:
    """What is held is booked and is the target, or an open incident says why not."""
    held, snapshot = venue.held(venue.account_id(bot.account.broker_account)), stored(bot.id)
    target = snapshot.state.position
    own = Q(bot=bot) | Q(bot=None, account=bot.account)
    is_explained = Incident.objects.filter(own, closed_at=None).exists()
    if not is_explained and (held != snapshot.quantity or Direction.of(held) is not target):
        figures = f"the broker holds {held}, booked {snapshot.quantity}, target {target}"
        yield f"{bot}: {figures}, and no incident says why"
