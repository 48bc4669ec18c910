import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerFill,
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
    OrderReport,
    OrderRequest,
    Side,
)
from tradedesk.models import Bot, Fill, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.services.desk import CLAIM_VALID_S, READ_TIMEOUT_S, SUBMIT_TIMEOUT_S, Deadline, Desk, Link
from tradedesk.services.halting import trips
from tradedesk.services.order_path import brackets
from tradedesk.services.reports.measuring import measure_end

log = structlog.get_logger(__name__)

# What every client order id of the desk begins with.
ID_PREFIX = "td-"
FILL_BUDGET_S = 0.8
FIRST_POLL_S, LONGEST_POLL_S = 0.01, 0.2
_STATUS = {
    BrokerOrderStatus.WORKING: OrderStatus.WORKING,
    BrokerOrderStatus.FILLED: OrderStatus.FILLED,
    BrokerOrderStatus.CANCELLED: OrderStatus.CANCELLED,
    BrokerOrderStatus.REJECTED: OrderStatus.REJECTED,
    BrokerOrderStatus.UNKNOWN: OrderStatus.WORKING,
}
# How often, and over how long, the broker must not list an order before it counts as lost.
LOOKS_TO_LOSE, LOST_AFTER = 3, timedelta(seconds=10)
OVER = (
    OrderStatus.FILLED,
    OrderStatus.REJECTED,
    OrderStatus.CANCELLED,
    OrderStatus.LOST,
    OrderStatus.DENIED,
)


def client_order_id(bot_id: UUID, event_key: str, attempt: int) -> str:
    """Return our id of an order: the same for the same bot, event and attempt after any restart."""
    return _digest(f"{bot_id}|{event_key}|{attempt}")


def id_of_closing_after(order_id: str) -> str:
    """Return our id of the closing that an order of ours leaves to be sent: one at most, whoever finds it."""
    return _digest(f"{order_id}|closing")


def id_of_opening_after(order_id: str) -> str:
    """Return our id of the opening that waits for a roll's closing: one for each."""
    return _digest(f"{order_id}|opening")


def _digest(text: str) -> str:
    return f"{ID_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Outcome:
    """What is known of an order after sending it or asking about it.

    `leg_ids` are the broker's ids of what was sent along, as far as it told them.
    """

    status: OrderStatus
    broker_order_id: int | None = None
    fills: tuple[BrokerFill, ...] = ()
    note: str = ""
    acknowledged_at: datetime | None = None
    leg_ids: tuple[int, ...] = ()
    # Contracts filled beyond what was ordered. Such fills are not booked: a person looks first.
    excess: int = 0

    @property
    def filled_quantity(self) -> int:
        return sum(fill.quantity for fill in self.fills)

    @property
    def average_price(self) -> Decimal | None:
        if not self.fills:
            return None
        return sum((fill.price * fill.quantity for fill in self.fills), Decimal()) / self.filled_quantity


def send(
    desk: Desk,
    link: Link,
    order: Order,
    reference_price: Decimal | None,
    claimed: float,
    deadline: Deadline,
    legs: Sequence[Order] = (),
) -> Outcome:
    """Send a claimed order once, read its fills for a short while, and return what is known.

    `legs` go with it in the same message. `claimed` is the monotonic time before the claim. Nothing here
    writes to the database.
    """
    message = OrderRequest(
        account_id=link.account.id,
        account_name=link.account.name,
        contract=order.contract,
        side=Side(order.side),
        quantity=order.quantity,
        client_order_id=order.client_order_id,
        terms=brackets.terms_of(order),
        reference_price=reference_price,
    )
    if desk.monotonic() - claimed > CLAIM_VALID_S:
        return Outcome(
            OrderStatus.PENDING, note="Held back: the claim to send was too old when its turn came."
        )
    try:
        placed = brackets.submit(link, message, legs, deadline.left_s(SUBMIT_TIMEOUT_S))
    except BrokerRefused as refusal:
        return Outcome(OrderStatus.REJECTED, note=str(refusal))
    except BrokerThrottled as throttled:
        return Outcome(OrderStatus.PENDING, note=f"Not carried out: {throttled}")
    except (BrokerNotReached, BrokerAuthFailed) as error:
        # The time of an opening passes; a closing waits until the broker can be reached.
        is_closing = order.purpose == OrderPurpose.CLOSE
        status = OrderStatus.PENDING if is_closing else OrderStatus.DENIED
        return Outcome(status, note=f"Not sent: {error}")
    except BrokerOutcomeUnknown as error:
        log.warning("order.unconfirmed", order=str(order.id), error=str(error))
        return Outcome(OrderStatus.UNCONFIRMED, note=f"No usable answer: {error}")
    return replace(follow(desk, link, order, placed.entry_id, deadline), leg_ids=placed.leg_ids)


def follow(desk: Desk, link: Link, order: Order, broker_order_id: int, deadline: Deadline) -> Outcome:
    """Return what becomes of an acknowledged order within the fill budget: its fills, or that it works on."""
    acknowledged_at = desk.now()
    budget = desk.deadline(deadline.left_s(FILL_BUDGET_S))
    pause = FIRST_POLL_S
    report = OrderReport(broker_order_id, BrokerOrderStatus.WORKING)
    while budget.left_s():
        try:
            report = _look(link, order, broker_order_id, budget.left_s(READ_TIMEOUT_S))
        except BrokerError as error:
            log.info("order.fills_unread", order=str(order.id), error=str(error))
        if outcome_of(report, order, None).status in OVER:
            break
        desk.sleep(min(pause, budget.left_s()))
        pause = min(pause * 2, LONGEST_POLL_S)
    return outcome_of(report, order, acknowledged_at)


def outcome_of(report: OrderReport, order: Order, acknowledged_at: datetime | None) -> Outcome:
    """Return the outcome that a broker's report means for our order."""
    excess = report.filled_quantity - order.quantity
    if excess > 0:
        note = f"The broker reports {report.filled_quantity} filled of {order.quantity}."
        return Outcome(
            OrderStatus.UNCONFIRMED,
            report.order_id,
            note=note,
            acknowledged_at=acknowledged_at,
            excess=excess,
        )
    status = _STATUS[report.status]
    if status is OrderStatus.FILLED and report.filled_quantity < order.quantity:
        status = OrderStatus.WORKING  # its fills have not all shown up yet: ask again
    if status is OrderStatus.WORKING and report.fills:
        full = report.filled_quantity >= order.quantity
        status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
    return Outcome(status, report.order_id, report.fills, report.reject_reason, acknowledged_at)


def _look(link: Link, order: Order, broker_order_id: int, timeout_s: float) -> OrderReport:
    """Return the order's report; where the fills alone tell that it is filled, ask nothing more."""
    fills = tuple(link.broker.fills(broker_order_id, timeout_s=timeout_s))
    if sum(fill.quantity for fill in fills) >= order.quantity:
        return OrderReport(broker_order_id, BrokerOrderStatus.FILLED, fills)
    return link.broker.order_report(broker_order_id, timeout_s=timeout_s)


def outcomes_of_legs(legs: Sequence[Order], outcome: Outcome) -> list[tuple[Order, Outcome]]:
    """Return what the outcome of an order means for what was sent along.

    Once the broker took the order in, its legs are taken to wait there, whatever became of the order itself:
    only a look at them tells.
    """
    status = outcome.status if outcome.broker_order_id is None else OrderStatus.WORKING
    ids = [*outcome.leg_ids, *[None] * len(legs)]
    return [
        (leg, Outcome(status, broker_order_id=number, acknowledged_at=outcome.acknowledged_at))
        for leg, number in zip(legs, ids, strict=False)
    ]


@transaction.atomic
def record(order: Order, outcome: Outcome, bot: Bot | None, now: datetime) -> list[Fill]:
    """Store an outcome on its order, and the fills not stored before; return those.

    An order that is over is left as it is: a late or repeated report changes nothing, but for fills that show
    after it was cancelled.
    """
    known = set(Fill.objects.filter(order=order).values_list("broker_fill_id", flat=True))
    new = [row for row in fill_rows(order, outcome, bot, now) if row.broker_fill_id not in known]
    Fill.objects.bulk_create(new)
    fields, stored = advance(order, outcome, now), Order.objects.filter(pk=order.pk)
    if not stored.exclude(status__in=OVER).update(**fields):
        if new:
            late = {name: fields[name] for name in ("filled_quantity", "average_price")}
            stored.filter(status=OrderStatus.CANCELLED).update(**late)
        order.refresh_from_db()
    else:
        measure_end(order)
    trips.watch_outcome(order, outcome.excess, now)
    return new


def advance(order: Order, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Set on the order what an outcome tells, and return those fields."""
    fields = {
        "status": outcome.status,
        "note": outcome.note or order.note,
        "broker_order_id": outcome.broker_order_id or order.broker_order_id,
        "acknowledged_at": order.acknowledged_at or outcome.acknowledged_at,
        "settled_at": now if outcome.status in OVER else None,
        "filled_quantity": outcome.filled_quantity or order.filled_quantity,
        "average_price": outcome.average_price or order.average_price,
    }
    for name, value in fields.items():
        setattr(order, name, value)
    return fields


def fill_rows(order: Order, outcome: Outcome, bot: Bot | None, now: datetime) -> list[Fill]:
    """Return the fills of an outcome as rows, not yet written."""
    return [
        Fill(
            account_id=order.account_id,
            bot=bot,
            order=order,
            broker_fill_id=fill.id,
            contract=order.contract,
            side=OrderSide(fill.side.value),
            quantity=fill.quantity,
            price=fill.price,
            filled_at=fill.filled_at,
            created_at=now,
        )
        for fill in outcome.fills
    ]


def record_legs(entry: Order, outcome: Outcome, bot: Bot, now: datetime) -> None:
    """Carry what is known of an opening over to its legs, where nothing is known of them."""
    waiting = list(Order.objects.open_legs().filter(entry=entry, broker_order_id=None))
    for leg, of_it in outcomes_of_legs(waiting, outcome):
        record(leg, of_it, bot, now)
