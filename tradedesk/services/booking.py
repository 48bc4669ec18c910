from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from strategy import holdings
from tradedesk.models import (
    Account,
    Alert,
    Bot,
    BotState,
    Decision,
    Fill,
    Incident,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
)
from tradedesk.models.limits import SHARED_CAPS
from tradedesk.services import incidents, orders, trips
from tradedesk.services.choosing import stood_down
from tradedesk.services.positions import BrokerView
from tradedesk.services.records import Records, unchanged
from tradedesk.stores import rows
from tradedesk.stores.positions import Snapshot
from tradedesk.stores.rows import Statement

REFUSED = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELLED)


def store(before: Snapshot, after: Snapshot) -> None:
    """Write the bot's next version. Raises Stale unless the database still has the version before it."""
    rows.write(*_next_version(before, after))


def write(
    bot: Bot,
    before: Snapshot,
    after: Snapshot,
    decision: Decision | None,
    order: Order,
    records: Records,
    along: Sequence[Order] = (),
) -> None:
    """Write an order, claimed to be sent at once, with its decision and the bot's next version.

    `along` are orders that go with it, or that wait for it.

    Raises Stale when the bot is not at that version any more, or the records are not those that the order
    was let pass on: trading halted in between, say, or another bot took what an account's cap left.
    """
    decided = [rows.insertion(decision)] if decision else []
    is_opening = order.purpose in (OrderPurpose.OPEN, OrderPurpose.REVERSE)
    claim = claim_of(bot.account) if is_opening else []
    rows.write(
        *claim,
        unchanged(bot, records),
        *_next_version(before, after),
        *decided,
        *map(rows.insertion, (order, *along)),
    )


def write_claim(bot: Bot, order: Order, legs: Sequence[Order], records: Records, now: datetime) -> None:
    """Claim an opening that waited, with its legs, to be sent at once. Raises Stale as `write` does."""
    claimed = {"status": OrderStatus.SENT, "sent_at": now}
    rows.write(
        *claim_of(bot.account),
        unchanged(bot, records),
        *(
            rows.change(Order, {"id": waiting.id, "status": OrderStatus.PENDING}, claimed)
            for waiting in (order, *legs)
        ),
    )
    for waiting in (order, *legs):
        waiting.status, waiting.sent_at = OrderStatus.SENT, now


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
    rows.write(*_next_version(before, after), rows.insertion(decision))


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
    is_watched = order.settled_at is not None and (was_left or is_left(after))
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
    """Return the bot's next version, holding what the broker shows."""
    largest = view.largest()
    return before.changed(
        now,
        quantity=view.quantity,
        average_price=largest.average_price if largest else None,
        contract=largest.contract.name if largest else "",
    )


def after_fills(
    before: Snapshot, fills: Sequence[Fill], view: BrokerView, contract: str, now: datetime
) -> Snapshot:
    """Return the bot's next version after fills that were not booked, by the broker's view of them.

    A closing sized from the broker may have counted them; any other difference is somebody else's trade and
    stays one.
    """
    held = as_held(before, view, now)
    expected = before.quantity + sum(fill.signed_quantity for fill in fills)
    if held.quantity in (before.quantity, expected):
        return held
    month = contract if expected else ""
    return before.changed(now, quantity=expected, average_price=held.average_price, contract=month)


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
