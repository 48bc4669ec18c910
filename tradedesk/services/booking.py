from datetime import datetime

from django.db import transaction

from strategy import holdings
from tradedesk.models import (
    Alert,
    Bot,
    BotState,
    Decision,
    Incident,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
)
from tradedesk.services import incidents, orders
from tradedesk.services.choosing import stood_down
from tradedesk.services.positions import BrokerView
from tradedesk.services.records import Records, query
from tradedesk.stores import rows
from tradedesk.stores.positions import Snapshot
from tradedesk.stores.rows import Statement

REFUSED = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELLED)


class Stale(Exception):
    """Someone else changed the bot in between: read again, decide again."""


class Surprised(Exception):
    """The trading state, open orders or open incidents are not as assumed: read them, decide again."""


class Settled(Exception):
    """Recovery settled the order in between: read it anew."""


def store(before: Snapshot, after: Snapshot) -> None:
    """Write the bot's next version. Raises Stale unless the database still has the version before it."""
    if not rows.run(_next_version(before, after))[0]:
        raise Stale


def store_decision(before: Snapshot, after: Snapshot, decision: Decision) -> None:
    """Write a decision that sends nothing, with the bot's next version. Raises Stale."""
    statements = [rows.insertion(decision)]
    if after is not before:
        statements.append(_next_version(before, after))
    results = rows.run(*statements)
    if after is not before and not results[-1]:
        raise Stale


def write(
    bot: Bot,
    before: Snapshot,
    after: Snapshot,
    *,
    decision: Decision | None,
    order: Order | None,
    records: Records,
) -> None:
    """Write a decision, the bot's next version, and the order that follows, claimed to be sent at once.

    Call it in a transaction. Raises Stale when someone changed the bot in between, Surprised when the
    records are not those that the decision was made on.
    """
    statements = {
        "records": query(bot),
        "bot": _next_version(before, after) if after is not before else None,
        "decision": rows.insertion(decision) if decision else None,
        "order": rows.insertion(order) if order else None,
    }
    wanted = {name: statement for name, statement in statements.items() if statement}
    results = dict(zip(wanted, rows.run(*wanted.values()), strict=True))
    if results.get("bot") == []:
        raise Stale
    if not records.agree_with(results["records"], bot):
        raise Surprised


def book(
    alert: Alert,
    bot: Bot,
    before: Snapshot,
    view: BrokerView,
    order: Order,
    outcome: orders.Outcome,
    now: datetime,
    *,
    was_left: bool,
) -> Snapshot:
    """Store an outcome on the order just sent, its fills and the bot; return the bot's next version.

    `was_left` says that the bot's position had no place in its target before this decision already.
    Raises Stale when someone changed the bot in between, Settled when recovery was quicker.
    """
    after = _after_outcome(alert, before, view, order, outcome, now)
    fills = [rows.insertion(fill) for fill in orders.fill_rows(order, outcome, bot, now)]
    sent = {"id": order.id, "status": OrderStatus.SENT}
    with transaction.atomic():
        statements = [rows.change(Order, sent, orders.advance(order, outcome, now)), *fills]
        if after is not before:
            statements.append(_next_version(before, after))
        results = rows.run(*statements)
        if not results[0]:
            raise Settled
        if after is not before and not results[-1]:
            raise Stale
        if order.status == OrderStatus.UNCONFIRMED:
            watch_order(order, bot, now)
        if order.settled_at is not None and (was_left or is_left(after)):
            watch_target(bot, after, now=now, why=order.note or order.status)
    return after


def _next_version(before: Snapshot, after: Snapshot) -> Statement:
    return rows.change(BotState, {"bot_id": before.bot_id, "version": before.version}, after.as_row())


def is_left(snapshot: Snapshot) -> bool:
    """Tell whether a position is held that the strategy has left."""
    return snapshot.quantity != 0 and snapshot.held is not snapshot.state.position


def watch_target(bot: Bot, snapshot: Snapshot, *, now: datetime, why: str = "") -> None:
    """Keep the incident about a position that the strategy has left in step with the bot."""
    if is_left(snapshot):
        incidents.open_incident(
            IncidentKind.UNHELD_TARGET,
            account=bot.account,
            bot=bot,
            subject=bot.slug,
            seen={"held": snapshot.quantity, "target": snapshot.state.position.value, "why": why},
            now=now,
        )
    else:
        reason = "The target is held."
        incidents.close_by_subject(IncidentKind.UNHELD_TARGET, bot.slug, now=now, reason=reason)


def watch_order(order: Order, bot: Bot, now: datetime) -> None:
    """Keep the incident about an order without a known outcome in step with the order."""
    if order.status == OrderStatus.UNCONFIRMED:
        incidents.open_incident(
            IncidentKind.ORDER_UNCONFIRMED,
            account=bot.account,
            bot=bot,
            subject=order.client_order_id,
            seen={"order": str(order.id), "note": order.note},
            now=now,
        )
    else:
        reason = f"The order is {order.get_status_display().lower()}."
        incidents.close_by_subject(
            IncidentKind.ORDER_UNCONFIRMED, order.client_order_id, now=now, reason=reason
        )


def as_held(before: Snapshot, view: BrokerView, now: datetime) -> Snapshot:
    """Return the bot's next version, holding what the broker shows."""
    largest = view.largest()
    return before.changed(
        now,
        quantity=view.quantity,
        average_price=largest.average_price if largest else None,
        contract=largest.contract.name if largest else "",
    )


def open_mismatch(bot: Bot, booked: int, held: int, now: datetime) -> Incident:
    """Open the incident about a position at the broker that the desk did not book."""
    return incidents.open_incident(
        IncidentKind.POSITION_MISMATCH,
        account=bot.account,
        bot=bot,
        subject=bot.slug,
        seen={"broker": held, "booked": booked},
        now=now,
    )


def _after_outcome(
    alert: Alert, before: Snapshot, view: BrokerView, order: Order, outcome: orders.Outcome, now: datetime
) -> Snapshot:
    """Return the bot after an outcome: the broker's position moved by the fills, or stood down."""
    if outcome.fills:
        largest = view.largest()
        quantity, price = view.quantity, largest.average_price if largest else None
        for fill in outcome.fills:
            quantity, price = holdings.apply_fill(quantity, price, fill.signed_quantity, fill.price)
        contract = order.contract if quantity else ""
        return before.changed(now, quantity=quantity, average_price=price, contract=contract)
    if outcome.status in REFUSED and order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE):
        denied = outcome.status is OrderStatus.DENIED
        code = Reason.BROKER_UNREACHABLE if denied else Reason.BROKER_REJECTED
        return before.changed(now, memory=stood_down(before.memory, alert, code))
    return before
