from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from broker.base import BrokerContract, BrokerPosition
from tradedesk.models import (
    Account,
    Bot,
    Cause,
    Incident,
    IncidentKind,
    Order,
    OrderStatus,
    TradingMode,
    TradingState,
)
from tradedesk.services import incidents
from tradedesk.services.contracts import cash
from tradedesk.services.desk import READ_TIMEOUT_S, Desk, Link
from tradedesk.services.halting.trading_state import lift_reduction, set_mode
from tradedesk.services.order_path import booking, legs, positions, protection
from tradedesk.services.order_path.late_fills import book_late_fills
from tradedesk.services.order_path.positions import BrokerView
from tradedesk.services.reconciling import runaway
from tradedesk.stores import lease
from tradedesk.stores.positions import Snapshot, seat, stored

SECOND_LOOK_AFTER = timedelta(seconds=5)
# Longer than a lock that a killed process left behind.
SEAT_WAIT_S = 5.0


@dataclass(frozen=True)
class Reconciled:
    """What a comparison with the broker found: the differences, and the incidents still open."""

    differences: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences


def reconcile(desk: Desk, accounts: Iterable[Account]) -> Reconciled:
    """Compare positions and working orders with the broker, account by account.

    A difference seen twice, five seconds apart, becomes an incident and lets the account only reduce; one
    that is gone closes its incident. Nothing is ever traded to mend one. Raises BrokerError, and Busy when a
    bot could not be looked at, or by a region that may not send: the account then counts as not reconciled.
    """
    found = Reconciled()
    for account in accounts:
        # What follows may cancel a stop or put one back.
        lease.require()
        link = desk.link(account, timeout_s=READ_TIMEOUT_S)
        # Before the account counts as reconciled: where the orders cannot be read, it does not.
        runaway.watch(desk, link, account)
        found.differences.extend(_compare(desk, link, account))
        cash.watch(desk, link, account)
        found.incidents.extend(Incident.objects.filter(account=account, closed_at=None))
    return found


def _compare(desk: Desk, link: Link, account: Account) -> list[dict[str, Any]]:
    bots = list(account.bots.select_related("account", "instrument"))
    looks = {bot: _look_at(desk, link, bot) for bot in bots}
    differences = [
        *(look.difference for look in looks.values() if look.difference),
        *_foreign_positions(desk, link, account, {bot.instrument.root for bot in bots}),
        *_foreign_orders(link, account),
    ]
    settled = [bot for bot, look in looks.items() if look.is_settled]
    now = desk.now()
    with transaction.atomic():
        seen = _seen_before(account, differences, now)
        for difference in differences:
            # A moment in the future was written by a clock that was set back since.
            if abs(now - datetime.fromisoformat(seen[_identity(difference)])) >= SECOND_LOOK_AFTER:
                _open(account, difference, now)
        _close_what_is_gone(account, settled, differences, now)
        lift_reduction(account, now)
        Account.objects.filter(pk=account.pk).update(reconciled_at=now, differences=seen)
    account.reconciled_at, account.differences = now, seen
    return differences


@dataclass(frozen=True)
class _Look:
    """What a look at a bot showed: whether all its orders are over, and how it differs from the broker."""

    is_settled: bool
    difference: dict[str, Any] | None = None


def _look_at(desk: Desk, link: Link, bot: Bot) -> _Look:
    """Compare a bot's booked position with the broker's.

    From the bot's seat, so that no order of the desk moves the position meanwhile. Fills of its stop, and
    those that show late, are booked first; a stop that does not fit is mended where the position does. A bot
    with an order whose end is not known is left alone: the order may explain any difference. While its
    orders only wait, a missing stop is told. Raises Busy.
    """
    with seat(bot.id, wait_s=SEAT_WAIT_S, sleep=desk.sleep) as taken:
        unfinished = Order.objects.unfinished().filter(bot=bot)
        is_settled = not unfinished.exists()
        if not is_settled and unfinished.exclude(status=OrderStatus.PENDING).exists():
            return _Look(is_settled=False)
        standing = legs.settle(desk, link, bot, desk.deadline(READ_TIMEOUT_S))
        taken.snapshot = stored(bot.id)
        view = positions.view_of(link, bot.instrument, desk.deadline(READ_TIMEOUT_S))
        found = _mismatch(bot, taken.snapshot, view)
        if not is_settled:
            if found is None:
                protection.watch(bot, next(iter(view.holdings), None), standing, desk.now())
            return _Look(is_settled=False)
        if found is not None:
            book_late_fills(desk, link, bot, view, desk.deadline(READ_TIMEOUT_S))
            taken.snapshot = stored(bot.id)
            if Order.objects.unfinished().filter(bot=bot).exists():
                # Such a fill is owed a closing.
                return _Look(is_settled=False)
            found = _mismatch(bot, taken.snapshot, view)
        # A leg of a position that somebody closed would open another one.
        is_gone = found is not None and not view.holdings and _identity(found) in bot.account.differences
        if found is None or is_gone:
            protection.keep(desk, link, bot, view, standing)
            taken.snapshot = stored(bot.id)
        booking.watch_target(bot, taken.snapshot, now=desk.now())
    return _Look(is_settled=True, difference=found)


def _mismatch(bot: Bot, booked: Snapshot, view: BrokerView) -> dict[str, Any] | None:
    """Return how the broker's position differs from the booked one, None where they agree."""
    if view.agrees_with(booked.quantity, booked.contract):
        return None
    figures = view.difference(booked.quantity, booked.contract)
    return _difference(IncidentKind.POSITION_MISMATCH, bot.slug, bot.slug, **figures)


def _foreign_positions(desk: Desk, link: Link, account: Account, roots: set[str]) -> list[dict[str, Any]]:
    held: list[tuple[BrokerContract, BrokerPosition]] = positions.open_positions(
        link, desk.deadline(READ_TIMEOUT_S)
    )
    return [
        _difference(IncidentKind.FOREIGN_POSITION, None, f"{account.name} {contract.name}", row.quantity, 0)
        for contract, row in held
        if contract.product not in roots
    ]


def _foreign_orders(link: Link, account: Account) -> list[dict[str, Any]]:
    working = link.broker.working_orders(link.account.id, timeout_s=READ_TIMEOUT_S)
    ids = {order.id for order in working}
    ours = set(
        Order.objects.filter(account=account, broker_order_id__in=ids).values_list(
            "broker_order_id", flat=True
        )
    )
    if ids - ours and Order.objects.filter(account=account, settled_at=None, broker_order_id=None).exists():
        # One of them may be ours whose answer was lost; recovery tells.
        return []
    return [
        _difference(IncidentKind.FOREIGN_ORDER, None, f"{account.name} order {order_id}", order_id, 0)
        for order_id in sorted(ids - ours)
    ]


def _difference(
    kind: IncidentKind, bot: str | None, subject: str, broker: int, booked: int, contract: str = ""
) -> dict[str, Any]:
    figures = {"broker": broker, "booked": booked, **({"contract": contract} if contract else {})}
    return {"kind": kind.value, "bot": bot, "subject": subject, **figures}


def _identity(difference: dict[str, Any]) -> str:
    return f"{difference['kind']}|{difference['subject']}|{difference['broker']}|{difference['booked']}"


def _seen_before(account: Account, differences: list[dict[str, Any]], now: datetime) -> dict[str, str]:
    """Return when each of the present differences was first seen, by identity."""
    known = Account.objects.select_for_update(no_key=True).get(pk=account.pk).differences
    return {_identity(d): known.get(_identity(d), now.isoformat()) for d in differences}


def _open(account: Account, difference: dict[str, Any], now: datetime) -> None:
    bot = Bot.objects.filter(slug=difference["bot"]).first() if difference["bot"] else None
    incident = incidents.open_incident(
        IncidentKind(difference["kind"]),
        account=account,
        bot=bot,
        subject=difference["subject"],
        seen={name: figure for name, figure in difference.items() if name not in ("kind", "bot", "subject")},
        now=now,
    )
    state = TradingState.objects.get(account=account)
    if state.mode == TradingMode.ACTIVE:
        set_mode(state.scope, TradingMode.REDUCING, Cause.INCIDENT, str(incident)[:500], "desk", now)


def _close_what_is_gone(
    account: Account, bots: list[Bot], differences: list[dict[str, Any]], now: datetime
) -> None:
    present = {(difference["kind"], difference["subject"]) for difference in differences}
    compared = (IncidentKind.POSITION_MISMATCH, IncidentKind.FOREIGN_POSITION, IncidentKind.FOREIGN_ORDER)
    for incident in Incident.objects.filter(account=account, closed_at=None, kind__in=compared):
        was_looked_at = incident.bot is None or incident.bot in bots
        if was_looked_at and (incident.kind, incident.subject) not in present:
            incidents.close(incident, now=now, reason="The difference is gone.")
