from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q

from broker.base import BrokerError
from strategy import gate
from strategy.types import Direction
from tradedesk.models import (
    Account,
    Alert,
    AlertOutcome,
    Bot,
    Decision,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
    TradingMode,
)
from tradedesk.services import booking, orders, positions, trading
from tradedesk.services.choosing import facts_for, stood_down
from tradedesk.services.desk import ANSWER_WITHIN_S, READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Desk, Link
from tradedesk.services.positions import BrokerView
from tradedesk.services.records import records_of
from tradedesk.services.rounds import reconcile_each
from tradedesk.services.trading_state import mode_for_claim
from tradedesk.stores import rows
from tradedesk.stores.positions import Busy, Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

# A request is over by then; what it left behind is nobody's.
LEFT_BEHIND_AFTER = timedelta(seconds=5)
ASK_AGAIN_AFTER_S = (1.0, 5.0, 15.0, 45.0)
SEAT_WAIT_S = 5.0
LOOKS_TO_LOSE, LOST_AFTER = 3, timedelta(seconds=10)


@dataclass(frozen=True)
class Row:
    """One thing that recovery looked at: what it was, what became of it, and whether it is open still."""

    what: str
    subject: str
    outcome: str
    still_open: bool


@dataclass(frozen=True)
class Recovered:
    rows: list[Row] = field(default_factory=list)

    @property
    def open_count(self) -> int:
        return sum(row.still_open for row in self.rows)


def recover(desk: Desk, *, wait_s: float = 0.0) -> Recovered:
    """Settle what earlier requests or crashes left behind: orders without an end, alerts without a decision.

    Asks again after 1, 5, 15 and 45 seconds while something stays open and `wait_s` lasts. Accounts that were
    not reconciled since the start are first, for openings wait for that.
    """
    deadline = desk.deadline(wait_s)
    reconcile_each(desk, _unreconciled(desk))
    settled = {row.subject: row for row in _orders(desk)}
    for pause in ASK_AGAIN_AFTER_S:
        if not any(row.still_open for row in settled.values()) or deadline.left_s() <= 0:
            break
        desk.sleep(deadline.left_s(pause))
        settled |= {row.subject: row for row in _orders(desk)}
    return Recovered([*settled.values(), *_alerts(desk)])


def _unreconciled(desk: Desk) -> list[Account]:
    since = desk.reconciled_since(desk.now())
    accounts = Account.objects.filter(enabled=True)
    return list(accounts.filter(Q(reconciled_at=None) | Q(reconciled_at__lt=since)))


def settle(desk: Desk, link: Link, order: Order) -> Order:
    """Ask the broker about one order and book the answer on the order, its fills and its bot.

    Raises BrokerError when the broker does not answer, Busy when the bot is being worked on.
    """
    if order.bot is None:
        orders.record(order, _ask(desk, link, order), None, desk.now())
        return order
    with seat(order.bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
        order.refresh_from_db()
        if order.settled_at is not None:
            return order
        if may_be_on_its_way(desk, order):
            raise Busy
        if order.status == OrderStatus.PENDING:
            outcome = _send_late(desk, link, order, order.bot)
        else:
            outcome = _ask(desk, link, order)
        view = None
        if outcome.fills:
            view = positions.view_of(link, order.bot.instrument, desk.deadline(READ_TIMEOUT_S))
        taken.snapshot = book(desk, order, order.bot, outcome, view)
    return order


def may_be_on_its_way(desk: Desk, order: Order) -> bool:
    """Tell whether another process may be sending the order at this moment, late perhaps."""
    if order.status != OrderStatus.SENT or order.sent_at is None:
        return False
    return order.sent_at > desk.now() - LEFT_BEHIND_AFTER


def _orders(desk: Desk) -> Iterator[Row]:
    before = desk.now() - LEFT_BEHIND_AFTER
    left = (
        Order.objects.filter(settled_at=None, created_at__lt=before)
        .select_related("account", "bot__account", "bot__instrument", "bot__strategy", "decision__alert")
        .order_by("id")
    )
    for order in left:
        subject = f"{order} {order.client_order_id}"
        try:
            settle(desk, desk.link(order.account, timeout_s=READ_TIMEOUT_S), order)
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.order", order=str(order.id), error=repr(error))
            yield Row("order", subject, str(error) or "busy", still_open=True)
            continue
        yield Row("order", subject, order.note or order.status, still_open=order.settled_at is None)


def _ask(desk: Desk, link: Link, order: Order) -> orders.Outcome:
    """Return what the broker knows of an order whose sending is over."""
    broker_order_id = order.broker_order_id or _find(link, order)
    if broker_order_id is None and not order.looks:
        # The first look that counts is one through a session that nothing happened to.
        link.broker.log_in_again(timeout_s=READ_TIMEOUT_S)
        broker_order_id = _find(link, order)
    if broker_order_id is None:
        return _not_listed(desk, link, order)
    report = link.broker.order_report(broker_order_id, timeout_s=READ_TIMEOUT_S)
    return orders.outcome_of(report, order, order.acknowledged_at)


def _find(link: Link, order: Order) -> int | None:
    return link.broker.find_order(link.account.id, order.client_order_id, timeout_s=READ_TIMEOUT_S)


def _not_listed(desk: Desk, link: Link, order: Order) -> orders.Outcome:
    """Return what it means that the broker does not list an order: lost, by the rule, or not known yet.

    Lost takes three looks over ten seconds, and a position that is what it was before the order.
    """
    now = desk.now()
    order.looks, order.first_look_at = order.looks + 1, order.first_look_at or now
    order.save(update_fields=["looks", "first_look_at"])
    if order.looks >= LOOKS_TO_LOSE and now - order.first_look_at >= LOST_AFTER:
        held = positions.held_in(link, order.contract, desk.deadline(READ_TIMEOUT_S))
        if held == order.position_before:
            return orders.Outcome(
                OrderStatus.LOST, note=f"Not at the broker after {order.looks} looks, position unchanged."
            )
    return orders.Outcome(OrderStatus.UNCONFIRMED, note="The broker does not list it; it may still turn up.")


def book(desk: Desk, order: Order, bot: Bot, outcome: orders.Outcome, view: BrokerView | None) -> Snapshot:
    """Store an outcome from the bot's seat; after new fills the position is the one in the view."""
    while True:
        before = stored(bot.id)
        try:
            with transaction.atomic():
                return _book_once(desk, order, bot, outcome, before, view)
        except Stale:
            continue


def _book_once(
    desk: Desk, order: Order, bot: Bot, outcome: orders.Outcome, before: Snapshot, view: BrokerView | None
) -> Snapshot:
    now = desk.now()
    new_fills = orders.record(order, outcome, bot, now)
    after = booking.as_held(before, view, now) if view is not None and new_fills else before
    expected = before.quantity + sum(fill.signed_quantity for fill in new_fills)
    if new_fills and after.quantity not in (before.quantity, expected):
        # A closing sized from the broker may have counted the fill; the rest is somebody else's trade.
        contract = order.contract if expected else ""
        after = before.changed(now, quantity=expected, average_price=after.average_price, contract=contract)
    if _gives_up_target(order, after) and order.decision is not None:
        is_refused = order.status in booking.REFUSED
        code = Reason.BROKER_REJECTED if is_refused else Reason.ORDER_UNCONFIRMED
        after = before.changed(
            now,
            memory=stood_down(after.memory, order.decision.alert, code),
            quantity=after.quantity,
            average_price=after.average_price,
            contract=after.contract,
        )
    if after is not before:
        booking.store(before, after)
    booking.watch_order(order, bot, now)
    if order.settled_at is not None:
        booking.watch_target(bot, after, now=now, why=order.note or order.status)
    return after


def _gives_up_target(order: Order, snapshot: Snapshot) -> bool:
    """Tell whether an order is over and nothing takes the bot to its target any more.

    The opening toward it came to nothing, or a closing filled after an event that wanted to stay.
    """
    target = snapshot.state.position
    if order.settled_at is None or target in (Direction.NONE, snapshot.held):
        return False
    return not Order.objects.filter(bot=order.bot, settled_at=None).exists()


def _send_late(desk: Desk, link: Link, order: Order, bot: Bot) -> orders.Outcome:
    """Send an order that was proven not to have left, while it is young enough and still fits."""
    claimed, now = desk.monotonic(), desk.now()
    view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
    with transaction.atomic():
        refusal = _late_refusal(desk, order, bot, view)
        if refusal:
            return orders.Outcome(OrderStatus.DENIED, note=refusal)
        claimed = desk.monotonic()
        waiting = Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING)
        held = view.quantity_in(order.contract)
        if not waiting.update(status=OrderStatus.SENT, sent_at=now, position_before=held):
            # Another recovery claimed it.
            raise Busy
        order.status, order.sent_at, order.position_before = OrderStatus.SENT, now, held
    price = order.decision.alert.close if order.decision else None
    return orders.send(desk, link, order, price, claimed, desk.deadline(SUBMIT_TIMEOUT_S))


def _late_refusal(desk: Desk, order: Order, bot: Bot, view: BrokerView) -> str:
    """Return why an order that waited must not go any more, "" when it may."""
    mode, snapshot = mode_for_claim(bot.account, bot), stored(bot.id)
    after = view.quantity + order.signed_quantity
    if Direction.of(view.quantity) is snapshot.state.position:
        return f"Not sent late: the broker holds {view.quantity}, which is the target by now."
    if order.purpose == OrderPurpose.CLOSE:
        is_toward_flat = order.signed_quantity * view.quantity < 0 and abs(after) < abs(view.quantity)
        if mode is TradingMode.HALTED or not is_toward_flat or after * view.quantity < 0:
            return f"Not sent late: {mode.label}, the broker holds {view.quantity}."
        return ""
    fits = abs(after) == bot.size and Direction.of(after) is snapshot.state.position
    if not fits or order.decision is None:
        target = snapshot.state.position.value
        return f"Not sent late: {mode.label}, the target is {target}, the broker holds {view.quantity}."
    return _gate_refusal(desk, order, order.decision.alert, bot, snapshot, view, mode)


def _gate_refusal(
    desk: Desk, order: Order, alert: Alert, bot: Bot, snapshot: Snapshot, view: BrokerView, mode: TradingMode
) -> str:
    """Return what the gate has against an opening that waited, "" when it lets it pass."""
    records = records_of(bot)
    others = [other for other in records.unfinished if other.pk != order.pk]
    records = replace(records, unfinished=others)
    facts = facts_for(desk, alert, bot, snapshot, snapshot.memory, view, records, desk.now())
    facts = replace(facts, order=order.signed_quantity, mode=mode.value)
    refusal = gate.refusal(gate.opening_checks(facts))
    if refusal:
        return f"Not sent late: {refusal.code}, {refusal.figures}."
    _claim(bot.account)
    return ""


def _claim(account: Account) -> None:
    """Claim the right to open on an account whose bots share a cap. Raises Busy: another bot was faster."""
    try:
        if claim := booking.claim_of(account):
            rows.write(*claim)
    except Stale as change:
        raise Busy from change


def _alerts(desk: Desk) -> Iterator[Row]:
    """Decide the alerts that a bot has not decided; the age rule lets late ones close but not open."""
    until = desk.now() - LEFT_BEHIND_AFTER
    bots = Bot.objects.select_related("account", "instrument", "strategy__instrument")
    for bot in bots:
        decided = Decision.objects.filter(alert=OuterRef("pk"), bot=bot)
        since = max(bot.created_at, until - desk.event_window)
        left = Alert.objects.filter(
            ~Exists(decided),
            strategy=bot.strategy,
            outcome=AlertOutcome.ACCEPTED,
            received_at__gte=since,
            received_at__lt=until,
        )
        for alert in left.order_by("received_at"):
            result = trading.decide(desk, alert, bot, desk.deadline(ANSWER_WITHIN_S))
            outcome = (
                f"{result.decision.action} {result.decision.reason}" if result.decision else "not reached"
            )
            yield Row("alert", f"{alert} for {bot.slug}", outcome, still_open=result.decision is None)


def settle_account(desk: Desk, link: Link, account: Account) -> None:
    """Ask about every order of an account whose end is not known, as far as the broker answers."""
    left = Order.objects.filter(account=account, settled_at=None).exclude(status=OrderStatus.PENDING)
    left = left.exclude(status=OrderStatus.SENT, sent_at__gte=desk.now() - LEFT_BEHIND_AFTER)
    for order in left.select_related("bot__account", "bot__instrument", "decision__alert"):
        try:
            settle(desk, link, order)
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.order", order=str(order.id), error=repr(error))
