import threading
from collections import Counter
from queue import Empty, SimpleQueue
from uuid import UUID

import structlog
from django.db import DatabaseError, close_old_connections

from tradedesk.models import Account, Order, OrderStatus
from tradedesk.services.desk import Desk
from tradedesk.services.order_path.in_flight import recently
from tradedesk.services.reconciling.reconciliation import SECOND_LOOK_AFTER
from tradedesk.services.reconciling.rounds import reconcile_each

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1
# An account whose order is just being sent is compared when the order explains what changed.
WAIT_FOR_ORDERS_S = 0.3
SECOND_LOOK_AFTER_S = SECOND_LOOK_AFTER.total_seconds() + 1.0
TRY_AGAIN_AFTER_S, LONGEST_PAUSE_S = 1.0, 30.0


class Comparer:
    """Compares accounts with the broker when they are asked for, in a thread of its own.

    A comparison waits for the seats of bots whose alerts are being decided; what is to be booked must not.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: SimpleQueue[tuple[UUID, float]] = SimpleQueue()
        self._compare_at: dict[UUID, float] = {}
        self._second_look_at: dict[UUID, float] = {}
        self._times_unread: Counter[UUID] = Counter()

    def ask(self, account_id: UUID, within_s: float = 0.0) -> None:
        """Have an account compared so many seconds from now: one look for whatever is asked until then."""
        self._asked.put((account_id, self._desk.monotonic() + within_s))

    def run(self, stop: threading.Event) -> None:
        """Compare what is asked for until `stop` is set."""
        while not stop.wait(LOOK_EVERY_S):
            # The thread outlives restarts of the database.
            close_old_connections()
            self.work()

    def work(self) -> None:
        """Compare the first account that is due."""
        self._take()
        now = self._desk.monotonic()
        due = {**self._second_look_at, **self._compare_at}
        account_id = min(due, key=due.__getitem__, default=None)
        if account_id is None or due[account_id] > now:
            return
        try:
            self._compare(account_id, now)
        except DatabaseError as error:
            if not self._times_unread[account_id]:
                log.warning("compare.failed", error=repr(error))
            self._try_again(account_id)

    def _take(self) -> None:
        while True:
            try:
                account_id, at = self._asked.get_nowait()
            except Empty:
                return
            self._compare_at.setdefault(account_id, at)

    def _compare(self, account_id: UUID, now: float) -> None:
        """Reconcile an account. A difference is looked at once more: seen twice it becomes an incident."""
        if self._is_sending(account_id):
            self._compare_at[account_id] = now + WAIT_FOR_ORDERS_S
            return
        is_second_look = self._second_look_at.get(account_id, now + 1) <= now
        found = reconcile_each(self._desk, Account.objects.filter(pk=account_id))
        self._compare_at.pop(account_id, None)
        if is_second_look:
            del self._second_look_at[account_id]
        elif found.differences:
            self._second_look_at[account_id] = now + SECOND_LOOK_AFTER_S
        if found.unread:
            self._try_again(account_id)
        else:
            del self._times_unread[account_id]

    def _is_sending(self, account_id: UUID) -> bool:
        """Tell whether a bot's seat belongs to its alert: what that books explains the change."""
        unsettled = Order.objects.filter(account=account_id, settled_at=None)
        return unsettled.filter(status=OrderStatus.SENT, sent_at__range=recently(self._desk.now())).exists()

    def _try_again(self, account_id: UUID) -> None:
        """Come back to an account that could not be looked at, later each time."""
        self._times_unread[account_id] += 1
        pause_s = min(TRY_AGAIN_AFTER_S * 2.0 ** (self._times_unread[account_id] - 1), LONGEST_PAUSE_S)
        self._compare_at[account_id] = self._desk.monotonic() + pause_s
