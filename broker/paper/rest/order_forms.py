"""Bodies of order commands, read into what the book is asked for; what is refused at once is refused here."""

from datetime import datetime
from decimal import Decimal

from broker.paper.engine import terms
from broker.paper.engine.requests import Leg, Origin, RefusedError
from broker.paper.engine.triggers import WAITING
from broker.paper.records.rows import Action, OrderType, OrderVersion, TimeInForce
from broker.paper.rest.forms import LARGEST_I32, Form

LARGEST_ORDER = 100
KNOWN_TYPES = frozenset({*OrderType, "LimitIfTouched", "QTS", "TrailingStopLimit"})
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
UNREGISTERED_TAG = ("OtherExecutionRelated", "Unregisted Tag50")


def read_terms(form: Form, quantity: int) -> OrderVersion | str:
    """Return the terms in a body, or the order type that the paper broker does not carry out."""
    order_type = form.need_text("orderType", KNOWN_TYPES)
    time_in_force = form.text("timeInForce", tuple(TimeInForce))
    expire_time = form.moment("expireTime")
    if time_in_force == TimeInForce.GTD and expire_time is None:
        form.refuse("expireTime", "NotNull", "is required for GTD")
    if order_type not in tuple(OrderType):
        return order_type
    return OrderVersion(
        id=0,
        order_id=0,
        order_qty=quantity,
        order_type=OrderType(order_type),
        price=form.price("price"),
        stop_price=form.price("stopPrice"),
        max_show=form.positive("maxShow", LARGEST_I32),
        peg_difference=form.number("pegDifference"),
        time_in_force=TimeInForce(time_in_force) if time_in_force else None,
        expire_time=expire_time,
        text=form.text("text"),
    )


class Asked:
    """The order and its legs as a body has them, before anything is known of account and contract."""

    def __init__(self, form: Form) -> None:
        self.quantity = form.need_positive("orderQty", LARGEST_I32)
        self.action = form.need_text("action", tuple(Action))
        self.terms = read_terms(form, self.quantity)
        self._is_delayed = form.moment("activationTime") is not None

    def leg(self, form: Form) -> tuple[str, OrderVersion | str, str | None]:
        """Return action, terms and client order id of a leg; it takes the order's quantity."""
        action = form.need_text("action", tuple(Action))
        return action, read_terms(form, self.quantity), form.text("clOrdId")

    def checked_terms(self, tick: Decimal, now: datetime) -> OrderVersion:
        """Return the order's terms. Raises RefusedError for what is refused at once."""
        if self._is_delayed:
            raise RefusedError("Unsupported", "Delayed activation is not supported")
        if self.quantity > LARGEST_ORDER:
            raise RefusedError("MaxOrderQtyLimitReached", "Your maximum order quantity has been met.")
        return checked(self.terms, tick, now)


def checked(asked: OrderVersion | str, tick: Decimal, now: datetime) -> OrderVersion:
    """Return terms that the exchange could take. Raises RefusedError."""
    version = supported(asked)
    refusal = terms.refusal_of(version, tick)
    if refusal:
        raise RefusedError(*refusal)
    if version.expire_time is not None and version.expire_time <= now:
        raise RefusedError("OtherExecutionRelated", "The expire time has passed.")
    return version


def supported(asked: OrderVersion | str) -> OrderVersion:
    """Return terms of a kind that is carried out. Raises RefusedError."""
    if isinstance(asked, str):
        raise RefusedError("Unsupported", f"{asked} orders are not supported")
    if asked.time_in_force in AT_ONCE and asked.order_type in WAITING:
        raise RefusedError("Unsupported", f"{asked.order_type} orders cannot be {asked.time_in_force}")
    return asked


def checked_leg(leg: tuple[str, OrderVersion | str, str | None], tick: Decimal, now: datetime) -> Leg:
    """Return a leg that the exchange could take. Raises RefusedError."""
    action, asked, client_order_id = leg
    return Leg(Action(action), checked(asked, tick, now), client_order_id)


def read_origin(user_id: int, session_id: int, form: Form) -> Origin:
    """Return where a command comes from."""
    return Origin(user_id, session_id, form.flag("isAutomated") or False, form.text("clOrdId"))
