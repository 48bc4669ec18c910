from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from strategy.types import Direction, Memory
from tradedesk.models import (
    Account,
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
from tradedesk.models.limits import SHARED_CAPS
from tradedesk.services import incidents
from tradedesk.services.halting import trips
from tradedesk.services.order_path import orders, owed_closings
from tradedesk.services.order_path.choosing import stood_down
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.order_path.records import Records, unchanged
from tradedesk.stores import lease, rows
from tradedesk.stores.positions import Snapshot, Unreadable, stored
from tradedesk.stores.rows import Stale, Statement

REFUSED = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELLED)


def store(before: Snapshot, after: Snapshot) -> None:
    """Write the bot's next version. Raises Stale unless the database still has the version before it."""
    rows.write(*_next_version(before, after))


def outdate(bot: Bot, now: datetime) -> bool:
    """Let nobody claim an order for what was read of a bot before; False where somebody just changed it.

    A bot whose memory cannot be read decides nothing anyway.
    """
    try:
        before = stored(bot.id)
        store(before, before.changed(now))
    except Unreadable:
        return True
    except Stale:
        return False
    return True


def write(
    bot: Bot,
    before: Snapshot,
    after: Snapshot,
    decision: Decision | None,
    order: Order,
    records: Records,
    others: Sequence[Order] = (),
) -> None:
    """Write an order, claimed to be sent at once, with its decision and the bot's next version.

    `others` are orders that go with it, or that wait for it.

    Raises Stale when the bot is not at that version any more, or the records are not those that the order
    was let pass on: trading halted in between, say, or another bot took what an account's cap left.
    """
    decided = [rows.insertion(decision)] if decision else []
    placed = [rows.insertion(row) for row in (order, *others)]
    is_opening = order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE)
    claim = claim_of(bot.account) if is_opening else []
    rows.write(
        *lease.proof(), *claim, unchanged(bot, records), *_next_version(before, after), *decided, *placed
    )


def claim_of(account: Account) -> list[Statement]:
    """Return what lets one opening at a time leave an account with a cap that its bots share.

    Each reckoned with what the account held and had at work; the second one has to reckon again.
    """
    if not account.is_limited(*SHARED_CAPS):
        return []
    seen = {"id": account.pk, "claims": account.claims}
    # Before the trading states, as reconciliation locks them: the other way round two could wait in a ring.
    return [rows.change(Account, seen, {"claims": account.claims + 1})]


def write_idle(before: Snapshot, after: Snapshot, decision: Decision) -> None:
    """Write a decision that sends nothing, with the bot's next version. Raises Stale."""
    rows.write(*lease.proof(), *_next_version(before, after), rows.insertion(decision))


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
    legs: Sequence[Order] = (),
) -> Snapshot:
    """Store an outcome on the order just sent, its legs, its fills and the bot; return the next version.

    A closing that the order leaves to be sent is written with it.

    `was_left` says that the bot's position had no place in its target before this decision already.
    Raises Stale when someone changed the bot in between, or recovery settled the order.
    """
    after = _after_outcome(alert, before, view, order, outcome, now)
    outcomes = [(order, outcome), *orders.outcomes_of_legs(legs, outcome)]
    statements = [
        *(
            rows.change(Order, {"id": sent.id, "status": OrderStatus.SENT}, orders.advance(sent, of_it, now))
            for sent, of_it in outcomes
        ),
        *(rows.insertion(fill) for fill in orders.fill_rows(order, outcome, bot, now)),
        *_next_version(before, after),
    ]
    if closing := owed_closings.owed_after(order, after, now):
        statements.append(rows.insertion(closing))
    # A closing that waits to be sent late leaves the position for now.
    has_come_to_rest = order.settled_at is not None or order.status == OrderStatus.PENDING
    is_watched = has_come_to_rest and (was_left or is_left(after))
    if not is_watched and order.status not in (OrderStatus.UNCONFIRMED, OrderStatus.REJECTED):
        rows.write(*statements)
        return after
    with transaction.atomic():
        rows.write(*statements)
        if order.status == OrderStatus.UNCONFIRMED:
            watch_order(order, bot, now)
        trips.watch_outcome(order, outcome.excess, now)
        if is_watched:
            watch_target(bot, after, now=now, why=order.note or order.status)
    return after


def _next_version(before: Snapshot, after: Snapshot) -> list[Statement]:
    """Return what writes the bot's next version, nothing where it stays at its version."""
    if after is before:
        return []
    columns = after.as_row()
    if after.memory is before.memory:
        # By far the longest, and nothing new: it moves once a decision, not again with the outcome.
        del columns["memory"]
    return [rows.change(BotState, {"bot_id": before.bot_id, "version": before.version}, columns)]


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
    """Return the bot's next version, holding what the broker shows.

    A bot holds one month: the one booked before while the broker holds it, else the one with the most
    contracts. What is held in others beside it is a difference.
    """
    held = view.against(Direction.NONE)
    booked = next((one for one in held if one.contract.name == before.contract), held[0] if held else None)
    return before.changed(
        now,
        quantity=booked.quantity if booked else 0,
        average_price=booked.average_price if booked else None,
        contract=booked.contract.name if booked else "",
    )


def give_up(before: Snapshot, after: Snapshot, memory: Memory, now: datetime) -> Snapshot:
    """Return what follows `before`: what `after` holds, with a memory that has given the target up."""
    return before.changed(
        now,
        memory=memory,
        quantity=after.quantity,
        average_price=after.average_price,
        contract=after.contract,
    )


def open_mismatch(bot: Bot, before: Snapshot, view: BrokerView, now: datetime) -> Incident:
    """Open the incident about a position at the broker that the desk did not book."""
    return incidents.open_incident(
        IncidentKind.POSITION_MISMATCH,
        account=bot.account,
        bot=bot,
        subject=bot.slug,
        seen=view.difference(before.quantity, before.contract),
        now=now,
    )


def _after_outcome(
    alert: Alert, before: Snapshot, view: BrokerView, order: Order, outcome: orders.Outcome, now: datetime
) -> Snapshot:
    """Return the bot after an outcome: the broker's position moved by the fills, or stood down."""
    after = as_held(before, view.moved(order.contract, outcome.fills), now) if outcome.fills else before
    is_opening = order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE)
    if outcome.status not in REFUSED or not is_opening or after.held is before.state.position:
        return after
    denied = outcome.status is OrderStatus.DENIED
    code = Reason.BROKER_UNREACHABLE if denied else Reason.BROKER_REJECTED
    return give_up(before, after, stood_down(after.memory, alert, code), now)
