from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tradedesk.models import Decision, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services.order_path import orders, owed_closings
from tradedesk.services.order_path.brackets import legs_of
from tradedesk.services.order_path.choosing import Choice
from tradedesk.services.order_path.positions import BrokerView


@dataclass(frozen=True)
class Intents:
    """The orders of one decision, not yet written: the first is sent at once, with its legs if it opens.

    In a reversal with a bracket the first closes, and `opening` waits with the legs until it has. So do the
    closings of other months.
    """

    first: Order
    legs: Sequence[Order] = ()
    opening: Order | None = None
    closings: Sequence[Order] = ()

    @property
    def others(self) -> list[Order]:
        return [*self.closings, *([self.opening] if self.opening else []), *self.legs]


def intents_of(decision: Decision, choice: Choice, view: BrokerView, now: datetime, *, goes: bool) -> Intents:
    """Return the orders that a choice comes to; the first waits too where it does not go now.

    The legs of a bracket take the quantity of their entry, and may only be as many as will be held. So a
    reversal with a bracket is two orders.
    """
    closings = [
        _closing(decision, holding.contract.name, -holding.quantity, now) for holding in choice.others
    ]
    sent_at = now if goes else None
    if choice.bracket is None:
        return Intents(_order(decision, choice, view, 0, now, sent_at), closings=closings)
    if choice.purpose is not OrderPurpose.REVERSE:
        entry = _order(decision, choice, view, 0, now, sent_at)
        return Intents(entry, legs_of(entry, choice.bracket), closings=closings)
    held = view.quantity
    closing_half = replace(choice, quantity=-held, purpose=OrderPurpose.CLOSE)
    opening_half = replace(choice, quantity=choice.quantity + held, purpose=OrderPurpose.OPEN)
    closing = _order(decision, closing_half, view, 0, now, sent_at)
    opening = _order(decision, opening_half, view, 1, now, None)
    opening.position_before = 0
    # Ids of one millisecond are in no order, and whoever goes through them closes first.
    closing.id, opening.id = sorted((closing.id, opening.id))
    return Intents(closing, legs_of(opening, choice.bracket), opening, closings)


def _order(
    decision: Decision,
    choice: Choice,
    view: BrokerView,
    attempt: int,
    now: datetime,
    sent_at: datetime | None,
) -> Order:
    bot = decision.bot
    return Order(
        account=bot.account,
        bot=bot,
        decision=decision,
        purpose=choice.purpose,
        contract=choice.contract,
        side=OrderSide.BUY if choice.quantity > 0 else OrderSide.SELL,
        quantity=abs(choice.quantity),
        client_order_id=orders.client_order_id(bot.id, _key(decision), attempt),
        status=OrderStatus.SENT if sent_at else OrderStatus.PENDING,
        position_before=view.quantity_in(choice.contract),
        created_at=now,
        sent_at=sent_at,
    )


def _closing(decision: Decision, month: str, quantity: int, now: datetime) -> Order:
    identity = orders.client_order_id(decision.bot.id, f"{_key(decision)}|{month}", 0)
    return owed_closings.waiting(decision, decision.bot, month, quantity, identity, now)


def _key(decision: Decision) -> str:
    return decision.alert.event_key or str(decision.alert.id)
