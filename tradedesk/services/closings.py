from datetime import datetime

from strategy.types import Direction
from tradedesk.models import Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services import orders
from tradedesk.stores.positions import Snapshot

# How often a position is tried to be closed for one decision while the orders for it get lost.
MOST_CLOSINGS = 3


def owed_after(order: Order, held: Snapshot, now: datetime) -> Order | None:
    """Return the closing that an order leaves to be sent, not yet written; None where it leaves none.

    The strategy wants to be flat, and the order is over: a reversal that came to nothing, an opening that
    filled after the strategy had left it, or a closing that got lost. A closing that was refused stays so.
    """
    is_lost_closing = order.purpose == OrderPurpose.CLOSE and order.status == OrderStatus.LOST
    is_over = order.settled_at is not None and order.decision is not None
    if not is_over or not held.quantity or held.state.position is not Direction.NONE:
        return None
    if is_lost_closing:
        return _closing(order, order.side, order.quantity, now) if _may_try_again(order) else None
    if order.purpose not in (OrderPurpose.OPEN, OrderPurpose.REVERSE) or held.contract != order.contract:
        return None
    side = OrderSide.SELL if held.quantity > 0 else OrderSide.BUY
    return _closing(order, side, abs(held.quantity), now)


def put_down(order: Order, held: Snapshot, now: datetime) -> Order | None:
    """Write the closing that an order leaves to be sent, once, and return it where it is new.

    Call it in the transaction that settles the order.
    """
    closing = owed_after(order, held, now)
    if closing is None:
        return None
    Order.objects.bulk_create([closing], ignore_conflicts=True)
    return closing if Order.objects.filter(pk=closing.pk).exists() else None


def _may_try_again(order: Order) -> bool:
    tries = Order.objects.filter(decision=order.decision, purpose=OrderPurpose.CLOSE, contract=order.contract)
    return tries.count() < MOST_CLOSINGS


def _closing(order: Order, side: str, quantity: int, now: datetime) -> Order:
    return Order(
        account=order.account,
        bot=order.bot,
        decision=order.decision,
        purpose=OrderPurpose.CLOSE,
        contract=order.contract,
        side=side,
        quantity=quantity,
        client_order_id=orders.id_of_closing_after(order.client_order_id),
        status=OrderStatus.PENDING,
        created_at=now,
    )
