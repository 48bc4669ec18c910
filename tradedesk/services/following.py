import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from django.db import DatabaseError, close_old_connections
from django.db.models import Q

from broker.base import Broker, BrokerError, Change, Connected
from tradedesk.models import Account, Fill, Order
from tradedesk.services.desk import READ_TIMEOUT_S, Desk
from tradedesk.services.reconciliation import SECOND_LOOK_AFTER
from tradedesk.services.recovery import settle, settle_account
from tradedesk.services.rounds import reconcile_each
from tradedesk.stores.positions import Busy, Unreadable

log = structlog.get_logger(__name__)

# The request that sent an order reads its fills itself; it is given that long before its seat is asked for.
ASK_AGAIN_AFTER_S, GIVE_UP_AFTER_S = 0.1, 2.0
# So long after a change positions are compared: one look for all frames of an action.
COMPARE_AFTER_S = 0.3
# Where the database or the broker does not answer.
TRY_AGAIN_AFTER_S = 1.0
NAMES_KEPT = 5000


@dataclass(frozen=True)
class _Question:
    """An order to be asked about: since when, and when next, on the monotonic clock."""

    since: float
    due: float
    fill_id: int | None = None


class Follower:
    """Books what the stream of one login tells of. The frames are hints; what is booked is read anew.

    A second follower of the same login books nothing twice.
    """

    def __init__(self, desk: Desk, accounts: Sequence[Account]) -> None:
        self._desk = desk
        self._accounts = list(accounts)
        self._names: OrderedDict[int, set[str]] = OrderedDict()
        self._questions: dict[int, _Question] = {}
        self._compare_at: float | None = None
        self._catch_up_at: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. Raises BrokerError when the login cannot be linked at the start."""
        for item in self._broker().changes(stop):
            self.take(item)
            # The thread outlives restarts of the database.
            close_old_connections()
            self.work()

    def take(self, item: Connected | Change | None) -> None:
        """Note what an item says is to be looked at."""
        now = self._desk.monotonic()
        if isinstance(item, Connected):
            self._catch_up_at = now
        elif item is not None:
            self._compare_at = self._compare_at or now + COMPARE_AFTER_S
            if item.order_id is not None:
                self._name(item.order_id, item.client_order_id)
                known = self._questions.get(item.order_id)
                fill_id = item.fill_id or (known.fill_id if known else None)
                self._questions[item.order_id] = _Question(known.since if known else now, now, fill_id)

    def work(self) -> None:
        """Do what is due: catch up, ask about orders, compare positions."""
        now = self._desk.monotonic()
        try:
            if self._catch_up_at is not None and self._catch_up_at <= now:
                self._catch_up()
            for order_id, question in list(self._questions.items()):
                if question.due <= now:
                    self._answer(order_id, question, now)
            if self._compare_at is not None and self._compare_at <= now:
                self._compare()
        except (BrokerError, DatabaseError) as error:
            log.warning("follow.put_off", error=repr(error))
            later = now + TRY_AGAIN_AFTER_S
            self._compare_at = self._compare_at and max(self._compare_at, later)
            self._catch_up_at = self._catch_up_at and max(self._catch_up_at, later)
            self._questions = {
                order_id: replace(question, due=max(question.due, later))
                for order_id, question in self._questions.items()
            }

    def _broker(self) -> Broker:
        return self._desk.link(self._accounts[0], timeout_s=READ_TIMEOUT_S).broker

    def _catch_up(self) -> None:
        """Settle and compare everything: what happened while no stream stood was never told."""
        for account in self._accounts:
            settle_account(self._desk, self._desk.link(account, timeout_s=READ_TIMEOUT_S), account)
        self._catch_up_at = None
        self._compare()

    def _compare(self) -> None:
        found = reconcile_each(self._desk, self._accounts)
        self._compare_at = None
        if not found.clean:
            # Seen twice it becomes an incident.
            again_s = SECOND_LOOK_AFTER.total_seconds() + TRY_AGAIN_AFTER_S
            self._compare_at = self._desk.monotonic() + again_s

    def _answer(self, order_id: int, question: _Question, now: float) -> None:
        order = self._order(order_id)
        is_booked = order is not None and self._is_booked(order, question.fill_id)
        if order is not None and not is_booked and order.settled_at is None:
            try:
                settle(self._desk, self._desk.link(order.account, timeout_s=READ_TIMEOUT_S), order)
                is_booked = True
            except Busy:
                log.debug("follow.busy", order=str(order.id))
            except Unreadable as error:
                log.warning("follow.unreadable", order=str(order.id), error=str(error))
                is_booked = True
        # What is not ours, or not told yet, shows in the comparison.
        if is_booked or now - question.since >= GIVE_UP_AFTER_S:
            del self._questions[order_id]
            return
        self._questions[order_id] = _Question(question.since, now + ASK_AGAIN_AFTER_S, question.fill_id)

    def _order(self, order_id: int) -> Order | None:
        ours = Order.objects.filter(account__in=self._accounts)
        ours = ours.select_related("account", "bot__account", "bot__instrument", "decision__alert")
        names = self._names.get(order_id, set())
        return ours.filter(Q(broker_order_id=order_id) | Q(client_order_id__in=names)).first()

    @staticmethod
    def _is_booked(order: Order, fill_id: int | None) -> bool:
        if fill_id is not None:
            return Fill.objects.filter(account=order.account, broker_fill_id=fill_id).exists()
        return order.settled_at is not None

    def _name(self, order_id: int, name: str) -> None:
        """Remember our ids that an order's commands carry; few of its frames have them."""
        if name:
            self._names.setdefault(order_id, set()).add(name)
            if len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)
