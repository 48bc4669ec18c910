"""The opening of a roll: written with the closing before it, and what is left where it does not come."""

from datetime import datetime

from tradedesk.models import Bot, IncidentKind, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services import incidents
from tradedesk.services.order_path import orders


def waiting_for(closing: Order, contract: str, quantity: int, now: datetime) -> Order:
    """Return the opening of signed contracts that waits for a closing of a roll, not yet written."""
    return Order(
        account=closing.account,
        bot=closing.bot,
        purpose=OrderPurpose.OPEN,
        contract=contract,
        side=OrderSide.BUY if quantity > 0 else OrderSide.SELL,
        quantity=abs(quantity),
        client_order_id=orders.id_of_opening_after(closing.client_order_id),
        status=OrderStatus.PENDING,
        created_at=now,
    )


def opening_after(closing: Order) -> Order | None:
    """Return the opening that a roll wrote with a closing, None for a closing of anything else."""
    identity = orders.id_of_opening_after(closing.client_order_id)
    related = Order.objects.select_related("account", "bot__account", "bot__instrument", "decision")
    return related.filter(client_order_id=identity).first()


def is_of_roll(order: Order) -> bool:
    """Tell whether an order is one of the two of a roll: no alert opens or closes for it."""
    if order.decision is not None:
        return False
    return order.purpose == OrderPurpose.OPEN or (
        order.purpose == OrderPurpose.CLOSE and opening_after(order) is not None
    )


def end_with(order: Order, now: datetime) -> None:
    """Deny the opening that waits for a closing which is over and has not filled."""
    is_over = order.settled_at is not None and order.status != OrderStatus.FILLED
    if order.decision is None and order.purpose == OrderPurpose.CLOSE and is_over:
        identity = orders.id_of_opening_after(order.client_order_id)
        Order.objects.filter(client_order_id=identity, status=OrderStatus.PENDING).update(
            status=OrderStatus.DENIED, settled_at=now, note=f"The old month was not closed: {order.status}."
        )


def note_half_done(order: Order, bot: Bot, now: datetime) -> None:
    """Open the incident about a roll that closed the old month and opens nothing, by its last order."""
    what = "opening" if order.purpose == OrderPurpose.OPEN else "closing"
    seen = {what: f"{order} {order.status}", "why": order.note}
    incidents.open_incident(
        IncidentKind.ROLL_HALF_DONE, account=bot.account, bot=bot, subject=bot.slug, seen=seen, now=now
    )
