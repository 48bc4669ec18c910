"""Whether this region may send orders, where a desk runs in two: the database's word, by its own clock."""

from django.conf import settings

from tradedesk.models import Lease
from tradedesk.stores import rows
from tradedesk.stores.positions import Busy
from tradedesk.stores.rows import Statement

# Three of the minutes in which a cloud's timer comes at best: one may be missed.
LEASE_S = 180
RENEW_EVERY_S = 15
# What a claim needs of it: the time of a POST, and five seconds for all that is slower than it should be.
LEFT_TO_SEND_S = 7

_TABLE = Lease._meta.db_table
_PROOF = (
    f"SELECT 1 FROM {_TABLE} WHERE id = 1 AND holder = %s"  # noqa: S608 - own table
    f" AND expires_at > clock_timestamp() + interval '{LEFT_TO_SEND_S} seconds' FOR SHARE"
)
_LEFT = f"SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM {_TABLE} WHERE holder = %s"  # noqa: S608
_RENEW = (
    f"UPDATE {_TABLE} SET expires_at = clock_timestamp() + interval '{LEASE_S} seconds'"  # noqa: S608
    " WHERE holder = %s RETURNING 1"
)


# What is wrong with a process that has no region, where another one holds the lease.
NAMELESS = "A region holds the lease, and DESK_REGION is not set here: this process would send without it."


class NotHeld(Busy):
    """This region does not hold the lease: it sends and decides nothing."""

    def __init__(self) -> None:
        super().__init__("this region does not hold the lease; see manage.py lease status")


def proof() -> list[Statement]:
    """Return the SELECT that finds a row only while this region may send; nothing where there is one region.

    The row stays locked until the transaction ends. A claim to send and a change of the holder are thereby
    ordered, as claims and the kill switch are.
    """
    return [Statement(_PROOF, [settings.DESK_REGION])] if settings.DESK_REGION else []


def require() -> None:
    """Make sure that this region may send; inside a transaction, until that ends. Raises NotHeld."""
    for statement in proof():
        if not rows.read(statement):
            raise NotHeld


def holder() -> str:
    """Return who holds the lease, for showing; "" for nobody."""
    return Lease.objects.values_list("holder", flat=True).first() or ""


def renew() -> bool:
    """Return whether this region holds the lease, which lasts on from now; true where there is one region.

    It may have run out meanwhile: nobody else has taken it, so the holder goes on with it. A region that does
    not hold it only reads, which a replica lets it do.
    """
    if not settings.DESK_REGION:
        return True
    left = rows.read(Statement(_LEFT, [settings.DESK_REGION]))
    if left and float(left[0][0]) > LEASE_S - RENEW_EVERY_S:
        return True
    return bool(left and rows.read(Statement(_RENEW, [settings.DESK_REGION])))
