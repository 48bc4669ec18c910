from dataclasses import replace

from django.db import transaction

from strategy import gate
from strategy.machine import cause
from strategy.types import Direction
from tradedesk.models import Account, Alert, Bot, Order, OrderPurpose, OrderStatus, Reason, TradingMode
from tradedesk.models.orders import LEGS
from tradedesk.services.desk import Deadline, Desk, Link
from tradedesk.services.halting.trading_state import mode_for_claim, mode_for_closing, was_halted_since
from tradedesk.services.order_path import booking, legs, orders
from tradedesk.services.order_path.choosing import facts_for
from tradedesk.services.order_path.positions import BrokerView, view_of
from tradedesk.services.order_path.records import records_of
from tradedesk.stores import rows
from tradedesk.stores.positions import Busy, Snapshot, stored
from tradedesk.stores.rows import Stale


def send_late(
    desk: Desk, link: Link, order: Order, bot: Bot, view: BrokerView, deadline: Deadline
) -> orders.Outcome:
    """Send an order that waits and was proven not to have left, while it still fits what the broker shows.

    Its legs go along, after those at the broker went away. An opening must be young enough too; a closing is
    sized anew. Raises Busy when another process sends it, or when legs or another closing have to end first,
    and BrokerError.
    """
    view = _without_legs(desk, link, order, bot, view, deadline)
    with transaction.atomic():
        refusal = _refusal(desk, order, bot, view)
        if refusal:
            return orders.Outcome(OrderStatus.DENIED, note=refusal)
        claimed, now = desk.monotonic(), desk.now()
        waiting = Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING)
        held = view.quantity_in(order.contract)
        if not waiting.update(
            status=OrderStatus.SENT, sent_at=now, position_before=held, quantity=order.quantity
        ):
            raise Busy
        along = list(Order.objects.open_legs().filter(entry=order))
        Order.objects.filter(pk__in=[leg.pk for leg in along]).update(status=OrderStatus.SENT, sent_at=now)
        order.status, order.sent_at, order.position_before = OrderStatus.SENT, now, held
    price = order.decision.alert.close if order.decision else None
    return orders.send(desk, link, order, price, claimed, deadline, along)


def _without_legs(
    desk: Desk, link: Link, order: Order, bot: Bot, view: BrokerView, deadline: Deadline
) -> BrokerView:
    """Put the legs at the broker away before an order, and return what is held then.

    Only for an order that may really leave: a position whose closing is refused keeps its stop.
    """
    if not legs.at_broker(bot):
        return view
    with transaction.atomic():
        refusal = _refusal(desk, order, bot, view)
        # It is only asked: what it claims is claimed when the order leaves.
        transaction.set_rollback(True)
    if refusal:
        return view
    if not legs.clear(desk, link, bot, deadline):
        return view
    return view_of(link, bot.instrument, deadline)


def _refusal(desk: Desk, order: Order, bot: Bot, view: BrokerView) -> str:
    """Return why an order that waited must not go any more, "" when it may."""
    is_closing = order.purpose == OrderPurpose.CLOSE
    asked_at = order.decision.created_at if order.decision else order.created_at
    is_owed = is_closing and _was_decided(order)
    if is_owed:
        mode = mode_for_closing(bot.account, bot, asked_at)
    elif is_closing:
        mode = mode_for_claim(bot.account, bot)
    else:
        # Before the trading states: the other way round it and a reconciliation could wait for each other.
        _claim(bot.account)
        mode = mode_for_claim(bot.account, bot)
    snapshot = stored(bot.id)
    target = snapshot.state.position
    held = view.quantity_in(order.contract) if is_closing else view.quantity
    if Direction.of(held) is target:
        return f"Not sent late: the broker holds {held}, which is the target by now."
    after = held + order.signed_quantity
    # A risk makes the size of one opening, which then starts from flat.
    size = bot.size if bot.risk_percent is None else order.quantity
    fits = is_closing or (abs(after) == size and Direction.of(after) is target)
    was_halted = was_halted_since(asked_at, bot.account, bot, is_owed=is_owed)
    if not is_closing and not was_halted and _waits_for_its_closing(desk, order, snapshot):
        raise Busy("the closing before it has no end yet")
    if not fits:
        return f"Not sent late: {mode.label}, the target is {target.value}, the broker holds {held}."
    if not is_closing and view.to_trade is not None and view.to_trade.name != order.contract:
        return f"Not sent late: the month to trade is {view.to_trade.name} by now."
    if was_halted:
        return "Not sent late: trading was halted meanwhile."
    refuse = _refusal_of_closing if is_closing else _refusal_of_opening
    alert = order.decision.alert if order.decision else None
    refusal = refuse(desk, order, alert, bot, snapshot, view, mode)
    return f"Not sent late: {refusal.code}, {refusal.figures}." if refusal else ""


def _was_decided(closing: Order) -> bool:
    """Tell whether a closing does what its decision asked for. One that undoes it follows a later refusal."""
    if closing.decision is None:
        return True
    trades = closing.decision.orders.exclude(purpose__in=LEGS).order_by("created_at", "id")
    return trades.values_list("side", flat=True)[0] == closing.side


def _waits_for_its_closing(desk: Desk, order: Order, snapshot: Snapshot) -> bool:
    """Tell whether the closing half of an opening may still fill, and the opening is wanted and young."""
    event = cause(snapshot.memory)
    if event is None or snapshot.state.position is not Direction.of(order.signed_quantity):
        return False
    age_s = (desk.now() - event.fired_at).total_seconds()
    is_young = desk.max_alert_age_s == 0 or age_s <= desk.max_alert_age_s
    closings = Order.objects.unfinished().filter(decision=order.decision, purpose=OrderPurpose.CLOSE)
    return is_young and order.decision is not None and closings.exists()


def _refusal_of_opening(
    desk: Desk,
    order: Order,
    alert: Alert | None,
    bot: Bot,
    snapshot: Snapshot,
    view: BrokerView,
    mode: TradingMode,
) -> gate.Check | None:
    """Return what the gate has against an opening that waited, None when it lets it pass."""
    records = records_of(bot)
    others = [other for other in records.unfinished if other.pk != order.pk]
    records = replace(records, unfinished=others)
    facts = facts_for(desk, alert, bot, snapshot, snapshot.memory, view, records, desk.now())
    facts = replace(facts, order=order.signed_quantity, mode=mode.value)
    if alert is None:
        # A roll: the person who confirmed it is the event, and what a risk made of it once goes as it is.
        age_s = round((desk.now() - order.created_at).total_seconds(), 3)
        facts = replace(facts, size=order.quantity, age_s=age_s)
    return gate.refusal(gate.opening_checks(facts))


def _refusal_of_closing(
    desk: Desk,
    order: Order,
    alert: Alert | None,
    bot: Bot,
    snapshot: Snapshot,
    view: BrokerView,
    mode: TradingMode,
) -> gate.Check | None:
    """Give a closing that waited the size of what is held; return what the gate has against it, or None."""
    held = view.quantity_in(order.contract)
    if order.signed_quantity * held < 0:
        order.quantity = abs(held)
    records = records_of(bot)
    others = [other for other in records.unfinished if other.pk != order.pk]
    # Another closing that waits holds none up: two of them would wait for each other.
    at_work = [other for other in others if other.status != OrderStatus.PENDING]
    records = replace(records, unfinished=[other for other in at_work if other.contract == order.contract])
    facts = facts_for(desk, alert, bot, snapshot, snapshot.memory, view, records, desk.now())
    facts = replace(facts, held=held, order=order.signed_quantity, mode=mode.value)
    refusal = gate.refusal(gate.closing_checks(facts))
    if refusal is not None and refusal.code == Reason.ORDER_UNCONFIRMED:
        raise Busy("another closing has no end yet")
    return refusal


def _claim(account: Account) -> None:
    """Claim the right to open on an account whose bots share a cap. Raises Busy: another bot was faster."""
    try:
        if claim := booking.claim_of(account):
            rows.write(*claim)
    except Stale as change:
        raise Busy from change
