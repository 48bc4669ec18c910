from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.db import transaction

from broker.base import BrokerError
from strategy import gate
from strategy.types import Direction
from tradedesk.models import Bot, Incident, IncidentKind, Order, OrderPurpose, OrderSide, OrderStatus, Reason
from tradedesk.services import incidents
from tradedesk.services.contracts.roll_openings import opening_after, waiting_for
from tradedesk.services.contracts.rolls import due_of
from tradedesk.services.desk import READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Desk, Link
from tradedesk.services.order_path import booking, legs, orders, positions
from tradedesk.services.order_path.choosing import facts_for
from tradedesk.services.order_path.owed_closings import put_down
from tradedesk.services.order_path.positions import BrokerView, Holding
from tradedesk.services.order_path.records import Records, records_of
from tradedesk.services.order_path.settling import book
from tradedesk.services.people.audit import note
from tradedesk.services.reconciling.recovery import settle
from tradedesk.stores.positions import Busy, Seat, Snapshot, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

SEAT_WAIT_S = 5.0
CONFIRM_WITHIN_S, LOOK_EVERY_S = 5.0, 0.25
CAME_TO_NOTHING = (OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.DENIED, OrderStatus.LOST)


class CannotRoll(Exception):
    """Why a position was not rolled, or not all the way, in a sentence for the person who asked."""


def roll(desk: Desk, incident: Incident, *, reason: str, by: str, source_address: str = "") -> Order:
    """Close the month that an incident is about and open as much in the month that the desk trades.

    Two orders through the gate, both written before the first is sent; the second goes only once the broker
    confirmed the first. Nothing is closed where the opening would be refused. After a crash in between the
    opening goes by itself while young, and what was closed and not opened leaves the bot flat until the next
    colour change, with an incident. Returns the opening; asked again, the same. Raises CannotRoll,
    BrokerError, Busy.
    """
    bot = incident.bot
    if incident.kind != IncidentKind.ROLL_DUE or bot is None or incident.closed_at is not None:
        raise CannotRoll("There is no position to roll.")
    note(by, "roll", f"bot {bot}", {"incident": str(incident.id)}, reason, source_address, desk.now())
    link = desk.link(bot.account, timeout_s=READ_TIMEOUT_S).for_orders()
    opening = _open_after(desk, link, _Roll(desk, link, bot, incident).close())
    if opening.status == OrderStatus.FILLED:
        incidents.close(incident, now=desk.now(), reason=reason, by=by)
    return opening


def _open_after(desk: Desk, link: Link, closing: Order) -> Order:
    """Send the opening that waits for a closing, unless that was done, and return it. Raises CannotRoll."""
    opening = opening_after(closing)
    if opening is not None and opening.status == OrderStatus.PENDING:
        settle(desk, link, opening)
    if opening is None or opening.status in CAME_TO_NOTHING:
        why = f"{opening.status}. {opening.note}" if opening else "missing."
        raise CannotRoll(f"The old month is closed; the opening is {why}")
    return opening


@dataclass
class _Roll:
    """The closing of one bot's old month, with the opening that waits for it. Its ids are the incident's."""

    desk: Desk
    link: Link
    bot: Bot
    incident: Incident

    def close(self) -> Order:
        """Close the old month, unless that was done, and return the order that did. Raises CannotRoll."""
        tries = self._tries()
        if not tries or tries[-1].status in CAME_TO_NOTHING:
            with seat(self.bot.id, wait_s=SEAT_WAIT_S, sleep=self.desk.sleep) as taken:
                tries.append(self._send_closing(taken, tries))
        order = self._confirmed(tries[-1])
        if order.status != OrderStatus.FILLED:
            raise CannotRoll(f"Nothing was opened: the closing order is {order.status}. {order.note}".strip())
        return order

    def _send_closing(self, taken: Seat, tries: list[Order]) -> Order:
        snapshot, view, records = self._look(taken)
        due = due_of(self.desk, self.link, self.bot)
        if len(due) != 1 or len(view.holdings) != 1:
            raise CannotRoll("There is not just one month to be left: flatten the bot instead.")
        held = view.holdings[0]
        if view.to_trade is None or view.to_trade.id == held.contract.id:
            raise CannotRoll("There is no other month to trade: pin it on the instrument.")
        if snapshot.state.position is not Direction.of(held.quantity):
            raise CannotRoll("The strategy has left the position: flatten the bot instead.")
        # What an earlier try closed before it was cancelled is rolled as well.
        quantity = held.quantity - sum(order.signed_filled for order in tries)
        if refusal := self._refusal_of_opening(snapshot, replace(view, holdings=()), records, quantity):
            raise CannotRoll(f"Nothing was closed, for the opening would be refused: {refusal}")
        facts = facts_for(
            self.desk, None, self.bot, snapshot, snapshot.memory, view, records, self.desk.now()
        )
        found = gate.refusal(gate.closing_checks(replace(facts, order=-held.quantity)))
        if found:
            raise CannotRoll(f"Nothing was closed: {Reason(found.code).label} {found.figures}")
        if self._put_legs_away():
            return self._send_closing(taken, tries)
        now = self.desk.now()
        closing = self._closing_of(held, len(tries), now)
        opening = waiting_for(closing, view.to_trade.name, quantity, now)
        # Ids of one millisecond are in no order, and whoever goes through them closes first.
        closing.id, opening.id = sorted((closing.id, opening.id))
        return self._send(taken, records, closing, opening)

    def _put_legs_away(self) -> bool:
        """Cancel the stop and target of the old month; return whether there were any. Raises CannotRoll."""
        try:
            return legs.clear(self.desk, self.link, self.bot, self.desk.deadline(READ_TIMEOUT_S))
        except (BrokerError, Busy):
            raise CannotRoll("Nothing was closed: the stop of the old month is not over yet.") from None

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

    def _closing_of(self, held: Holding, attempt: int, now: datetime) -> Order:
        identity = orders.client_order_id(self.bot.id, self._key, attempt)
        return Order(
            account=self.bot.account,
            bot=self.bot,
            purpose=OrderPurpose.CLOSE,
            contract=held.contract.name,
            side=OrderSide.SELL if held.quantity > 0 else OrderSide.BUY,
            quantity=abs(held.quantity),
            client_order_id=identity,
            status=OrderStatus.SENT,
            position_before=held.quantity,
            created_at=now,
            sent_at=now,
        )

    def _send(self, taken: Seat, records: Records, closing: Order, opening: Order) -> Order:
        """Commit both intents, send the closing once, and book what is known of it."""
        claimed, before = self.desk.monotonic(), taken.snapshot
        after = before.changed(self.desk.now())
        try:
            booking.write(self.bot, before, after, None, closing, records, [opening])
        except Stale:
            raise CannotRoll("The bot changed meanwhile. Nothing was sent.") from None
        taken.snapshot = after
        outcome = orders.send(
            self.desk, self.link, closing, None, claimed, self.desk.deadline(SUBMIT_TIMEOUT_S)
        )
        if outcome.status is OrderStatus.PENDING:
            # The closing of a roll is never sent late: its person would not expect it any more.
            outcome = replace(outcome, status=OrderStatus.DENIED)
        try:
            deadline = self.desk.deadline(READ_TIMEOUT_S)
            seen = positions.view_of(self.link, self.bot.instrument, deadline) if outcome.fills else None
        except BrokerError as error:
            # The order stays as it was claimed, and recovery asks about it.
            log.warning("roll.unread", order=str(closing.id), error=str(error))
            return closing
        with transaction.atomic():
            after = book(self.desk, closing, self.bot, outcome, seen)
            put_down(closing, after, self.desk.now())
        taken.snapshot = after
        return closing

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

    def _tries(self) -> list[Order]:
        """Return the closings that this roll sent, oldest first."""
        found: list[Order] = []
        while order := Order.objects.filter(
            client_order_id=orders.client_order_id(self.bot.id, self._key, len(found))
        ).first():
            found.append(order)
        return found

    @property
    def _key(self) -> str:
        return f"roll|{self.incident.id}|close"
