"""Orders of the port as the bodies of the vendor's commands."""

from collections.abc import Sequence
from typing import Any

from broker.base import OrderRequest, Side
from broker.orders import Leg
from broker.terms import Terms
from broker.tradovate.requests import ModifyOrder, PlaceOco, PlaceOrder, PlaceOso, RestrainedOrderVersion
from broker.tradovate.views import ACTIONS, FORCE_WORDS, ORDER_KINDS


def place_order(order: OrderRequest) -> PlaceOrder:
    return PlaceOrder(**_entry(order))


def place_oso(entry: OrderRequest, legs: Sequence[Leg]) -> PlaceOso:
    """Return an entry with its legs. Raises ValueError unless there is one, or there are two."""
    if len(legs) not in {1, 2}:
        raise ValueError(f"a bracket has one leg or two, not {len(legs)}")
    brackets: dict[str, Any] = {f"bracket{place}": _leg(leg) for place, leg in enumerate(legs, 1)}
    return PlaceOso(**_entry(entry), **brackets)


def place_oco(order: OrderRequest, other: Leg) -> PlaceOco:
    return PlaceOco(**_entry(order), other=_leg(other))


def modify_order(order_id: int, quantity: int, terms: Terms, client_order_id: str) -> ModifyOrder:
    return ModifyOrder(order_id=order_id, order_qty=quantity, **_terms(terms, client_order_id))


def _entry(order: OrderRequest) -> dict[str, Any]:
    return {
        "account_id": order.account_id,
        "account_spec": order.account_name,
        "symbol": order.contract,
        "order_qty": order.quantity,
        **_version(order.side, order.terms, order.client_order_id),
    }


def _leg(leg: Leg) -> RestrainedOrderVersion:
    return RestrainedOrderVersion(**_version(leg.side, leg.terms, leg.client_order_id))


def _version(side: Side, terms: Terms, client_order_id: str) -> dict[str, Any]:
    return {"action": ACTIONS[side], **_terms(terms, client_order_id)}


def _terms(terms: Terms, client_order_id: str) -> dict[str, Any]:
    """Return the fields of terms. Our id goes twice, as commands keep the one and versions the other."""
    return {
        "order_type": ORDER_KINDS[terms.type],
        "price": terms.price,
        "stop_price": terms.stop_price,
        "peg_difference": terms.trail,
        "time_in_force": FORCE_WORDS[terms.time_in_force],
        "expire_time": terms.expires_at,
        "cl_ord_id": client_order_id,
        "text": client_order_id,
    }
