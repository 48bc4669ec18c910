"""The stop and the target that go to the broker with an opening, as intents and as what became of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from broker.base import OrderRequest, Side
from broker.orders import Leg, PlacedBracket
from broker.terms import AT_MARKET, OrderType, Terms, TimeInForce
from strategy.brackets import Bracket, bracket
from strategy.types import Direction
from tradedesk.models import Bot, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services.desk import Link

OTHER_SIDE = {OrderSide.BUY: OrderSide.SELL, OrderSide.SELL: OrderSide.BUY}


def bracket_of(bot: Bot, reference: Decimal | None, side: Direction) -> Bracket | None:
    """Return the prices that close a position of the bot; None where it has no stop, or that no price."""
    if reference is None or bot.stop_points is None:
        return None
    return bracket(reference, side, bot.stop_points, bot.target_points, bot.instrument.tick_size)


def legs_of(entry: Order, prices: Bracket) -> list[Order]:
    """Return the stop, and the target if there is one, of an opening, not yet written."""
    wanted = {OrderPurpose.STOP: prices.stop, OrderPurpose.TARGET: prices.target}
    return [
        Order(
            account=entry.account,
            bot=entry.bot,
            entry=entry,
            purpose=purpose,
            contract=entry.contract,
            side=OTHER_SIDE[OrderSide(entry.side)],
            quantity=entry.quantity,
            price=price,
            client_order_id=f"{entry.client_order_id}-{purpose.value}",
            status=entry.status,
            created_at=entry.created_at,
            sent_at=entry.sent_at,
        )
        for purpose, price in wanted.items()
        if price is not None
    ]


def terms_of(order: Order) -> Terms:
    """Return what an order asks of the market. Legs outlive the session: so does the position."""
    if order.purpose == OrderPurpose.STOP:
        return Terms(OrderType.STOP, stop_price=order.price, time_in_force=TimeInForce.GTC)
    if order.purpose == OrderPurpose.TARGET:
        return Terms(OrderType.LIMIT, price=order.price, time_in_force=TimeInForce.GTC)
    return AT_MARKET


def submit(link: Link, message: OrderRequest, legs: Sequence[Order], timeout_s: float) -> PlacedBracket:
    """Send an order once, with what goes with it: legs with an opening, the target with a stop alone."""
    if not legs:
        return PlacedBracket(link.broker.submit(message, timeout_s=timeout_s), ())
    others = [Leg(Side(leg.side), terms_of(leg), leg.client_order_id) for leg in legs]
    if message.terms is AT_MARKET:
        return link.broker.submit_bracket(message, others, timeout_s=timeout_s)
    order_id, other_id = link.broker.submit_pair(message, others[0], timeout_s=timeout_s)
    return PlacedBracket(order_id, (other_id,))
