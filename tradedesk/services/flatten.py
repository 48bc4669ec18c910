from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.db import transaction

from broker.base import BrokerContract, BrokerError, BrokerRefused, WorkingOrder
from strategy.machine import newest_event, remember
from strategy.types import StandDown
from tradedesk.models import (
    Account,
    Bot,
    Order,
    OrderPurpose,
    OrderSide,
    OrderStatus,
    Reason,
    TradingMode,
    TradingState,
)
from tradedesk.models.ids import new_id
from tradedesk.services import booking, orders, positions
from tradedesk.services.audit import note
from tradedesk.services.desk import READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.recovery import settle_account
from tradedesk.services.scopes import accounts_in, bots_in, state_of
from tradedesk.services.trading_state import mode_for_claim
from tradedesk.stores.positions import Busy, Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

PAUSE_S = 0.25
SEAT_WAIT_S = 5.0
READS_OF_ZERO = 2


@dataclass
class Flattened:
    """How far a flatten came: `flat` only after two reads of the broker showed nothing held or working.

    `passes_halt` says that a person asked for it.
    """

    passes_halt: bool = True
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
) -> Flattened:
    """Cancel what works, close what is held in a scope, and read back until two reads show zero.

    Passes a halt, for a person asked for it; a rule of the desk comes with `passes_halt` off, and closes
    nothing that is halted. Bots in the scope stand down until the next colour change. What cannot be read is
    never taken for flat. Raises UnknownScope.
    """
    state = state_of(scope)
    note(by, "flatten", scope, {}, reason, source_address, desk.now())
    for bot in bots_in(scope):
        _stand_down(desk, bot)
    result, deadline = Flattened(passes_halt), desk.deadline(within_s)
    zeros = 0
    while zeros < READS_OF_ZERO and deadline.left_s():
        result.positions = []
        zeros = zeros + 1 if _round(desk, state, result, deadline) else 0
        if zeros < READS_OF_ZERO:
            desk.sleep(min(PAUSE_S, deadline.left_s()))
    result.flat = zeros >= READS_OF_ZERO
    return result


def _round(desk: Desk, state: TradingState, result: Flattened, deadline: Deadline) -> bool:
    """Do one round over the scope's accounts; return whether all of them were read and nothing was held."""
    is_flat = True
    for account in accounts_in(state.scope):
        try:
            link = desk.link(account, timeout_s=deadline.left_s(READ_TIMEOUT_S))
            is_flat &= _round_of(desk, link, account, state, result, deadline)
        except (BrokerError, Busy, Unreadable) as error:
            log.warning("flatten.unread", account=account.name, error=repr(error))
            result.positions.append({"account": account.name, "error": str(error) or "busy"})
            is_flat = False
    return is_flat


def _round_of(
    desk: Desk, link: Link, account: Account, state: TradingState, result: Flattened, deadline: Deadline
) -> bool:
    root = state.bot.instrument.root if state.bot else None
    settle_account(desk, link, account)
    held = [
        (contract, row)
        for contract, row in positions.open_positions(link, deadline)
        if root in (None, contract.product)
    ]
    # What protects a position is cancelled once it is closed: a closing that fails must not leave it bare.
    legs_held = Order.objects.open_legs().filter(
        account=account, contract__in=[month.name for month, _ in held]
    )
    spared = {leg.broker_order_id for leg in legs_held}
    spared |= {order.broker_order_id for order in result.orders}
    working = _cancel_working(link, root, deadline, spared)
    for contract, row in held:
        result.positions.append(
            {"account": account.name, "contract": contract.name, "quantity": row.quantity}
        )
        _close(desk, link, account, contract, result, deadline)
    return not held and not working


def _cancel_working(link: Link, root: str | None, deadline: Deadline, spared: set[int | None]) -> int:
    """Ask for every working order in the scope to be cancelled, and return how many there were."""
    found = 0
    for order in link.broker.working_orders(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S)):
        if root is not None and not _is_of(link, order, root, deadline):
            continue
        found += 1
        if order.id in spared:
            continue
        try:
            link.broker.cancel(order.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
        except BrokerRefused as refusal:
            log.info("flatten.cancel_refused", order=order.id, error=str(refusal))
    return found


def _is_of(link: Link, order: WorkingOrder, root: str, deadline: Deadline) -> bool:
    """Tell whether a working order trades a root; one whose contract is not told counts as if it did."""
    if order.contract_id is None:
        return True
    contract = link.broker.contract_by_id(order.contract_id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    return contract.product == root


def _close(
    desk: Desk, link: Link, account: Account, contract: BrokerContract, result: Flattened, deadline: Deadline
) -> None:
    """Close one position, from the bot's seat where a bot owns it."""
    bot = (
        Bot.objects.select_related("account", "instrument", "strategy__instrument")
        .filter(account=account, instrument__root=contract.product)
        .first()
    )
    if bot is None:
        order = _send_closing(desk, link, account, None, contract, deadline, result.passes_halt)
    else:
        try:
            with seat(bot.id, wait_s=deadline.left_s(), sleep=desk.sleep) as taken:
                order = _send_closing(desk, link, account, bot, contract, deadline, result.passes_halt)
                taken.snapshot = _book_held(desk, link, bot, deadline)
        except Unreadable:
            # What the bot remembers does not matter for closing what the broker shows.
            order = _send_closing(desk, link, account, bot, contract, deadline, result.passes_halt)
    if order is not None:
        result.orders.append(order)


def _send_closing(
    desk: Desk,
    link: Link,
    account: Account,
    bot: Bot | None,
    contract: BrokerContract,
    deadline: Deadline,
    passes_halt: bool,
) -> Order | None:
    """Send one order for what is held at this moment, unless an earlier closing has no known end."""
    read_at = desk.now()
    rows = link.broker.positions(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    held = next((row.quantity for row in rows if row.contract_id == contract.id), 0)
    claimed, now, identity = desk.monotonic(), desk.now(), new_id()
    with transaction.atomic():
        if not passes_halt and mode_for_claim(account, bot) is TradingMode.HALTED:
            return None
        # Two people who flatten at once wait for each other here, and the second finds the first's order.
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        ours = Order.objects.filter(account=account, contract=contract.name)
        # An order that waits to be sent late must not go beside this one.
        ours.filter(status=OrderStatus.PENDING).update(
            status=OrderStatus.DENIED, settled_at=now, note="A flatten took its place."
        )
        closings = ours.unfinished().exclude(purpose=OrderPurpose.OPEN)
        # What settled since the read may have moved what was read: the next round reads again.
        moved = ours.filter(settled_at__gte=read_at).exclude(status=OrderStatus.DENIED)
        if not held or closings.exists() or moved.exists():
            return None
        order = Order.objects.create(
            id=identity,
            account=account,
            bot=bot,
            purpose=OrderPurpose.FLATTEN,
            contract=contract.name,
            side=OrderSide.SELL if held > 0 else OrderSide.BUY,
            quantity=abs(held),
            client_order_id=f"td-flat-{identity.hex}",
            status=OrderStatus.SENT,
            position_before=held,
            created_at=now,
            sent_at=now,
        )
    outcome = orders.send(desk, link, order, None, claimed, desk.deadline(SUBMIT_TIMEOUT_S))
    if outcome.status is OrderStatus.PENDING:
        # The next round sizes a new one; an order to flatten is never sent late.
        outcome = replace(outcome, status=OrderStatus.DENIED)
    orders.record(order, outcome, bot, desk.now())
    return order


def _book_held(desk: Desk, link: Link, bot: Bot, deadline: Deadline) -> Snapshot:
    """Book what the broker holds of the bot's instrument now, and return the bot's next version."""
    view = positions.view_of(link, bot.instrument, deadline)
    while True:
        before = stored(bot.id)
        if view.quantity == before.quantity:
            return before
        after = booking.as_held(before, view, desk.now())
        try:
            with transaction.atomic():
                booking.store(before, after)
                booking.watch_target(bot, after, now=desk.now(), why=Reason.FLATTEN.value)
            return after
        except Stale:
            continue


def _stand_down(desk: Desk, bot: Bot) -> None:
    """Let the bot rest flat until the next colour change, from the moment a person asked."""
    try:
        with seat(bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
            # Behind every event known by now, though the chart's clock be ahead of ours.
            now, newest = desk.now(), newest_event(stored(bot.id).memory)
            since = max(now, newest.effective_at) if newest else now
            entry = StandDown(f"flatten|{now.isoformat()}", since, None, Reason.FLATTEN.value)
            taken.snapshot = _store_entry(desk, bot, entry)
    except (Busy, Unreadable):
        # Closing matters more; a target left standing is too old to open again.
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
