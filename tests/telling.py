"""Words for stories of alerts: the events, the states that a bot can be in, and what came of it all."""

from broker.base import BrokerRefused
from strategy.types import Direction
from tests.fakes import FakeBroker
from tests.posting import Answer
from tradedesk.models import Bot, Incident, TradingMode, TradingState
from tradedesk.stores.positions import stored

BLUE, RED, UP, DOWN = "LONG_ENTRY", "SHORT_ENTRY", "DI_CROSS_UP", "DI_CROSS_DOWN"
# Position, colour, waiting. DOWN_…: stood down, flat and not waiting.
NOTHING_YET = ("NONE", None, "NO")
IN_LONG, OUT_BLUE, DOWN_BLUE = ("LONG", "BLUE", "NO"), ("NONE", "BLUE", "YES"), ("NONE", "BLUE", "NO")
IN_SHORT, OUT_RED, DOWN_RED = ("SHORT", "RED", "NO"), ("NONE", "RED", "YES"), ("NONE", "RED", "NO")
# Recovery takes what a request left behind once it is this old, in seconds.
LEFT_BEHIND_S = 6


def said(answer: Answer) -> tuple[str, str]:
    return answer.decision["action"], answer.decision["reason"]


def state_of(bot: Bot) -> tuple[str, str | None, str]:
    state = stored(bot.id).public()
    return state["current_position"], state["trend_color"], state["waiting_for_reentry"]


def target_of(bot: Bot) -> Direction:
    return stored(bot.id).state.position


def sent(broker: FakeBroker) -> list[tuple[str, int, str]]:
    """Return the orders that reached the broker, as side, contracts and month."""
    return [(order.side.value, order.quantity, order.contract) for order in broker.submits]


def open_incidents() -> list[tuple[str, str]]:
    found = Incident.objects.filter(closed_at=None).order_by("kind", "subject")
    return list(found.values_list("kind", "subject"))


def set_mode(mode: TradingMode, scope: str = "all") -> None:
    TradingState.objects.filter(scope=scope).update(mode=mode)


def taken_and_rejected(broker: FakeBroker) -> None:
    broker.reject("MaxPosLimitReached")


def refused_at_once(broker: FakeBroker) -> None:
    broker.fail("submit", BrokerRefused("MaxPosLimitReached"))
