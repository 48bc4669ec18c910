from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, IntegrityError

from broker.base import BrokerError
from strategy import gate
from strategy.machine import fold
from strategy.types import Direction, Memory
from tradedesk.models import (
    Alert,
    Bot,
    Decision,
    Order,
    OrderPurpose,
    OrderStatus,
    Reason,
)
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.order_path import booking, legs, orders, positions, settling
from tradedesk.services.order_path.booking import is_left
from tradedesk.services.order_path.choosing import Choice, choose, facts_for
from tradedesk.services.order_path.in_flight import is_recent, may_be_in_flight
from tradedesk.services.order_path.intents import Intents, intents_of
from tradedesk.services.order_path.late_orders import send_late
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.order_path.records import QUIET, Records, records_of
from tradedesk.services.order_path.standing import idle_choice, remembered
from tradedesk.services.order_path.watching import watched
from tradedesk.services.reports.measuring import measure_end
from tradedesk.stores.positions import Busy, Seat, Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

# With less time than this left, an order is not begun: recovery decides the alert instead.
LEAST_TO_SEND_S = 0.3
POLL_S = 0.02


@dataclass(frozen=True)
class Result:
    """What one bot made of an alert: the decision as stored, its last order, and the bot afterwards.

    `decision` is None where time ran out before the bot's turn, or where its records could not be read or
    written; `snapshot` is None where even the bot's state is not known.
    """

    bot: Bot
    decision: Decision | None
    snapshot: Snapshot | None
    order: Order | None = None


class InFlight(Exception):
    """An order of the bot may be on its way in another process at this moment."""


def process(desk: Desk, alert: Alert, bots: Sequence[Bot], deadline: Deadline) -> list[Result]:
    """Decide an accepted alert for each bot of its strategy, send what follows, and return the results."""
    return [decide(desk, alert, bot, deadline) for bot in bots]


def decide(desk: Desk, alert: Alert, bot: Bot, deadline: Deadline) -> Result:
    """Decide an alert for one bot and send what follows, alone on this bot until it is done.

    A bot whose records cannot be read or written holds up no other: recovery comes back to it.
    """
    try:
        with seat(bot.id, wait_s=deadline.left_s(), sleep=desk.sleep) as taken:
            return _Turn(desk, alert, bot, taken, deadline).take()
    except Busy:
        log.warning("decision.not_reached", alert=str(alert.id), bot=bot.slug)
    except IntegrityError:
        # Recovery and the request decided the same alert; the database let one of them through.
        log.info("decision.made_elsewhere", alert=str(alert.id), bot=bot.slug)
    except (DatabaseError, Unreadable):
        log.exception("decision.failed", alert=str(alert.id), bot=bot.slug)
    return _as_stored(alert, bot)


def _as_stored(alert: Alert, bot: Bot) -> Result:
    """Return what the database has of an alert and a bot, as far as it can be read."""
    try:
        decision = Decision.objects.filter(alert=alert, bot=bot).first()
        order = decision.orders.first() if decision else None
        return Result(bot, decision, stored(bot.id), order)
    except (DatabaseError, Unreadable):
        return Result(bot, None, None)


@dataclass
class _Turn:
    """One bot's turn at one alert, from its seat. The seat's snapshot follows what is committed."""

    desk: Desk
    alert: Alert
    bot: Bot
    seat: Seat
    deadline: Deadline
    records: Records = QUIET
    seen: tuple[Link | None, BrokerView | None] | None = None
    called_off: set[UUID] = field(default_factory=set)

    def take(self) -> Result:
        """Decide, and again from the top when someone without the seat changed the bot meanwhile."""
        while True:
            try:
                return self._decide()
            except (Stale, InFlight) as change:
                if self.deadline.left_s() < LEAST_TO_SEND_S:
                    raise Busy from change
                if isinstance(change, InFlight):
                    self.desk.sleep(POLL_S)
            self.seen, self.records = None, records_of(self.bot)
            self.bot.account.refresh_from_db(fields=["claims"])
            self.seat.snapshot = stored(self.bot.id)

    def _decide(self) -> Result:
        before = self.seat.snapshot
        memory = remembered(self.alert, self.bot, before, self.desk.event_window)
        if isinstance(memory, Reason):
            return self._stand(Choice(memory))
        if choice := idle_choice(self.alert, self.bot, before, memory):
            return self._stand(choice)
        return self._trade(memory, fold(memory).position)

    def _stand(self, choice: Choice) -> Result:
        """Store a decision that sends nothing."""
        before, now = self.seat.snapshot, self.desk.now()
        after = self._after(choice, now)
        decision = self._decision(choice, after, now)
        with watched(self.bot, choice, before, after, None, now):
            booking.write_idle(before, after, decision)
        self.seat.snapshot = after
        return Result(self.bot, decision, self.seat.snapshot)

    def _trade(self, memory: Memory, target: Direction) -> Result:
        """Bring the position to the target: read the broker, pass the gate, commit the intent, send once."""
        if target is self.seat.snapshot.held:
            # An order in doubt brought it here, and only the records tell which.
            self.records = records_of(self.bot)
        link, view = self.seen = self.seen or self._look()
        if link is not None and self._call_off(link, target):
            raise Stale
        if link is not None and self.deadline.left_s() < LEAST_TO_SEND_S:
            raise Busy
        if self.bot.has_stop and self.records is QUIET:
            # A stop is cancelled only for an order that may really leave.
            self.records = records_of(self.bot)
        before, claimed = self.seat.snapshot, self.desk.monotonic()
        choice = choose(self.alert, self.bot, memory, before, view, self._facts(memory, view))
        if not choice.quantity and "rules" in choice.detail and self.records is QUIET:
            # An order's own statement checks the records; a refusal has to read them, for it keeps them.
            self.records = records_of(self.bot)
            choice = choose(self.alert, self.bot, memory, before, view, self._read_facts(memory, view))
        goes = True
        if self.bot.has_stop and link is not None and view is not None:
            goes = self._put_legs_away(link, view, choice)
        decision, intents = self._commit(choice, view, goes=goes)
        if intents is None or link is None or view is None:
            return Result(self.bot, decision, self.seat.snapshot)
        if not goes:
            return Result(self.bot, decision, self.seat.snapshot, intents.opening or intents.first)
        order, along = intents.first, () if intents.opening else intents.legs
        self._send(link, view, order, claimed, was_left=is_left(before), along=along)
        if intents.opening is not None:
            last = self._send_waiting(link, [intents.opening]) if order.settled_at is not None else None
            return Result(self.bot, decision, self.seat.snapshot, last or intents.opening)
        if choice.others or (order.purpose == OrderPurpose.REVERSE and order.status in booking.REFUSED):
            waiting = decision.orders.filter(status=OrderStatus.PENDING, sent_at=None)
            order = self._send_waiting(link, waiting.order_by("id")) or order
        return Result(self.bot, decision, self.seat.snapshot, order)

    def _put_legs_away(self, link: Link, view: BrokerView, choice: Choice) -> bool:
        """Cancel the legs before an order leaves, or book what they filled where the position differs.

        Raises Stale after that, for what is held may have changed. Returns False where the broker leaves it
        open: an order then waits for recovery, which sends it when the legs are over.
        """
        before = self.seat.snapshot
        try:
            if choice.quantity and legs.clear(self.desk, link, self.bot, self.deadline):
                raise Stale
            if not choice.quantity and not view.agrees_with(before.quantity, before.contract):
                legs.settle(self.desk, link, self.bot, self.deadline)
                if stored(self.bot.id).version != before.version:
                    raise Stale
        except (BrokerError, Busy) as error:
            log.warning("legs.unknown", bot=self.bot.slug, error=str(error))
            if not choice.quantity and is_recent(self.alert.received_at, self.desk.now()):
                # A leg may explain the position: recovery decides the alert, and by then whatever is known.
                raise Busy from error
            # The incident that tells of it is among them.
            records = records_of(self.bot)
            if records.mode is not self.records.mode:
                raise Stale from error
            self.records = records
            return False
        return True

    def _call_off(self, link: Link, target: Direction) -> bool:
        """End what still works toward a side that the strategy leaves; return whether there was anything.

        Only then is it known how much there is to close.
        """
        left = [
            order
            for order in self.records.unfinished
            if settling.works_elsewhere(order, target) and order.pk not in self.called_off
        ]
        for order in left:
            self.called_off.add(order.pk)
            settling.end(self.desk, link, order, self.bot, self.deadline)
        return bool(left)

    def _commit(
        self, choice: Choice, view: BrokerView | None, *, goes: bool
    ) -> tuple[Decision, Intents | None]:
        """Write the decision, the bot's next version and its orders, one of them claimed if it goes now."""
        before, now = self.seat.snapshot, self.desk.now()
        after = self._after(choice, now)
        decision = self._decision(choice, after, now)
        intents = intents_of(decision, choice, view, now, goes=goes) if choice.quantity and view else None
        with watched(self.bot, choice, before, after, view, now):
            if intents is None:
                booking.write_idle(before, after, decision)
            else:
                booking.write(self.bot, before, after, decision, intents.first, self.records, intents.others)
        self.seat.snapshot = after
        return decision, intents

    def _after(self, choice: Choice, now: datetime) -> Snapshot:
        before = self.seat.snapshot
        is_changed = choice.memory is not None and choice.memory is not before.memory
        return before.changed(now, memory=choice.memory) if is_changed else before

    def _decision(self, choice: Choice, after: Snapshot, now: datetime) -> Decision:
        return Decision(
            alert=self.alert,
            bot=self.bot,
            action=choice.action,
            reason=choice.reason,
            detail=choice.detail,
            state_before=self.seat.snapshot.public(),
            state_after=after.public(),
            created_at=now,
        )

    def _look(self) -> tuple[Link | None, BrokerView | None]:
        """Return the link and what the broker holds and would trade; None for what could not be read."""
        try:
            link = self.desk.link(
                self.bot.account, timeout_s=self.deadline.left_s(READ_TIMEOUT_S)
            ).for_orders()
            return link, positions.view_of(link, self.bot.instrument, self.deadline)
        except BrokerError as error:
            log.warning("broker.unread", bot=self.bot.slug, error=str(error))
            return None, None

    def _facts(self, memory: Memory, view: BrokerView | None) -> gate.Facts:
        now = self.desk.now()
        if any(may_be_in_flight(order, now) for order in self.records.unfinished):
            raise InFlight
        return self._read_facts(memory, view)

    def _read_facts(self, memory: Memory, view: BrokerView | None) -> gate.Facts:
        now = self.desk.now()
        return facts_for(self.desk, self.alert, self.bot, self.seat.snapshot, memory, view, self.records, now)

    def _send(
        self,
        link: Link,
        view: BrokerView,
        order: Order,
        claimed: float,
        *,
        was_left: bool,
        along: Sequence[Order] = (),
    ) -> None:
        """Send a claimed order once and book what came of it on orders, fills and the bot."""
        outcome = orders.send(self.desk, link, order, self.alert.close, claimed, self.deadline, along)
        while True:
            before = self.seat.snapshot
            try:
                self.seat.snapshot = booking.book(
                    self.alert,
                    self.bot,
                    before,
                    view,
                    order,
                    outcome,
                    self.desk.now(),
                    was_left=was_left,
                    legs=along,
                )
                measure_end(order)
                return
            except (Stale, IntegrityError) as change:
                self.seat.snapshot = stored(self.bot.id)
                is_sent = Order.objects.get(pk=order.pk).status == OrderStatus.SENT
                if is_sent and isinstance(change, IntegrityError):
                    # What the broker says does not fit the books: recovery and a person look at it.
                    outcome = orders.Outcome(
                        OrderStatus.UNCONFIRMED, outcome.broker_order_id, note=f"Not booked: {change}"[:500]
                    )
                    order.refresh_from_db()
                elif not is_sent:
                    # Recovery asked the broker about this order meanwhile and booked what it heard.
                    order.refresh_from_db()
                    return

    def _send_waiting(self, link: Link, waiting: Iterable[Order]) -> Order | None:
        """Send orders of this decision that wait, and the closing that one of them leaves.

        Those that time does not suffice for, recovery sends. Returns the last of them.
        """
        order, queue = None, deque(waiting)
        while queue:
            order = queue.popleft()
            if self.deadline.left_s() < LEAST_TO_SEND_S:
                break
            try:
                view = positions.view_of(link, self.bot.instrument, self.deadline)
                outcome = send_late(self.desk, link, order, self.bot, view, self.deadline)
            except (BrokerError, Busy) as error:
                log.info("order.waits", order=str(order.id), error=str(error))
                break
            after = view.moved(order.contract, outcome.fills) if outcome.fills else None
            self.seat.snapshot, closing = settling.book_with_closing(
                self.desk, order, self.bot, outcome, after
            )
            if closing is not None:
                queue.append(closing)
        return order
