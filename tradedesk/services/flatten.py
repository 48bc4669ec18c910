from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db.models import Q

from broker.base import BrokerError
from strategy.machine import newest_event, remember
from strategy.types import StandDown
from tradedesk.models import Account, Bot, FlattenWish, Order, OrderStatus, Reason
from tradedesk.services import booking, wishes
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk
from tradedesk.services.flatten_rounds import close_account
from tradedesk.services.scopes import UnknownScope, accounts_in, bots_in, state_of
from tradedesk.services.trading_state import ALL
from tradedesk.stores.positions import Busy, Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
SEAT_WAIT_S = 5.0
READS_OF_ZERO = 2
# So long one try in the background lasts: the worker has other things to do.
GO_ON_FOR_S = 4.0


@dataclass
class Flattened:
    """How far a flatten came: `flat` only after two reads of the broker showed nothing held or working."""

    flat: bool = False
    positions: list[dict[str, Any]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


def flatten(
    desk: Desk,
    *,
    scope: str,
    reason: str,
    by: str,
    source_address: str = "",
    within_s: float = 10.0,
    passes_halt: bool = True,
    until: datetime | None = None,
) -> Flattened:
    """Cancel what works, close what is held in a scope, and read back until two reads show zero.

    The wish is stored first: what is not flat within `within_s` seconds goes on in the background, until it
    is, a person ends it, or `until` is past. Passes a halt that came before, for a person asked for it; a
    rule of the desk comes with `passes_halt` off, and closes nothing that is halted. Bots in the scope stand
    down until the next colour change. What cannot be read is never taken for flat. Raises UnknownScope.
    """
    wish = wishes.latch(
        scope,
        reason=reason,
        by=by,
        source_address=source_address,
        passes_halt=passes_halt,
        until=until,
        now=desk.now(),
    )
    return _work(desk, wish, desk.deadline(within_s))


def go_on(desk: Desk) -> int:
    """Go on with the flattens that are due, a few seconds each, and return how many are still open."""
    for wish in wishes.take_due(desk.now()):
        if wish.until is not None and desk.now() >= wish.until:
            wishes.give_up(wish, "Its time was over before it was flat.", desk.now())
            continue
        try:
            _work(desk, wish, desk.deadline(GO_ON_FOR_S))
        except UnknownScope:
            wishes.give_up(wish, "There is no such scope any more.", desk.now())
    return FlattenWish.objects.filter(ended_at=None).count()


def _work(desk: Desk, wish: FlattenWish, deadline: Deadline) -> Flattened:
    """Do rounds over the wish's accounts until two in a row showed zero or the deadline is past."""
    only = state_of(wish.scope).bot
    for bot in bots_in(wish.scope):
        _stand_down(desk, bot, wish)
    accounts = _accounts_of(wish)
    result, zeros, pause = Flattened(positions=wish.seen), 0, PAUSE_S
    while zeros < READS_OF_ZERO and deadline.left_s():
        is_flat = _round(desk, wish, accounts, only, result, deadline)
        zeros, pause = (zeros + 1, PAUSE_S) if is_flat else (0, min(pause * 2, LONGEST_PAUSE_S))
        # Looked at to the end also where another process has met the wish: the caller waits for the verdict.
        wishes.note_look(wish, result.positions, desk.now())
        if zeros < READS_OF_ZERO:
            desk.sleep(deadline.left_s(pause))
    result.flat = zeros >= READS_OF_ZERO
    if result.flat and not _is_any_unknown(accounts, only):
        wishes.meet(wish, desk.now())
    else:
        wishes.put_off(wish, desk.now(), is_moving=bool(result.orders))
    return result


def _round(
    desk: Desk,
    wish: FlattenWish,
    accounts: Sequence[Account],
    only: Bot | None,
    result: Flattened,
    deadline: Deadline,
) -> bool:
    """Do one round over the accounts; return whether all of them were read and nothing was held.

    Those that could not be read the last time come last: they must not take the time of the others.
    """
    unread = {row["account"] for row in result.positions if "error" in row}
    result.positions, is_flat = [], True
    for account in sorted(accounts, key=lambda account: account.name in unread):
        try:
            link = desk.link(account, timeout_s=deadline.left_s(READ_TIMEOUT_S)).for_orders()
            found = close_account(desk, link, account, wish, only, deadline)
        except (BrokerError, Busy, Unreadable) as error:
            log.warning("flatten.unread", account=account.name, error=repr(error))
            result.positions.append({"account": account.name, "error": str(error) or "busy"})
            is_flat = False
            continue
        result.positions += found.positions
        result.orders += found.orders
        is_flat &= found.is_flat
    return is_flat


def _accounts_of(wish: FlattenWish) -> list[Account]:
    """Return the accounts to close: of all, those switched on and those that hold something by our books."""
    accounts = accounts_in(wish.scope)
    if wish.scope != ALL:
        return accounts
    used = Q(enabled=True) | ~Q(bots__state__quantity=0) & Q(bots__isnull=False)
    ids = set(Account.objects.filter(used).values_list("pk", flat=True))
    return [account for account in accounts if account.pk in ids]


def _is_any_unknown(accounts: Sequence[Account], only: Bot | None) -> bool:
    """Tell whether an order may still fill: one without a known end, however flat the broker looks."""
    left = Order.objects.filter(account__in=accounts, settled_at=None).exclude(status=OrderStatus.PENDING)
    return (left.filter(bot=only) if only else left).exists()


def _stand_down(desk: Desk, bot: Bot, wish: FlattenWish) -> None:
    """Let the bot rest flat until the next colour change, once for each event that came since."""
    try:
        with seat(bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
            # Behind every event known by now, though the chart's clock be ahead of ours.
            newest = newest_event(stored(bot.id).memory)
            since = max(desk.now(), newest.effective_at) if newest else desk.now()
            key = f"flatten|{wish.since.isoformat()}|{newest.key if newest else ''}"
            taken.snapshot = _store_entry(desk, bot, StandDown(key, since, None, Reason.FLATTEN.value))
    except (Busy, Unreadable):
        # Closing matters more, and the next try comes back to it.
        log.warning("flatten.no_stand_down", bot=bot.slug)


def _store_entry(desk: Desk, bot: Bot, entry: StandDown) -> Snapshot:
    while True:
        before = stored(bot.id)
        memory = remember(before.memory, entry, desk.event_window)
        if memory is None or memory is before.memory:
            return before
        after = before.changed(desk.now(), memory=memory)
        try:
            booking.store(before, after)
            return after
        except Stale:
            continue
