from dataclasses import dataclass, replace

import structlog

from broker.base import BrokerError
from strategy import gate
from strategy.machine import newest_event, remember
from strategy.types import Direction, StandDown
from tradedesk.models import Bot, Incident, IncidentKind, Order, OrderPurpose, OrderSide, OrderStatus, Reason
from tradedesk.models.ids import new_id
from tradedesk.services import booking, incidents, legs, orders, positions
from tradedesk.services.audit import note
from tradedesk.services.choosing import facts_for
from tradedesk.services.desk import READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Desk, Link
from tradedesk.services.positions import BrokerView
from tradedesk.services.records import Records, records_of
from tradedesk.services.recovery import settle
from tradedesk.services.rolls import due_of
from tradedesk.services.settling import book
from tradedesk.stores.positions import Busy, Seat, Snapshot, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

SEAT_WAIT_S = 5.0
CONFIRM_WITHIN_S, LOOK_EVERY_S = 5.0, 0.25
CAME_TO_NOTHING = (OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.DENIED, OrderStatus.LOST)
CLOSE, OPEN = "close", "open"


class CannotRoll(Exception):
    """Why a position was not rolled, or not all the way, in a sentence for the person who asked."""


def roll(desk: Desk, incident: Incident, *, reason: str, by: str, source_address: str = "") -> Order:
    """Close the month that an incident is about and open as much in the month that the desk trades.

    Two orders through the gate, the second only once the broker confirmed the first. Nothing is closed where
    the opening would be refused. What was closed and could not be opened leaves the bot flat until the next
    colour change. Returns the opening. Asked again after a crash, it goes on where it stopped. Raises
    CannotRoll, BrokerError, Busy.
    """
    bot = incident.bot
    if incident.kind != IncidentKind.ROLL_DUE or bot is None or incident.closed_at is not None:
        raise CannotRoll("There is no position to roll.")
    note(by, "roll", f"bot {bot}", {"incident": str(incident.id)}, reason, source_address, desk.now())
    the_roll = _Roll(desk, desk.link(bot.account, timeout_s=READ_TIMEOUT_S).for_orders(), bot, incident)
    the_roll.close()
    opening = the_roll.open()
    if opening.status == OrderStatus.FILLED:
        incidents.close(incident, now=desk.now(), reason=reason, by=by)
    return opening


@dataclass
class _Roll:
    """One bot's move to another month. Its orders have ids made of the incident's."""

    desk: Desk
    link: Link
    bot: Bot
    incident: Incident

    def close(self) -> None:
        """Close the old month, unless that was done, and see it confirmed. Raises CannotRoll."""
        tries = self._tries(CLOSE)
        if not tries or tries[-1].status in CAME_TO_NOTHING:
            with seat(self.bot.id, wait_s=SEAT_WAIT_S, sleep=self.desk.sleep) as taken:
                tries.append(self._send_closing(taken, len(tries)))
        order = self._confirmed(tries[-1])
        if order.status != OrderStatus.FILLED:
            raise CannotRoll(f"Nothing was opened: the closing order is {order.status}. {order.note}".strip())

    def open(self) -> Order:
        """Open as many contracts as were closed, once, and return the order. Raises CannotRoll."""
        quantity = -sum(
            order.filled_quantity if order.side == OrderSide.BUY else -order.filled_quantity
            for order in self._tries(CLOSE)
        )
        tries = self._tries(OPEN)
        if any(order.status not in CAME_TO_NOTHING for order in tries):
            raise CannotRoll("The position was rolled before.")
        with seat(self.bot.id, wait_s=SEAT_WAIT_S, sleep=self.desk.sleep) as taken:
            order = self._send_opening(taken, quantity, len(tries))
            if order.status in CAME_TO_NOTHING:
                self._stand_down(taken)
                raise CannotRoll(f"The old month is closed; the opening is {order.status}. {order.note}")
        return order

    def _send_closing(self, taken: Seat, attempt: int) -> Order:
        snapshot, view, records = self._look(taken)
        due = due_of(self.desk, self.link, self.bot)
        if len(due) != 1 or len(view.holdings) != 1:
            raise CannotRoll("There is not just one month to be left: flatten the bot instead.")
        held = view.holdings[0]
        if view.to_trade is None or view.to_trade.id == held.contract.id:
            raise CannotRoll("There is no other month to trade: pin it on the instrument.")
        if snapshot.state.position is not Direction.of(held.quantity):
            raise CannotRoll("The strategy has left the position: flatten the bot instead.")
        if refusal := self._refusal_of_opening(snapshot, replace(view, holdings=()), records, held.quantity):
            raise CannotRoll(f"Nothing was closed, for the opening would be refused: {refusal}")
        facts = facts_for(
            self.desk, None, self.bot, snapshot, snapshot.memory, view, records, self.desk.now()
        )
        found = gate.refusal(gate.closing_checks(replace(facts, order=-held.quantity)))
        if found:
            raise CannotRoll(f"Nothing was closed: {Reason(found.code).label} {found.figures}")
        if self._put_legs_away():
            return self._send_closing(taken, attempt)
        purpose = OrderPurpose.CLOSE
        return self._send(taken, view, records, purpose, held.contract.name, -held.quantity, attempt)

    def _put_legs_away(self) -> bool:
        """Cancel the stop and target of the old month; return whether there were any. Raises CannotRoll."""
        try:
            return legs.clear(self.desk, self.link, self.bot, self.desk.deadline(READ_TIMEOUT_S))
        except (BrokerError, Busy):
            raise CannotRoll("Nothing was closed: the stop of the old month is not over yet.") from None

    def _send_opening(self, taken: Seat, quantity: int, attempt: int) -> Order:
        snapshot, view, records = self._look(taken)
        if view.holdings or snapshot.state.position is not Direction.of(quantity):
            raise CannotRoll("The old month is closed, and nothing was opened: the bot traded meanwhile.")
        refusal = self._refusal_of_opening(snapshot, view, records, quantity)
        if refusal or view.to_trade is None:
            self._stand_down(taken)
            raise CannotRoll(f"The old month is closed, and nothing was opened: {refusal}")
        contract = view.to_trade.name
        return self._send(taken, view, records, OrderPurpose.OPEN, contract, quantity, attempt)

    def _look(self, taken: Seat) -> tuple[Snapshot, BrokerView, Records]:
        taken.snapshot, records = stored(self.bot.id), records_of(self.bot)
        deadline = self.desk.deadline(READ_TIMEOUT_S)
        return taken.snapshot, positions.view_of(self.link, self.bot.instrument, deadline), records

    def _refusal_of_opening(
        self, snapshot: Snapshot, flat: BrokerView, records: Records, quantity: int
    ) -> str:
        """Return why the gate refuses to open so much from flat now, "" when it does not."""
        booked = replace(snapshot, quantity=0)
        facts = facts_for(self.desk, None, self.bot, booked, booked.memory, flat, records, self.desk.now())
        # The person who confirmed it is the event that calls for it.
        # What a risk made of an opening once is rolled as it is.
        size = facts.size if self.bot.risk_percent is None else abs(quantity)
        checks = gate.opening_checks(replace(facts, order=quantity, size=size, age_s=0.0))
        refusal = gate.refusal(checks)
        return f"{Reason(refusal.code).label} {refusal.figures}" if refusal else ""

    def _send(
        self,
        taken: Seat,
        view: BrokerView,
        records: Records,
        purpose: OrderPurpose,
        contract: str,
        quantity: int,
        attempt: int,
    ) -> Order:
        """Commit the intent, send it once, and book what is known of it."""
        claimed, now, before = self.desk.monotonic(), self.desk.now(), taken.snapshot
        order = Order(
            id=new_id(),
            account=self.bot.account,
            bot=self.bot,
            purpose=purpose,
            contract=contract,
            side=OrderSide.BUY if quantity > 0 else OrderSide.SELL,
            quantity=abs(quantity),
            client_order_id=self._client_order_id(OPEN if purpose == OrderPurpose.OPEN else CLOSE, attempt),
            status=OrderStatus.SENT,
            position_before=view.quantity_in(contract),
            created_at=now,
            sent_at=now,
        )
        after = before.changed(now)
        try:
            booking.write(self.bot, before, after, None, order, records)
        except Stale:
            raise CannotRoll("The bot changed meanwhile. Nothing was sent.") from None
        taken.snapshot = after
        outcome = orders.send(
            self.desk, self.link, order, None, claimed, self.desk.deadline(SUBMIT_TIMEOUT_S)
        )
        if outcome.status is OrderStatus.PENDING:
            # A roll is never sent late: its person would not expect it any more.
            outcome = replace(outcome, status=OrderStatus.DENIED)
        try:
            deadline = self.desk.deadline(READ_TIMEOUT_S)
            seen = positions.view_of(self.link, self.bot.instrument, deadline) if outcome.fills else None
        except BrokerError as error:
            # The order stays as it was claimed, and recovery asks about it.
            log.warning("roll.unread", order=str(order.id), error=str(error))
        else:
            taken.snapshot = book(self.desk, order, self.bot, outcome, seen)
        return order

    def _confirmed(self, order: Order) -> Order:
        """Return the order once its end is known, or as far as it is known after a few seconds."""
        deadline = self.desk.deadline(CONFIRM_WITHIN_S)
        while order.settled_at is None and deadline.left_s():
            self.desk.sleep(min(LOOK_EVERY_S, deadline.left_s()))
            order = Order.objects.select_related("bot__account", "bot__instrument", "decision").get(
                pk=order.pk
            )
            try:
                settle(self.desk, self.link, order)
            except (BrokerError, Busy) as error:
                log.info("roll.not_settled", order=str(order.id), error=repr(error))
        return order

    def _tries(self, part: str) -> list[Order]:
        """Return the orders that this roll sent for one of its parts, oldest first."""
        found: list[Order] = []
        while order := Order.objects.filter(client_order_id=self._client_order_id(part, len(found))).first():
            found.append(order)
        return found

    def _client_order_id(self, part: str, attempt: int) -> str:
        return orders.client_order_id(self.bot.id, f"roll|{self.incident.id}|{part}", attempt)

    def _stand_down(self, taken: Seat) -> None:
        """Let the bot rest until the next colour change: it was closed and not opened again."""
        while True:
            before, now = stored(self.bot.id), self.desk.now()
            newest = newest_event(before.memory)
            since = max(now, newest.effective_at) if newest else now
            entry = StandDown(f"roll|{now.isoformat()}", since, None, Reason.CONTRACT_ROLLED.value)
            memory = remember(before.memory, entry, self.desk.event_window)
            if memory is None:
                return
            try:
                after = before.changed(now, memory=memory)
                booking.store(before, after)
                taken.snapshot = after
                return
            except Stale:
                continue
