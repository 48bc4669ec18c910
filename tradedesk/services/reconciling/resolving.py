from django.db import transaction

from strategy.machine import remember
from strategy.types import StandDown
from tradedesk.models import Bot, Incident, IncidentKind, Order, OrderStatus, Reason
from tradedesk.services import incidents
from tradedesk.services.desk import READ_TIMEOUT_S, Desk
from tradedesk.services.halting.trading_state import lift_reduction
from tradedesk.services.order_path import booking, positions
from tradedesk.services.order_path.orders import Outcome, record
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.order_path.settling import book
from tradedesk.services.people.audit import note
from tradedesk.stores.positions import Snapshot, seat, stored
from tradedesk.stores.rows import Stale

SEAT_WAIT_S = 5.0


class CannotAdopt(Exception):
    """Only a bot's position that differs from the broker's can be adopted, and only one in a single month."""


def resolve(
    desk: Desk, incident: Incident, *, adopt: bool, reason: str, by: str, source_address: str = ""
) -> Incident:
    """Close an incident by a person's word, with `adopt` after booking the broker's position as the bot's.

    An unconfirmed order whose incident is resolved counts as lost from then on: the person has looked. So
    does one that was filled beyond its size. A lost opening stands the bot down, since its time has passed.
    Raises CannotAdopt, BrokerError, Busy.
    """
    bot = incident.bot
    if adopt:
        if incident.kind != IncidentKind.POSITION_MISMATCH or bot is None:
            raise CannotAdopt
        _adopt(desk, bot)
    if incident.kind in (IncidentKind.ORDER_UNCONFIRMED, IncidentKind.OVERFILLED):
        _declare_lost(desk, incident.subject, f"Declared lost by {by}: {reason}")
    now = desk.now()
    with transaction.atomic():
        incidents.close(incident, now=now, reason=reason, by=by)
        lift_reduction(incident.account, now)
        note(by, "resolve incident", str(incident.id), {"adopt": adopt}, reason, source_address, now)
    incident.refresh_from_db()
    return incident


def _declare_lost(desk: Desk, client_order_id: str, why: str) -> None:
    lost = Outcome(OrderStatus.LOST, note=why)
    order = (
        Order.objects.select_related("bot__account", "decision__alert")
        .filter(client_order_id=client_order_id, status=OrderStatus.UNCONFIRMED)
        .first()
    )
    if order is not None and order.bot is None:
        record(order, lost, None, desk.now())
    elif order is not None and order.bot is not None:
        with seat(order.bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
            taken.snapshot = book(desk, order, order.bot, lost, None)


def _adopt(desk: Desk, bot: Bot) -> None:
    link = desk.link(bot.account, timeout_s=READ_TIMEOUT_S)
    with seat(bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
        view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
        if len(view.holdings) > 1:
            raise CannotAdopt
        taken.snapshot = _book(desk, bot, view)


def _book(desk: Desk, bot: Bot, view: BrokerView) -> Snapshot:
    """Book the broker's position; the strategy stands down from it until the next colour change."""
    while True:
        before, now = stored(bot.id), desk.now()
        entry = StandDown(f"adopted|{now.isoformat()}", now, None, Reason.ADOPTED.value)
        memory = remember(before.memory, entry, desk.event_window) or before.memory
        held = booking.as_held(before, view, now)
        after = before.changed(
            now,
            memory=memory,
            quantity=held.quantity,
            average_price=held.average_price,
            contract=held.contract,
        )
        try:
            with transaction.atomic():
                booking.store(before, after)
                booking.watch_target(bot, after, now=now, why=Reason.ADOPTED.value)
            return after
        except Stale:
            continue
