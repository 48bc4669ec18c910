from datetime import datetime

from django.db import transaction
from django.db.models import Q

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
    OrderSide,
    OrderStatus,
    Reason,
)
from tradedesk.services import incidents, orders
from tradedesk.services.choosing import Choice, stood_down
from tradedesk.services.positions import BrokerView
from tradedesk.stores.positions import Snapshot

REFUSED = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELLED)


class Stale(Exception):
    """Someone else changed the bot in between: read again, decide again."""


def store(before: Snapshot, after: Snapshot) -> None:
    """Write the bot's next version. Raises Stale unless the database still has the version before it."""
    if not BotState.objects.filter(bot_id=before.bot_id, version=before.version).update(**after.as_row()):
        raise Stale


def write_decision(
    alert: Alert, bot: Bot, before: Snapshot, choice: Choice, now: datetime
) -> tuple[Snapshot, Decision]:
    """Write a decision with the bot's next version and return both. Raises Stale."""
    after = before
    if choice.memory is not None and choice.memory != before.memory:
        after = before.changed(now, memory=choice.memory)
        store(before, after)
    decision = Decision(
        alert=alert,
        bot=bot,
        action=choice.action,
        reason=choice.reason,
        detail=choice.detail,
        state_before=before.public(),
        state_after=after.public(),
        created_at=now,
    )
    decision.save(force_insert=True)
    return after, decision


def write_intent(decision: Decision, bot: Bot, choice: Choice, client_order_id: str, now: datetime) -> Order:
    """Write an order, claimed at once: whoever finds it as sent later must ask the broker about it."""
    order = Order(
        account=bot.account,
        bot=bot,
        decision=decision,
        purpose=choice.purpose,
        contract=choice.contract,
        side=OrderSide.BUY if choice.quantity > 0 else OrderSide.SELL,
        quantity=abs(choice.quantity),
        client_order_id=client_order_id,
        status=OrderStatus.SENT,
        created_at=now,
        sent_at=now,
    )
    order.save(force_insert=True)
    return order


@transaction.atomic
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
    """Store an outcome on the order, its fills and the bot; return the bot's next version. Raises Stale.

    `was_left` says that the bot's position had no place in its target before this decision already.
    """
    orders.record(order, outcome, bot, now)
    after = _after_outcome(alert, before, view, order, outcome, now)
    if after is not before:
        store(before, after)
    if order.status == OrderStatus.UNCONFIRMED:
        watch_order(order, bot, now)
    if order.settled_at is not None and (was_left or is_left(after)):
        watch_target(bot, after, now=now, why=order.note or order.status)
    return after


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


def open_kinds(bot: Bot) -> set[str]:
    """Return the kinds of the open incidents that concern the bot or its whole account."""
    mine = Incident.objects.filter(Q(bot=bot) | Q(bot=None), account=bot.account, closed_at=None)
    return set(mine.values_list("kind", flat=True))


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
