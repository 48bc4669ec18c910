import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, close_old_connections
from django.db.models import Q

from broker.base import Broker, BrokerError, Change, Connected
from tradedesk.models import Account, Fill, Order
from tradedesk.services.desk import READ_TIMEOUT_S, Desk
from tradedesk.services.order_path.in_flight import LEFT_BEHIND_AFTER, may_be_in_flight
from tradedesk.services.reconciling.comparing import Comparer
from tradedesk.services.reconciling.recovery import settle, settle_account
from tradedesk.stores import followers
from tradedesk.stores.positions import Busy, Unreadable

log = structlog.get_logger(__name__)

ASK_AGAIN_AFTER_S = 0.1
# An order without an answer belongs to its request for so long; a frame about it may be the only one.
GIVE_UP_AFTER_S = LEFT_BEHIND_AFTER.total_seconds() + 1.0
# So long after a change positions are compared: one look for all frames of an action.
COMPARE_AFTER_S = 0.3
# Where the database or the broker does not answer. Recovery comes every 15 seconds and asks about it too.
TRY_AGAIN_AFTER_S, LONGEST_PAUSE_S = 1.0, 30.0
GIVE_UP_FAILING_AFTER_S = 60.0
NAMES_KEPT = 5000
SIGN_EVERY_S = 10.0


@dataclass
class _Question:
    """An order to be asked about: since when, when next, until when, and the fills of it that were told."""

    told: float
    due: float
    until: float
    fills: set[int]


class Follower:
    """Books what the stream of one login tells of. The frames are hints; what is booked is read anew.

    Accounts that changed are compared by the comparer. A second follower of the same login books nothing
    twice.
    """

    def __init__(self, desk: Desk, accounts: Sequence[Account], comparer: Comparer) -> None:
        self._desk = desk
        self._comparer = comparer
        self._ids = [account.pk for account in accounts]
        # Ours by the broker's ids, as they are known from the first connection on.
        self._at_broker: dict[int, UUID] = {}
        self._names: OrderedDict[int, set[str]] = OrderedDict()
        self._questions: dict[int, _Question] = {}
        self._catch_up_at: float | None = None
        self._missing: list[str] = []
        self._failures = 0
        self._put_off_until = self._sign_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. Raises BrokerError when the login cannot be linked at the start."""
        for item in self._broker().changes(stop):
            self.take(item)
            # The thread outlives restarts of the database.
            close_old_connections()
            self.work()
            self._sign()
        followers.sign_off(self._ids)

    def take(self, item: Connected | Change | None) -> None:
        """Note what an item says is to be looked at."""
        now = self._desk.monotonic()
        if isinstance(item, Connected):
            self._catch_up_at = now
            self._put_off_until, self._failures = now, 0
        elif item is not None and self._concerns_us(item):
            if item.account_id is not None:
                self._comparer.ask(self._at_broker[item.account_id], COMPARE_AFTER_S)
            if item.order_id is not None:
                self._question(item.order_id, item, now)

    def work(self) -> None:
        """Do what is due: catch up, and ask about orders."""
        now = self._desk.monotonic()
        if now < self._put_off_until:
            return
        try:
            if self._catch_up_at is not None and self._catch_up_at <= now:
                self._catch_up(now)
            for order_id in [number for number, question in self._questions.items() if question.due <= now]:
                self._answer(order_id, now)
        except (BrokerError, DatabaseError) as error:
            self._put_off(error)
            return
        self._failures = 0

    def _concerns_us(self, change: Change) -> bool:
        """Tell whether a change may be of an account that is followed; many frames name none."""
        return change.account_id is None or change.account_id in self._at_broker

    def _question(self, order_id: int, change: Change, now: float) -> None:
        question = self._questions.setdefault(order_id, _Question(now, now, now, set()))
        question.told, question.due, question.until = now, now, now + GIVE_UP_AFTER_S
        if change.fill_id is not None:
            question.fills.add(change.fill_id)
        if change.client_order_id:
            # Few of an order's frames have our id, and those may come first or last.
            self._names.setdefault(order_id, set()).add(change.client_order_id)
            if len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)

    def _broker(self) -> Broker:
        (first, *_) = self._accounts()
        return self._desk.link(first, timeout_s=READ_TIMEOUT_S).broker

    def _accounts(self) -> list[Account]:
        """Return the accounts as they are now: a person may have changed them since the start."""
        return list(Account.objects.filter(pk__in=self._ids))

    def _catch_up(self, now: float) -> None:
        """Settle everything and have it compared: what happened while no stream stood was never told.

        An account that cannot be reached holds up no other; it is caught up with when it can be.
        """
        missing: list[str] = []
        for account in self._accounts():
            try:
                link = self._desk.link(account, timeout_s=READ_TIMEOUT_S)
            except BrokerError as error:
                missing.append(account.name)
                if account.name not in self._missing:
                    log.warning("follow.not_linked", account=account.name, error=str(error))
                continue
            settle_account(self._desk, link, account)
            self._at_broker[link.account.id] = account.pk
            self._comparer.ask(account.pk)
        self._missing = missing
        self._catch_up_at = now + LONGEST_PAUSE_S if missing else None

    def _answer(self, order_id: int, now: float) -> None:
        """Book what the broker knows of an order. What is not ours shows in the comparison."""
        question = self._questions[order_id]
        try:
            order = self._order(order_id)
            is_booked = order is not None and self._is_booked(order, question)
        except DataError as error:
            # No rest mends what the database cannot hold, and those that follow must not wait for it.
            log.warning("follow.passed_over", order_id=order_id, error=repr(error))
            del self._questions[order_id]
            return
        if is_booked or now >= question.until:
            del self._questions[order_id]
            return
        question.due = now + max(ASK_AGAIN_AFTER_S, (now - question.told) / 2)

    def _is_booked(self, order: Order, question: _Question) -> bool:
        """Settle an order, and tell whether it is over or has every fill that was told."""
        if order.settled_at is not None:
            return True
        if may_be_in_flight(order, self._desk.now()):
            return False
        try:
            link = self._desk.link(order.account, timeout_s=READ_TIMEOUT_S).for_orders()
            settle(self._desk, link, order)
        except (BrokerError, Busy, Unreadable, DatabaseError) as error:
            log.info("follow.not_settled", order=str(order.id), error=repr(error))
            question.until = question.told + GIVE_UP_FAILING_AFTER_S
            return False
        stored = Fill.objects.filter(account=order.account_id, broker_fill_id__in=question.fills)
        return order.settled_at is not None or stored.count() == len(question.fills)

    def _order(self, order_id: int) -> Order | None:
        ours = Order.objects.filter(account__in=self._ids)
        ours = ours.select_related("account", "bot__account", "bot__instrument", "decision__alert")
        names = self._names.get(order_id, set())
        return ours.filter(Q(broker_order_id=order_id) | Q(client_order_id__in=names)).first()

    def _put_off(self, error: Exception) -> None:
        """Rest a while, longer each time; only the first of many failures is logged."""
        if not self._failures:
            log.warning("follow.put_off", error=repr(error))
        self._failures += 1
        pause_s = min(TRY_AGAIN_AFTER_S * 2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
        self._put_off_until = self._desk.monotonic() + pause_s

    def _sign(self) -> None:
        """Leave a sign of life now and then."""
        now = self._desk.monotonic()
        if now >= self._sign_at:
            followers.sign(self._ids, self._desk.now())
            self._sign_at = now + SIGN_EVERY_S
