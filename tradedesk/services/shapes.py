"""JSON that more than one entry point answers with: the webhook, the API and the commands."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from tradedesk.models import FlattenWish, Incident, Order, TradingMode
from tradedesk.services.halting.flatten import Flattened
from tradedesk.services.halting.kill_switch import Switch
from tradedesk.services.halting.scopes import stopped_within
from tradedesk.services.halting.trading_state import effective_mode
from tradedesk.services.halting.wishes import open_around

# The words for modes in requests, and in answers about the switch itself.
MODE_WORDS = {"halt": TradingMode.HALTED, "reduce": TradingMode.REDUCING, "flatten": TradingMode.HALTED}
_WORDS = {TradingMode.HALTED: "halt", TradingMode.REDUCING: "reduce", TradingMode.ACTIVE: None}


def plain(price: Decimal | None) -> str | None:
    """Return a price as text without exponent or trailing zeros."""
    if price is None:
        return None
    text = f"{price:.8f}"
    return text.rstrip("0").rstrip(".")


def iso(moment: datetime | None) -> str | None:
    """Return an aware UTC time as ISO-8601 text that ends with Z."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def order_json(order: Order) -> dict[str, Any]:
    """Return an order as the webhook and flatten answer with it. Prices are plain decimal text."""
    return {
        "client_order_id": order.client_order_id,
        "side": order.side,
        "quantity": order.quantity,
        "contract": order.contract,
        "status": order.status,
        "broker_order_id": None if order.broker_order_id is None else str(order.broker_order_id),
        "filled_quantity": order.filled_quantity,
        "average_price": plain(order.average_price),
    }


def switch_json(switch: Switch) -> dict[str, Any]:
    """Return how a switch stands. `trading_state` is the strictest that rules its scope: a wider switch
    counts too. `within` has the narrower scopes that are stopped on their own, `flattening` what is to be
    flat and is not yet.
    """
    return {
        "engaged": switch.engaged,
        "scope": switch.scope,
        "mode": _WORDS[switch.mode],
        "trading_state": effective_mode(switch.scope).value,
        "since": iso(switch.since),
        "by": switch.by,
        "reason": switch.reason,
        "in_flight": switch.in_flight,
        "within": [
            {"scope": state.scope, "trading_state": state.mode, "reason": state.reason}
            for state in stopped_within(switch.scope)
        ],
        "flattening": [wish_json(wish) for wish in open_around(switch.scope)],
    }


def wish_json(wish: FlattenWish) -> dict[str, Any]:
    """Return how far an open flatten is. `positions` is what was held at the last look."""
    return {
        "scope": wish.scope,
        "by": wish.by,
        "reason": wish.reason,
        "since": iso(wish.since),
        "tries": wish.tries,
        "looked_at": iso(wish.looked_at),
        "positions": wish.seen,
    }


def flattened_json(result: Flattened) -> dict[str, Any]:
    """Return how far a flatten came. A position is what was held at the last read, before its closing."""
    return {
        "flat": result.flat,
        "positions": result.positions,
        "orders": [order_json(order) for order in result.orders],
    }


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return what a person must know of an incident."""
    return {
        "id": str(incident.id),
        "kind": incident.kind,
        "account": incident.account.name,
        "bot": incident.bot.slug if incident.bot else None,
        "subject": incident.subject,
        "description": incident.get_kind_display(),
        "seen": incident.seen,
        "blocks": incident.blocks,
        "remedy": incident.remedy,
    }
