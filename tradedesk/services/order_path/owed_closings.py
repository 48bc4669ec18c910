from datetime import datetime

from strategy.types import Direction
from tradedesk.models import Bot, Decision, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services.order_path import orders
from tradedesk.stores.positions import Snapshot

# How often a position is tried to be closed for one decision while the orders for it get lost.
MOST_CLOSINGS = 3


def waiting(
    decision: Decision, bot: Bot, contract: str, quantity: int, client_order_id: str, now: datetime
) -> Order:
    """Return a closing of signed contracts that waits to be sent, not yet written."""
    return Order(
        account=bot.account,
        bot=bot,
        decision=decision,
        purpose=OrderPurpose.CLOSE,
        contract=contract,
        side=OrderSide.BUY if quantity > 0 else OrderSide.SELL,
        quantity=abs(quantity),
        client_order_id=client_order_id,
        status=OrderStatus.PENDING,
        created_at=now,
    )


def owed_after(order: Order, held: Snapshot, now: datetime) -> Order | None:
    """Return the closing that an order leaves to be sent, not yet written; None where it leaves none.

    The strategy wants to be flat, and the order is over: a reversal that came to nothing, an opening that
    filled after the strategy had left it, or a closing that got lost. A closing that was refused stays so,
    but for one that no decision asked for: an exit was held back while its end was not known.
    """
    is_over = order.settled_at is not None and held.state.position is Direction.NONE
    if not is_over or not held.quantity or order.bot is None:
        return None
    quantity = 0
    if order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE) and held.contract == order.contract:
        quantity = -held.quantity
    elif order.purpose == OrderPurpose.CLOSE and _may_try_again(order):
        quantity = order.signed_quantity
    if not quantity:
        return None
    decision = order.decision or _decision_since(order)
    if decision is None:
        return None
    identity = orders.id_of_closing_after(order.client_order_id)
    return waiting(decision, order.bot, order.contract, quantity, identity, now)


def put_down(order: Order, held: Snapshot, now: datetime) -> Order | None:
    """Write the closing that an order leaves to be sent, once, and return it where it is new.

    Call it in the transaction that settles the order.
    """
    closing = owed_after(order, held, now)
    if closing is None:
        return None
    Order.objects.bulk_create([closing], ignore_conflicts=True)
    return closing if Order.objects.filter(pk=closing.pk).exists() else None


def _decision_since(order: Order) -> Decision | None:
    """Return the last decision of the bot since an order that a person or a rule asked for."""
    return Decision.objects.filter(bot=order.bot, created_at__gte=order.created_at).order_by("-id").first()


def _may_try_again(order: Order) -> bool:
    if order.decision is None:
        return order.status != OrderStatus.FILLED
    if order.status != OrderStatus.LOST:
        return False
    tries = Order.objects.filter(decision=order.decision, purpose=OrderPurpose.CLOSE, contract=order.contract)
    return tries.count() < MOST_CLOSINGS
