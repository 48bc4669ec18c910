"""One round of a flatten over one account."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.db import transaction

from broker.base import BrokerContract, BrokerPosition, BrokerRefused, Side, WorkingOrder
from tradedesk.models import (
    Account,
    Bot,
    FlattenWish,
    Order,
    OrderPurpose,
    OrderSide,
    OrderStatus,
    Reason,
    TradingMode,
)
from tradedesk.models.ids import new_id
from tradedesk.services.desk import READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.halting import wishes
from tradedesk.services.halting.trading_state import is_halted_since, mode_for_claim
from tradedesk.services.order_path import booking, orders, positions
from tradedesk.services.order_path.orders import Outcome
from tradedesk.services.reconciling.recovery import settle_account
from tradedesk.stores import lease
from tradedesk.stores.positions import Snapshot, Unreadable, seat, stored
from tradedesk.stores.rows import Stale

log = structlog.get_logger(__name__)

# What the desk trades with. Anything else that works on the closing side of a position protects it.
TRADES = (OrderPurpose.OPEN, OrderPurpose.CLOSE, OrderPurpose.REVERSE)
CLOSES = (OrderPurpose.CLOSE, OrderPurpose.REVERSE, OrderPurpose.FLATTEN)

type Held = list[tuple[BrokerContract, BrokerPosition]]


@dataclass
class Round:
    """What the broker showed before this round closed or cancelled it, and the orders that closed it."""

    is_flat: bool
    positions: list[dict[str, Any]]
    orders: list[Order] = field(default_factory=list)


def close_account(
    desk: Desk, link: Link, account: Account, wish: FlattenWish, bot: Bot | None, deadline: Deadline
) -> Round:
    """Cancel the entries of an account, close what it holds, and return what there was; of one bot, or all.

    An order that is on its way counts as if it were held. What protects a position is cancelled once the
    position is gone: never is one left bare. Raises BrokerError and Busy when the account could not be read.
    """
    lease.require()
    root = bot.instrument.root if bot else None
    # A broker that does not answer for single orders must leave time to close.
    settle_account(desk, link, account, within_s=deadline.left_s() / 2)
    sending = Order.objects.filter(account=account, status=OrderStatus.SENT, settled_at=None)
    is_on_its_way = (sending.filter(bot=bot) if bot else sending).exists()
    # In this order: an entry that fills between the two reads shows in the second.
    working = _working(link, root, deadline)
    held = [
        (contract, row)
        for contract, row in positions.open_positions(link, deadline)
        if root in (None, contract.product)
    ]
    standing = _cancel(link, account, working, held, deadline)
    seen: list[dict[str, Any]] = [
        *(
            {"account": account.name, "contract": contract.name, "quantity": row.quantity}
            for contract, row in held
        ),
        *({"account": account.name, "order": str(order.id)} for order in standing),
    ]
    found = Round(not (held or working or is_on_its_way), seen)
    for contract, _ in held:
        order = _close(desk, link, account, wish, contract, deadline)
        if order is not None:
            found.orders.append(order)
    return found


def _working(link: Link, root: str | None, deadline: Deadline) -> list[WorkingOrder]:
    working = link.broker.working_orders(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    return [order for order in working if root is None or _is_of(link, order, root, deadline)]


def _is_of(link: Link, order: WorkingOrder, root: str, deadline: Deadline) -> bool:
    """Tell whether a working order trades a root; one whose contract is not told counts as if it did."""
    if order.contract_id is None:
        return True
    contract = link.broker.contract_by_id(order.contract_id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    return contract.product == root


def _cancel(
    link: Link, account: Account, working: list[WorkingOrder], held: Held, deadline: Deadline
) -> list[WorkingOrder]:
    """Ask for the working orders to be cancelled, except those that protect or close what is held.

    Returns those that were asked for.
    """
    closing_side = {contract.id: Side.SELL if row.quantity > 0 else Side.BUY for contract, row in held}
    trades = set(
        Order.objects.filter(account=account, settled_at=None, purpose__in=TRADES).values_list(
            "broker_order_id", flat=True
        )
    )
    to_cancel = [
        order
        for order in working
        if order.contract_id is None
        or order.side is not closing_side.get(order.contract_id)
        or order.id in trades
    ]
    for order in to_cancel:
        try:
            link.broker.cancel(order.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
        except BrokerRefused as refusal:
            log.info("flatten.cancel_refused", order=order.id, error=str(refusal))
    return to_cancel


def _close(
    desk: Desk, link: Link, account: Account, wish: FlattenWish, contract: BrokerContract, deadline: Deadline
) -> Order | None:
    """Close one position, from the bot's seat where a bot owns it."""
    bot = (
        Bot.objects.select_related("account", "instrument", "strategy__instrument")
        .filter(account=account, instrument__root=contract.product)
        .first()
    )
    if bot is not None:
        with suppress(Unreadable), seat(bot.id, wait_s=deadline.left_s(), sleep=desk.sleep) as taken:
            sent = _send_closing(desk, link, account, bot, wish, contract, deadline)
            taken.snapshot = _book(desk, link, bot, sent)
            return sent[0] if sent else None
    # No bot, or one whose memory cannot be read: that does not matter for closing what the broker shows.
    sent = _send_closing(desk, link, account, bot, wish, contract, deadline)
    if sent is None:
        return None
    orders.record(*sent, bot, desk.now())
    return sent[0]


def _send_closing(
    desk: Desk,
    link: Link,
    account: Account,
    bot: Bot | None,
    wish: FlattenWish,
    contract: BrokerContract,
    deadline: Deadline,
) -> tuple[Order, Outcome] | None:
    """Send one order for what is held at this moment, unless an earlier closing has no known end.

    Return the order with what became of it, which is not stored yet.
    """
    settled_before = _settled(account, contract)
    rows = link.broker.positions(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    held = next((row.quantity for row in rows if row.contract_id == contract.id), 0)
    claimed, now, identity = desk.monotonic(), desk.now(), new_id()
    with transaction.atomic():
        # Two processes that flatten at once wait for each other here; the second finds the first's order.
        # Before the trading states: the other way round it and a reconciliation could wait for each other.
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        if not held or not _may_close(account, bot, wish):
            return None
        ours = Order.objects.filter(account=account, contract=contract.name)
        # An order that waits to be sent late must not go beside this one.
        ours.filter(status=OrderStatus.PENDING).update(
            status=OrderStatus.DENIED, settled_at=now, note="A flatten took its place."
        )
        # What settled since the read may have moved what was read: the next round reads again.
        has_moved = _settled(account, contract) != settled_before
        if has_moved or ours.filter(settled_at=None, purpose__in=CLOSES).exists():
            return None
        # A claim that is being written at this moment is not among the orders yet.
        if bot is not None and not booking.outdate(bot, now):
            return None
        order = Order.objects.create(
            id=identity,
            account=account,
            bot=bot,
            purpose=OrderPurpose.FLATTEN,
            contract=contract.name,
            side=OrderSide.SELL if held > 0 else OrderSide.BUY,
            quantity=abs(held),
            client_order_id=f"{orders.ID_PREFIX}flat-{identity.hex}",
            status=OrderStatus.SENT,
            position_before=held,
            created_at=now,
            sent_at=now,
        )
    outcome = orders.send(desk, link, order, None, claimed, desk.deadline(SUBMIT_TIMEOUT_S))
    if outcome.status is OrderStatus.PENDING:
        # The next round sizes a new one; an order to flatten is never sent late.
        outcome = replace(outcome, status=OrderStatus.DENIED)
    return order, outcome


def _settled(account: Account, contract: BrokerContract) -> int:
    """Return how many orders in a contract have left and are over."""
    over = Order.objects.filter(account=account, contract=contract.name).exclude(settled_at=None)
    return over.exclude(status=OrderStatus.DENIED).count()


def _may_close(account: Account, bot: Bot | None, wish: FlattenWish) -> bool:
    """Tell whether a flatten may still send: not after it was ended, nor after a halt that came later.

    A rule of the desk passes no halt at all. The trading states stay locked until the transaction ends.
    """
    if mode_for_claim(account, bot) is TradingMode.HALTED and (
        not wish.passes_halt or is_halted_since(wish.since, account, bot)
    ):
        return False
    return wishes.is_open(wish)


def _book(desk: Desk, link: Link, bot: Bot, sent: tuple[Order, Outcome] | None) -> Snapshot:
    """Book what the broker holds of the bot's instrument now, and in one with it what became of the order.

    Where the broker cannot be read the order stays as it was sent: it is asked about and booked then.
    """
    view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
    while True:
        before, now = stored(bot.id), desk.now()
        is_moved = not view.agrees_with(before.quantity, before.contract)
        after = booking.as_held(before, view, now) if is_moved else before
        try:
            with transaction.atomic():
                if sent is not None:
                    orders.record(*sent, bot, now)
                if is_moved:
                    booking.store(before, after)
                    booking.watch_target(bot, after, now=now, why=Reason.FLATTEN.value)
            return after
        except Stale:
            continue
