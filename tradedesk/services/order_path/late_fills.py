from datetime import timedelta

from django.db import transaction

from broker.base import OrderReport
from tradedesk.models import Bot, Order, OrderStatus
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.order_path import legs, orders, owed_closings, settling
from tradedesk.services.order_path.positions import BrokerView

# No order list of the broker's reaches further back than its session.
LOOK_BACK = timedelta(hours=24)


def book_late_fills(desk: Desk, link: Link, bot: Bot, view: BrokerView, deadline: Deadline) -> None:
    """Book what shows as filled of a bot's cancelled orders by now, from its seat.

    Only where the broker lists the order under our id. A closing that such a fill leaves to be sent waits for
    recovery. Raises BrokerError.
    """
    over = Order.objects.filter(
        bot=bot, status=OrderStatus.CANCELLED, settled_at__gte=desk.now() - LOOK_BACK
    ).select_related("decision__alert")
    ours = {(order.broker_order_id, order.client_order_id): order for order in over}
    if not ours:
        return
    for found in link.broker.orders(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S)):
        order = ours.get((found.id, found.client_order_id))
        if order is not None and found.filled_quantity > order.filled_quantity:
            report = OrderReport(found.id, found.status, found.fills, found.reject_reason)
            _book(desk, bot, order, orders.outcome_of(report, order, order.acknowledged_at), view)


def _book(desk: Desk, bot: Bot, order: Order, outcome: orders.Outcome, view: BrokerView) -> None:
    if order.is_leg:
        legs.book(desk, bot, order, outcome, view)
        return
    with transaction.atomic():
        after = settling.book(desk, order, bot, outcome, view)
        owed_closings.put_down(order, after, desk.now())
