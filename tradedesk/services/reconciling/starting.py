import structlog
from django.db import connection

from tradedesk.models import Account, Bot
from tradedesk.services.contracts.terms import refresh_costs
from tradedesk.services.desk import Desk
from tradedesk.services.halting import flatten, versions, wishes
from tradedesk.services.reconciling import recovery, rounds
from tradedesk.stores import lease

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


def settle_at_start(desk: Desk) -> None:
    """Recover and reconcile until every account was read once, with growing pauses between the tries.

    What was to be flat comes before anything else, the rest waits until the database has every migration.
    Openings are denied until then. A region that waits for the lease waits here. Fees that nobody read yet
    are read at the end. Meant for a thread of its own.
    """
    pause = FIRST_PAUSE_S
    try:
        while not _settle_once(desk):
            desk.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        if Bot.objects.filter(account__enabled=True, instrument__fee=None).exists():
            # The schedule reads them hours later; results without their fees look better than they are.
            refresh_costs(desk)
    finally:
        connection.close()


def _settle_once(desk: Desk) -> bool:
    try:
        if not lease.renew():
            return False
        wishes.make_due(desk.now())
        flatten.go_on(desk)
        if missing := versions.missing_migrations():
            # What is to be flat had its turn; what follows lets openings through.
            log.error("start.migrations_missing", missing=missing)
            return False
        recovery.recover(desk)
        found = rounds.reconcile_each(desk, Account.objects.filter(enabled=True))
    except Exception:
        # Whatever is not there yet, the database included, may come.
        log.exception("start.not_settled")
        connection.close()
        return False
    return not found.unread
