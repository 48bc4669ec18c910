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
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Desk
from tradedesk.services.halting import wishes
from tradedesk.services.halting.flatten_rounds import Round, close_account
from tradedesk.services.halting.scopes import UnknownScope, accounts_in, bots_in, state_of
from tradedesk.services.halting.trading_state import ALL
from tradedesk.services.order_path import booking
from tradedesk.stores.positions import Busy, Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
READS_OF_ZERO = 2
# What an account needs whose broker answers slowly. A try in the background has so long for each account, but
# ends before its lease: the worker has other things to do, and another process may come in then.
TURN_S, LONGEST_TRY_S = 4.0, 12.0
# How much of a try may pass with waiting for busy bots. A lock that a killed process left behind lasts for
# four seconds: who waited for it would close nothing.
MOST_WAITING = 0.25
NOT_REACHED = "Its turn did not come."


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
    return _work(desk, wish, _accounts_of(wish), desk.deadline(within_s))


def go_on(desk: Desk) -> int:
    """Go on with the flattens that are due, a few seconds each, and return how many are still open."""
    for wish in wishes.due(desk.now()):
        # Only now: while the ones before it took their time, a person may have asked for it anew.
        if not wishes.take(wish, desk.now()):
            continue
        if wish.until is not None and desk.now() >= wish.until:
            wishes.give_up(wish, "Its time was over before it was flat.", desk.now())
            continue
        try:
            accounts = _accounts_of(wish)
            within_s = min(TURN_S * max(len(accounts), 1), LONGEST_TRY_S)
            _work(desk, wish, accounts, desk.deadline(within_s))
        except UnknownScope:
            wishes.give_up(wish, "There is no such scope any more.", desk.now())
    return FlattenWish.objects.filter(ended_at=None).count()


def _work(desk: Desk, wish: FlattenWish, accounts: Sequence[Account], deadline: Deadline) -> Flattened:
    """Do rounds over the wish's accounts until two in a row showed zero or the deadline is past."""
    only, waiting = state_of(wish.scope).bot, desk.deadline(deadline.left_s() * MOST_WAITING)
    busy = [bot for bot in bots_in(wish.scope) if not _stand_down(desk, bot, wish, waiting)]
    result, zeros, pause = Flattened(positions=wish.seen), 0, PAUSE_S
    while zeros < READS_OF_ZERO and deadline.left_s():
        is_flat = _round(desk, wish, accounts, only, result, deadline)
        zeros, pause = (zeros + 1, PAUSE_S) if is_flat else (0, min(pause * 2, LONGEST_PAUSE_S))
        # Looked at to the end also where another process has met the wish: the caller waits for the verdict.
        wishes.note_look(wish, result.positions, desk.now())
        if zeros < READS_OF_ZERO:
            desk.sleep(deadline.left_s(pause))
    result.flat = zeros >= READS_OF_ZERO
    if result.flat and not busy and not _is_any_unknown(accounts, only):
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
    """Give each account its turn; return whether all of them were read and nothing was held.

    A turn is a fair share of the time that is left, so that a broker which hangs takes only its own.
    """
    seen, turns = result.positions, _in_turn(accounts, result.positions)
    result.positions, is_flat = [], True
    for number, account in enumerate(turns):
        share_s = max(deadline.left_s() / (len(turns) - number), TURN_S)
        turn = desk.deadline(deadline.left_s(share_s))
        found = _look_at(desk, wish, account, only, turn) if turn.left_s() else _not_reached(account, seen)
        result.positions += found.positions
        result.orders += found.orders
        is_flat &= found.is_flat
    return is_flat


def _in_turn(accounts: Sequence[Account], seen: Sequence[dict[str, Any]]) -> list[Account]:
    """Return the accounts in the order of their turns, by what the last look at them came to.

    Those whose turn did not come are first. Those that could not be read are last, the first of them behind
    the others: it may have taken their time.
    """
    errors = {row["account"]: row["error"] for row in seen if "error" in row}
    unread = [name for name, error in errors.items() if error != NOT_REACHED]
    places = {name: place for place, name in enumerate(unread[1:] + unread[:1], 1)}
    places |= {name: -1 for name, error in errors.items() if error == NOT_REACHED}
    return sorted(accounts, key=lambda account: places.get(account.name, 0))


def _look_at(desk: Desk, wish: FlattenWish, account: Account, only: Bot | None, turn: Deadline) -> Round:
    """Do one round over an account; one that could not be read is not flat."""
    try:
        link = desk.link(account, timeout_s=turn.left_s(READ_TIMEOUT_S)).for_orders()
        return close_account(desk, link, account, wish, only, turn)
    except (BrokerError, Busy, Unreadable) as error:
        log.warning("flatten.unread", account=account.name, error=repr(error))
        return Round(is_flat=False, positions=[{"account": account.name, "error": str(error) or "busy"}])


def _not_reached(account: Account, seen: Sequence[dict[str, Any]]) -> Round:
    """Return what the last look at an account showed that has to wait for the next round."""
    held = [row for row in seen if row["account"] == account.name and "error" not in row]
    return Round(is_flat=False, positions=[*held, {"account": account.name, "error": NOT_REACHED}])


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


def _stand_down(desk: Desk, bot: Bot, wish: FlattenWish, waiting: Deadline) -> bool:
    """Let the bot rest flat until the next colour change, once for each event that came since.

    Returns False where it is busy: what it decides meanwhile could open again once the flatten is over.
    """
    try:
        with seat(bot.id, wait_s=waiting.left_s(), sleep=desk.sleep) as taken:
            # Behind every event known by now, though the chart's clock be ahead of ours.
            newest = newest_event(stored(bot.id).memory)
            since = max(desk.now(), newest.effective_at) if newest else desk.now()
            key = f"flatten|{wish.since.isoformat()}|{newest.key if newest else ''}"
            taken.snapshot = _store_entry(desk, bot, StandDown(key, since, None, Reason.FLATTEN.value))
    except Busy:
        # Closing matters more, and the next try comes back to it.
        log.warning("flatten.no_stand_down", bot=bot.slug)
        return False
    except Unreadable:
        log.warning("flatten.unreadable", bot=bot.slug)
    return True


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
