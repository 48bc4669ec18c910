"""How a person gives the right to send orders to one region of a desk that runs in two."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from tradedesk.models import Lease
from tradedesk.services.desk import Desk
from tradedesk.services.halting.kill_switch import wait_until_quiet
from tradedesk.services.halting.trading_state import ALL
from tradedesk.services.people.audit import note
from tradedesk.stores.lease import LEASE_S


class NoRegion(Exception):
    """This desk runs in one region: DESK_REGION is not set, and nothing asks for a lease."""


class HeldElsewhere(Exception):
    """Another region holds the lease and lives: it has `left_s` seconds left."""

    def __init__(self, holder: str, left_s: float) -> None:
        super().__init__(f"{holder} holds the lease for another {left_s:.0f} s")
        self.holder = holder
        self.left_s = left_s


@dataclass(frozen=True)
class Standing:
    """How the lease stands: who holds it ("" for nobody), since when, and the seconds left, 0 after its end.

    `in_flight` counts orders whose sending had not ended when it changed hands.
    """

    region: str
    holder: str
    since: datetime | None
    left_s: float
    in_flight: int = 0

    @property
    def is_ours(self) -> bool:
        return self.holder == self.region and self.left_s > 0


def status() -> Standing:
    """Return how the lease stands, by the database's clock. Raises NoRegion."""
    _region()
    return _standing(Lease.objects.annotate(clock=Now()).first())


def take(desk: Desk, *, reason: str, by: str) -> Standing:
    """Give this region the lease, if it is free or ran out, and return once the other sends nothing more.

    The database orders this against every claim to send, and a lease has more left at a claim than its POST
    lasts. Raises NoRegion, HeldElsewhere.
    """
    region = _region()
    with transaction.atomic():
        lease = _locked()
        left_s = _left_s(lease)
        if lease.holder not in ("", region) and left_s > 0:
            raise HeldElsewhere(lease.holder, left_s)
        _write(lease, region, "lease taken", reason, by, desk.now())
    return _standing(lease, wait_until_quiet(desk, ALL))


def release(desk: Desk, *, reason: str, by: str) -> Standing:
    """Take the lease from whichever region holds it, and return once no order can leave any more.

    Nobody sends until a region takes it. Raises NoRegion.
    """
    _region()
    with transaction.atomic():
        lease = _locked()
        _write(lease, "", "lease released", reason, by, desk.now())
    return _standing(lease, wait_until_quiet(desk, ALL))


def _region() -> str:
    if not settings.DESK_REGION:
        raise NoRegion
    return str(settings.DESK_REGION)


def _locked() -> Lease:
    """Return the lease, locked until the transaction ends, with the database's clock at that moment."""
    Lease.objects.get_or_create(pk=1)
    Lease.objects.select_for_update().get(pk=1)
    # Asked anew: the clock of the statement that waited for the lock is that of before the wait.
    return Lease.objects.annotate(clock=Now()).get(pk=1)


def _write(lease: Lease, holder: str, action: str, reason: str, by: str, now: datetime) -> None:
    clock: datetime = lease.clock  # type: ignore[attr-defined] # annotated
    before = lease.holder
    lease.holder, lease.since = holder, clock
    lease.expires_at = clock + timedelta(seconds=LEASE_S) if holder else clock
    lease.save()
    note(by, action, holder or before or "nobody", {"before": before, "after": holder}, reason, "", now)


def _left_s(lease: Lease) -> float:
    clock: datetime = lease.clock  # type: ignore[attr-defined] # annotated
    return max(0.0, (lease.expires_at - clock).total_seconds()) if lease.expires_at else 0.0


def _standing(lease: Lease | None, in_flight: int = 0) -> Standing:
    if lease is None:
        return Standing(settings.DESK_REGION, "", None, 0.0)
    return Standing(settings.DESK_REGION, lease.holder, lease.since, _left_s(lease), in_flight)
