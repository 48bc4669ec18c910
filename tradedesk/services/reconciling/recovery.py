from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import DatabaseError
from django.db.models import Exists, OuterRef

from broker.base import BrokerError
from tradedesk.models import Account, Alert, AlertOutcome, Bot, Decision, Order, OrderStatus
from tradedesk.services.desk import ANSWER_WITHIN_S, READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Desk, Link
from tradedesk.services.order_path import legs, orders, positions, trading
from tradedesk.services.order_path.in_flight import LEFT_BEHIND_AFTER, may_be_in_flight, recently
from tradedesk.services.order_path.late_orders import send_late
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.order_path.settling import AT_WORK, book_with_closing, call_off, opens_elsewhere
from tradedesk.services.reconciling.rounds import reconcile_each
from tradedesk.stores import lease
from tradedesk.stores.positions import Busy, Seat, Unreadable, seat, stored

log = structlog.get_logger(__name__)

ASK_AGAIN_AFTER_S = (1.0, 5.0, 15.0, 45.0)
SEAT_WAIT_S = 5.0


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
    unread = reconcile_each(desk, _unreconciled(desk)).unread
    settled = {row.subject: row for row in _orders(desk)}
    legs_settled = list(_legs(desk))
    for pause in ASK_AGAIN_AFTER_S:
        if not any(row.still_open for row in settled.values()) or deadline.left_s() <= 0:
            break
        desk.sleep(deadline.left_s(pause))
        settled |= {row.subject: row for row in _orders(desk)}
    not_reconciled = [Row("account", name, str(error), still_open=True) for name, error in unread.items()]
    return Recovered([*not_reconciled, *settled.values(), *legs_settled, *_alerts(desk)])


def _unreconciled(desk: Desk) -> list[Account]:
    accounts = Account.objects.filter(enabled=True)
    return [account for account in accounts if not desk.is_reconciled(account)]


def settle(desk: Desk, link: Link, order: Order, *, wait_s: float = SEAT_WAIT_S) -> Order:
    """Ask the broker about one order and book the answer on the order, its fills and its bot.

    A closing that the order leaves to be sent goes at once. Raises BrokerError when the broker does not
    answer, Busy when the bot is being worked on for longer than `wait_s` seconds,
    or this region may not send.
    """
    lease.require()
    if order.bot is None:
        orders.record(order, _ask(desk, link, order), None, desk.now())
        return order
    with seat(order.bot.id, wait_s=wait_s, sleep=desk.sleep) as taken:
        order.refresh_from_db()
        if order.settled_at is not None:
            return order
        if may_be_in_flight(order, desk.now()):
            raise Busy
        if order.is_leg:
            legs.settle(desk, link, order.bot, desk.deadline(READ_TIMEOUT_S))
            taken.snapshot = stored(order.bot.id)
            order.refresh_from_db()
            return order
        closing = _settle(desk, link, order, order.bot, taken)
        if closing is not None:
            _settle(desk, link, closing, order.bot, taken)
    return order


def _settle(desk: Desk, link: Link, order: Order, bot: Bot, taken: Seat) -> Order | None:
    """Settle an order from its bot's seat, and return the closing that it leaves to be sent, if any."""
    view = None
    if order.status == OrderStatus.PENDING:
        view = _view(desk, link, bot)
        outcome = send_late(desk, link, order, bot, view, desk.deadline(SUBMIT_TIMEOUT_S))
    else:
        outcome = _ask(desk, link, order)
        number, is_working = outcome.broker_order_id, outcome.status in AT_WORK
        if number is not None and is_working and opens_elsewhere(order, stored(bot.id).state.position):
            outcome = call_off(desk, link, order, number, desk.deadline(READ_TIMEOUT_S))
    if outcome.fills:
        view = _view(desk, link, bot)
    taken.snapshot, closing = book_with_closing(desk, order, bot, outcome, view)
    return closing


def _view(desk: Desk, link: Link, bot: Bot) -> BrokerView:
    return positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))


def _orders(desk: Desk) -> Iterator[Row]:
    left = (
        Order.objects.unfinished()
        .exclude(created_at__range=recently(desk.now()))
        .select_related("account", "bot__account", "bot__instrument", "bot__strategy", "decision__alert")
        .order_by("id")
    )
    for order in left:
        subject = f"{order} {order.client_order_id}"
        try:
            settle(desk, desk.link(order.account, timeout_s=READ_TIMEOUT_S).for_orders(), order)
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.order", order=str(order.id), error=repr(error))
            yield Row("order", subject, str(error) or "busy", still_open=True)
            continue
        yield Row("order", subject, order.note or order.status, still_open=order.settled_at is None)


def _legs(desk: Desk) -> Iterator[Row]:
    """Book what became of stops and targets that the broker does not list as working any more."""
    left = Order.objects.open_legs().exclude(created_at__range=recently(desk.now()))
    bots = Bot.objects.filter(pk__in=left.values("bot"))
    for bot in bots.select_related("account", "instrument", "strategy__instrument"):
        try:
            link = desk.link(bot.account, timeout_s=READ_TIMEOUT_S).for_orders()
            ended = legs.settle_ended(desk, link, bot)
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.legs", bot=bot.slug, error=repr(error))
            yield Row("order", f"stop and target of {bot.slug}", str(error) or "busy", still_open=True)
            continue
        for leg in ended:
            yield Row("order", f"{leg} {leg.client_order_id}", leg.note or leg.status, still_open=False)


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
    if order.looks >= orders.LOOKS_TO_LOSE and now - order.first_look_at >= orders.LOST_AFTER:
        held = positions.held_in(link, order.contract, desk.deadline(READ_TIMEOUT_S))
        if held == order.position_before:
            return orders.Outcome(
                OrderStatus.LOST, note=f"Not at the broker after {order.looks} looks, position unchanged."
            )
    return orders.Outcome(OrderStatus.UNCONFIRMED, note="The broker does not list it; it may still turn up.")


def _alerts(desk: Desk) -> Iterator[Row]:
    """Decide the alerts that a bot has not decided; the age rule lets late ones close but not open."""
    now = desk.now()
    bots = Bot.objects.select_related("account", "instrument", "strategy__instrument")
    for bot in bots:
        decided = Decision.objects.filter(alert=OuterRef("pk"), bot=bot)
        since = max(bot.created_at, _last_decided(bot, now) - LEFT_BEHIND_AFTER - desk.event_window)
        left = Alert.objects.filter(
            ~Exists(decided),
            strategy=bot.strategy,
            outcome=AlertOutcome.ACCEPTED,
            received_at__gte=since,
        ).exclude(received_at__range=recently(now))
        for alert in left.order_by("received_at"):
            result = trading.decide(desk, alert, bot, desk.deadline(ANSWER_WITHIN_S))
            outcome = (
                f"{result.decision.action} {result.decision.reason}" if result.decision else "not reached"
            )
            yield Row("alert", f"{alert} for {bot.slug}", outcome, still_open=result.decision is None)


def _last_decided(bot: Bot, now: datetime) -> datetime:
    """Return when a bot last decided anything, its making where it never did, `now` at the latest.

    What was left behind counts from then, however long the desk was off: an exit is owed still.
    """
    last = Decision.objects.filter(bot=bot).values_list("created_at", flat=True).first()
    return min(last or bot.created_at, now)


def settle_account(desk: Desk, link: Link, account: Account, *, within_s: float = float("inf")) -> None:
    """Ask about every order of an account whose end is not known, as far as the broker answers.

    None is begun, and no busy bot waited for, after `within_s` seconds.
    """
    deadline = desk.deadline(within_s)
    left = Order.objects.unfinished().filter(account=account).exclude(status=OrderStatus.PENDING)
    left = left.exclude(status=OrderStatus.SENT, sent_at__range=recently(desk.now()))
    for order in left.select_related("bot__account", "bot__instrument", "decision__alert"):
        if not deadline.left_s():
            return
        try:
            settle(desk, link, order, wait_s=deadline.left_s(SEAT_WAIT_S))
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.order", order=str(order.id), error=repr(error))
    for bot in Bot.objects.filter(account=account).select_related("account", "instrument"):
        if not deadline.left_s():
            return
        try:
            legs.settle_ended(desk, link, bot, wait_s=deadline.left_s(SEAT_WAIT_S))
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.warning("recovery.legs", bot=bot.slug, error=repr(error))
