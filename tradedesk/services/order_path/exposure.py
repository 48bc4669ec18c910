from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q

from strategy.gate import Exposure
from tradedesk.models import LEGS, Bot, Instrument, Order
from tradedesk.models.limits import SHARED_CAPS
from tradedesk.services.desk import Desk
from tradedesk.services.order_path.positions import BrokerView

type Range = tuple[int, int]


def exposure_of(desk: Desk, bot: Bot, view: BrokerView | None) -> Exposure:
    """Return what the account holds besides the bot's root, by the broker, and what its orders may add.

    An order of another bot that ended since the broker was asked counts too: the answer may not show it.
    Without a cap nothing is read.
    """
    account, own = bot.account, bot.instrument
    capped = Exposure(
        account_cap=account.max_position, group_cap=account.max_group_position, weight=own.group_weight
    )
    if view is None or not account.is_limited(*SHARED_CAPS):
        return capped
    asked_at = desk.now() - timedelta(seconds=desk.monotonic() - view.asked_at)
    held = _held_or_working(bot, view, asked_at)
    weights = _group(own) if account.max_group_position is not None else {}
    in_group = [(held[root], weight) for root, weight in weights.items()]
    return replace(
        capped,
        elsewhere=sum(max(abs(least), abs(most)) for least, most in held.values()),
        in_group=(
            sum(least * weight for (least, _), weight in in_group),
            sum(most * weight for (_, most), weight in in_group),
        ),
    )


def _held_or_working(bot: Bot, view: BrokerView, asked_at: datetime) -> defaultdict[str, Range]:
    """Return the least and the most signed contracts that the account may hold, by other root."""
    ranges: defaultdict[str, Range] = defaultdict(lambda: (0, 0))
    ranges |= {root: (quantity, quantity) for root, quantity in view.others.items()}
    others = Order.objects.filter(account=bot.account, bot__isnull=False).exclude(bot=bot)
    others = others.exclude(purpose__in=LEGS)
    may_fill = others.filter(Q(settled_at=None) | Q(settled_at__gte=asked_at))
    for order in may_fill.select_related("bot__instrument"):
        assert order.bot is not None
        root, adds = order.bot.instrument.root, order.signed_quantity
        least, most = ranges[root]
        ranges[root] = least + min(adds, 0), most + max(adds, 0)
    return ranges


def _group(own: Instrument) -> dict[str, int]:
    """Return the micros that one contract comes to, by other root of the group; empty without a group."""
    if not own.group:
        return {}
    others = Instrument.objects.filter(group=own.group).exclude(pk=own.pk)
    return dict(others.values_list("root", "group_weight"))
