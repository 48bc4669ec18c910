"""What an alert means to a bot before the broker is asked: its new memory, or why nothing is to be done."""

from datetime import timedelta

from strategy.machine import fold, remember
from strategy.trend_filter import with_filter
from strategy.types import Direction, Event, Indicator, Memory
from tradedesk.models import Alert, Bot, Order, OrderSide, Reason
from tradedesk.services.alerts.signals import event_of, refusal_of_alert
from tradedesk.services.order_path.choosing import Choice, reason_for
from tradedesk.stores.positions import Snapshot


def remembered(alert: Alert, bot: Bot, before: Snapshot, window: timedelta) -> Memory | Reason:
    """Return what the bot remembers with the alert's event, or why the event is none for it."""
    if refusal := refusal_of_alert(alert, bot.strategy):
        return refusal
    known = with_filter(before.memory, bot.strategy.filter_timeframe)
    return remember(known, event_of(alert, bot.strategy), window) or Reason.EVENT_WINDOW


def idle_choice(alert: Alert, bot: Bot, before: Snapshot, memory: Memory) -> Choice | None:
    """Return the choice that sends nothing because nothing is to change; None where the position may."""
    event, target = event_of(alert, bot.strategy), fold(memory).position
    is_held = target is before.held and not _is_in_doubt(bot, before, target)
    if is_held or _is_on_its_way(bot, before, target) or _only_tells_the_filter(event, before, target):
        return Choice(reason_for(before, memory, event), memory)
    return None


def _is_in_doubt(bot: Bot, before: Snapshot, target: Direction) -> bool:
    """Tell whether the target moved to what is booked while an order may have moved what is held."""
    has_moved = target is not before.state.position
    return has_moved and Order.objects.unfinished().filter(bot=bot).exists()


def _is_on_its_way(bot: Bot, before: Snapshot, target: Direction) -> bool:
    """Tell whether an order works already toward a target that the event leaves where it was."""
    if target in (Direction.NONE, before.held) or target is not before.state.position:
        return False
    side = OrderSide.BUY if target is Direction.LONG else OrderSide.SELL
    return Order.objects.unfinished().filter(bot=bot, side=side).exists()


def _only_tells_the_filter(event: Event, before: Snapshot, target: Direction) -> bool:
    """Tell whether the event is a colour of the filter that moves no target: it trades nothing."""
    return event.indicator is Indicator.FILTER and target is before.state.position
