from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction

from broker.base import BrokerError
from strategy import gate
from strategy.machine import contradictions, fold, remember
from strategy.types import Action, Memory
from tradedesk.models import (
    Alert,
    Bot,
    Decision,
    Incident,
    IncidentKind,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
)
from tradedesk.services import booking, incidents, orders, positions
from tradedesk.services.booking import Stale
from tradedesk.services.choosing import Choice, choose, facts_for, reason_for
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.positions import BrokerView
from tradedesk.services.signals import event_of, refusal_of_alert
from tradedesk.services.trading_state import mode_for_claim
from tradedesk.stores.positions import Busy, Seat, Snapshot, seat, stored

log = structlog.get_logger(__name__)

# With less time than this left, an order is not begun: recovery decides the alert instead.
LEAST_TO_SEND_S = 0.3
POLL_S = 0.02
IN_FLIGHT_S = 3.0


@dataclass(frozen=True)
class Result:
    """What one bot made of an alert: the decision as stored, its last order, and the bot afterwards.

    `decision` is None where time ran out before the bot's turn.
    """

    bot: Bot
    decision: Decision | None
    snapshot: Snapshot
    order: Order | None = None


class InFlight(Exception):
    """An order of the bot may be on its way in another process at this moment."""


def process(desk: Desk, alert: Alert, bots: Sequence[Bot], deadline: Deadline) -> list[Result]:
    """Decide an accepted alert for each bot of its strategy, send what follows, and return the results."""
    return [decide(desk, alert, bot, deadline) for bot in bots]


def decide(desk: Desk, alert: Alert, bot: Bot, deadline: Deadline) -> Result:
    """Decide an alert for one bot and send what follows, alone on this bot until it is done."""
    try:
        with seat(bot.id, wait_s=deadline.left_s(), sleep=desk.sleep) as taken:
            while True:
                try:
                    return _decide(desk, alert, bot, taken, deadline)
                except Stale:
                    taken.snapshot = stored(bot.id)
                except InFlight:
                    if deadline.left_s() < LEAST_TO_SEND_S:
                        raise Busy from None
                    desk.sleep(POLL_S)
                    taken.snapshot = stored(bot.id)
    except Busy:
        log.warning("decision.not_reached", alert=str(alert.id), bot=bot.slug)
    except IntegrityError:
        # Recovery and the request decided the same alert; the database let one of them through.
        decision = Decision.objects.filter(alert=alert, bot=bot).first()
        if decision is None:
            raise
        return Result(bot, decision, stored(bot.id), decision.orders.first())
    return Result(bot, None, stored(bot.id))


def _decide(desk: Desk, alert: Alert, bot: Bot, taken: Seat, deadline: Deadline) -> Result:
    event, before = event_of(alert), taken.snapshot
    refusal = refusal_of_alert(alert, bot.strategy)
    memory = None if refusal else remember(before.memory, event, desk.event_window)
    if memory is None:
        return _stand(alert, bot, taken, Choice(refusal or Reason.EVENT_WINDOW), desk.now())
    if fold(memory).position is before.held:
        return _stand(alert, bot, taken, Choice(reason_for(before, memory, event), memory), desk.now())
    return _trade(desk, alert, bot, taken, memory, deadline)


def _stand(alert: Alert, bot: Bot, taken: Seat, choice: Choice, now: datetime) -> Result:
    """Store a decision that sends nothing."""
    before = taken.snapshot
    with transaction.atomic():
        after, decision = booking.write_decision(alert, bot, before, choice, now)
        if choice.memory is not None:
            _note_contradictions(bot, choice.memory, now)
        if before.held is not before.state.position:
            booking.watch_target(bot, before, after, choice.reason.value, now)
    taken.snapshot = after
    return Result(bot, decision, after)


def _trade(desk: Desk, alert: Alert, bot: Bot, taken: Seat, memory: Memory, deadline: Deadline) -> Result:
    """Bring the position to the target: read the broker, pass the gate, commit the intent, send once."""
    link, view = _look(desk, bot, deadline)
    if link is not None and deadline.left_s() < LEAST_TO_SEND_S:
        raise Busy
    before, claimed, now = taken.snapshot, desk.monotonic(), desk.now()
    with transaction.atomic():
        _note_contradictions(bot, memory, now)
        facts = _facts(desk, alert, bot, before, memory, view, now)
        choice = choose(alert, bot, memory, before, view, facts)
        after, decision = booking.write_decision(alert, bot, before, choice, now)
        order = booking.write_intent(decision, bot, alert, choice, 0, now) if choice.quantity else None
        if view is not None and view.quantity != before.quantity:
            booking.open_mismatch(bot, before.quantity, view.quantity, now)
        if order is None:
            booking.watch_target(bot, before, after, choice.reason.value, now)
    taken.snapshot = after
    if order is None or link is None or view is None:
        return Result(bot, decision, after)
    _send(desk, link, alert, bot, taken, view, order, claimed, deadline)
    if order.status == OrderStatus.REJECTED and order.purpose == OrderPurpose.REVERSE:
        order = _close_alone(desk, link, alert, bot, taken, view, decision, deadline) or order
    return Result(bot, decision, taken.snapshot, order)


def _look(desk: Desk, bot: Bot, deadline: Deadline) -> tuple[Link | None, BrokerView | None]:
    """Return the link and what the broker holds and would trade; None for what could not be read."""
    try:
        link = desk.link(bot.account, timeout_s=deadline.left_s(READ_TIMEOUT_S))
        return link, positions.view_of(link, bot.instrument, deadline)
    except BrokerError as error:
        log.warning("broker.unread", bot=bot.slug, error=str(error))
        return None, None


def _facts(
    desk: Desk, alert: Alert, bot: Bot, before: Snapshot, memory: Memory, view: BrokerView | None, now: datetime
) -> gate.Facts:
    """Return the facts for the gate, the trading state read under the lock that orders it with the switch."""
    mode = mode_for_claim(bot.account, bot)
    unfinished = list(Order.objects.filter(bot=bot, settled_at=None))
    if any(_may_be_in_flight(order, now) for order in unfinished):
        raise InFlight
    return facts_for(
        desk,
        alert,
        bot,
        before,
        memory,
        view,
        mode=mode,
        unfinished=unfinished,
        open_kinds=booking.open_kinds(bot),
        now=now,
    )


def _may_be_in_flight(order: Order, now: datetime) -> bool:
    return (
        order.status == OrderStatus.SENT
        and order.sent_at is not None
        and (now - order.sent_at).total_seconds() < IN_FLIGHT_S
    )


def _send(
    desk: Desk,
    link: Link,
    alert: Alert,
    bot: Bot,
    taken: Seat,
    view: BrokerView,
    order: Order,
    claimed: float,
    deadline: Deadline,
) -> None:
    """Send a claimed order once and book what came of it on the order, the fills and the bot."""
    outcome = orders.send(desk, link, order, alert.close, claimed, deadline)
    while True:
        try:
            taken.snapshot = booking.book(alert, bot, taken.snapshot, view, order, outcome, desk.now())
            return
        except Stale:
            taken.snapshot = stored(bot.id)


def _close_alone(
    desk: Desk,
    link: Link,
    alert: Alert,
    bot: Bot,
    taken: Seat,
    view: BrokerView,
    decision: Decision,
    deadline: Deadline,
) -> Order | None:
    """Send the closing half of a reversal that the broker rejected as a whole, once, under a new id."""
    largest = view.largest()
    if largest is None or deadline.left_s() < LEAST_TO_SEND_S:
        return None
    claimed, now = desk.monotonic(), desk.now()
    choice = Choice(
        Reason.BROKER_REJECTED, action=Action.EXIT, quantity=-largest.quantity, contract=largest.contract.name
    )
    with transaction.atomic():
        facts = _facts(desk, alert, bot, taken.snapshot, taken.snapshot.memory, view, now)
        if gate.refusal_of_closing(replace(facts, order=choice.quantity)):
            return None
        order = booking.write_intent(decision, bot, alert, choice, 1, now)
    _send(desk, link, alert, bot, taken, view, order, claimed, deadline)
    return order


def _note_contradictions(bot: Bot, memory: Memory, now: datetime) -> None:
    """Open an incident for opposite events of one indicator at one time, unless a person settled it before."""
    events = contradictions(memory)
    if not events:
        return
    subject = f"{bot.slug} {events[0].indicator} {events[0].effective_at.isoformat()}"
    if not Incident.objects.filter(kind=IncidentKind.AMBIGUOUS_EVENTS, subject=subject).exists():
        incidents.open_incident(
            IncidentKind.AMBIGUOUS_EVENTS,
            account=bot.account,
            bot=bot,
            subject=subject,
            seen={"events": [event.key for event in events]},
            now=now,
        )
