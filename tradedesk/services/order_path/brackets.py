"""The stop and the target that go to the broker with an opening, as intents and as what became of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from broker.base import OrderRequest, Side
from broker.orders import Leg, PlacedBracket
from broker.terms import AT_MARKET, OrderType, Terms, TimeInForce
from strategy.brackets import Bracket, bracket
from strategy.types import Direction
from tradedesk.models import Bot, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.models.ids import new_id
from tradedesk.services.desk import Link


def bracket_of(bot: Bot, reference: Decimal | None, side: Direction) -> Bracket | None:
    """Return the prices that close a position of the bot; None where it has no stop, or that no price."""
    if reference is None or bot.stop_points is None:
        return None
    return bracket(reference, side, bot.stop_points, bot.target_points, bot.instrument.tick_size)


def legs_of(entry: Order, prices: Bracket) -> list[Order]:
    """Return the stop, and the target if there is one, that go with an opening, not yet written."""
    assert entry.bot is not None
    return legs_for(
        entry.bot,
        prices,
        entry=entry,
        contract=entry.contract,
        held=entry.signed_quantity,
        name=entry.client_order_id,
        status=OrderStatus(entry.status),
        now=entry.created_at,
    )


def legs_for(
    bot: Bot,
    prices: Bracket,
    *,
    entry: Order | None,
    contract: str,
    held: int,
    name: str,
    status: OrderStatus,
    now: datetime,
) -> list[Order]:
    """Return the stop, and the target if there is one, that close `held` signed contracts, not yet written.

    Our ids of them begin with `name`.
    """
    wanted = {OrderPurpose.STOP: prices.stop, OrderPurpose.TARGET: prices.target}
    ids = sorted(new_id() for _ in wanted)
    return [
        Order(
            id=identity,
            account=bot.account,
            bot=bot,
            entry=entry,
            purpose=purpose,
            contract=contract,
            side=OrderSide.SELL if held > 0 else OrderSide.BUY,
            quantity=abs(held),
            price=price,
            client_order_id=f"{name}-{purpose.value}",
            status=status,
            created_at=now,
            sent_at=now if status is OrderStatus.SENT else None,
        )
        for identity, (purpose, price) in zip(ids, wanted.items(), strict=True)
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
