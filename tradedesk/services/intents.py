from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tradedesk.models import Order, OrderPurpose, OrderStatus
from tradedesk.services.brackets import legs_of
from tradedesk.services.choosing import Choice


@dataclass(frozen=True)
class Intents:
    """The orders of one decision: the first is sent at once, with its legs if it opens.

    In a reversal with a bracket the first closes, and `opening` waits with the legs until it has.
    """

    first: Order
    legs: Sequence[Order] = ()
    opening: Order | None = None

    @property
    def others(self) -> list[Order]:
        return [*([self.opening] if self.opening else []), *self.legs]


def intents_of(choice: Choice, held: int, make: Callable[[Choice, int], Order]) -> Intents:
    """Return the orders, not yet written, that a choice comes to; `make` builds one from its attempt number.

    The legs of a bracket take the quantity of their entry, and may only be as many as will be held. So a
    reversal with a bracket is two orders.
    """
    if choice.bracket is None:
        return Intents(make(choice, 0))
    if choice.purpose is not OrderPurpose.REVERSE:
        entry = make(choice, 0)
        return Intents(entry, legs_of(entry, choice.bracket))
    closing = make(replace(choice, quantity=-held, purpose=OrderPurpose.CLOSE), 0)
    opening = make(replace(choice, quantity=choice.quantity + held, purpose=OrderPurpose.OPEN), 1)
    # Ids of one millisecond are in no order, and whoever goes through them closes first.
    closing.id, opening.id = sorted((closing.id, opening.id))
    opening.status, opening.sent_at, opening.position_before = OrderStatus.PENDING, None, 0
    return Intents(closing, legs_of(opening, choice.bracket), opening)
