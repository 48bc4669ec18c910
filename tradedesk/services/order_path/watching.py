from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from strategy.machine import contradictions
from strategy.types import Event
from tradedesk.models import Bot, Incident, IncidentKind
from tradedesk.services import incidents
from tradedesk.services.halting import trips
from tradedesk.services.order_path import booking
from tradedesk.services.order_path.booking import is_left
from tradedesk.services.order_path.choosing import Choice
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.stores.positions import Snapshot


@contextmanager
def watched(
    bot: Bot, choice: Choice, before: Snapshot, after: Snapshot, view: BrokerView | None, now: datetime
) -> Iterator[None]:
    """Keep the incidents in step with the decision written inside; as a rule none is concerned."""
    events = contradictions(choice.memory) if choice.memory is not None else ()
    differs = view is not None and not view.agrees_with(before.quantity, before.contract)
    is_watched = not choice.quantity and (is_left(before) or is_left(after))
    if not (events or differs or is_watched or choice.trip):
        yield
        return
    with transaction.atomic():
        yield
        if events:
            _note_contradiction(bot, events, now)
        if differs and view is not None:
            booking.open_mismatch(bot, before, view, now)
        if is_watched:
            booking.watch_target(bot, after, now=now, why=choice.reason.value)
        if choice.trip:
            trips.halt_bot(bot, choice.trip, now)


def _note_contradiction(bot: Bot, events: Sequence[Event], now: datetime) -> None:
    """Open an incident for opposite events of one indicator at one time, once."""
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
