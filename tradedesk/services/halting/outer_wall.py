from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from broker.base import BrokerError
from broker.money import OuterWall
from tradedesk.models import Account, Environment
from tradedesk.services.desk import READ_TIMEOUT_S, Desk

log = structlog.get_logger(__name__)

READ_WITHIN = timedelta(hours=26)
# The desk's own daily loss comes first; the broker's is for when the desk is dead.
MOST_OF_DAILY_LOSS = Decimal("1.5")


def read_walls(desk: Desk) -> int:
    """Read what the broker itself enforces for each demo and live account; return how many were not read."""
    accounts = Account.objects.filter(enabled=True).exclude(environment=Environment.PAPER)
    return sum(not _read(desk, account) for account in accounts)


def _read(desk: Desk, account: Account) -> bool:
    try:
        link = desk.link(account, timeout_s=READ_TIMEOUT_S)
        found = link.broker.outer_wall(link.account.id, timeout_s=READ_TIMEOUT_S)
    except BrokerError as error:
        log.warning("wall.unread", account=account.name, error=str(error))
        return False
    loss = None if found.daily_loss is None else str(found.daily_loss)
    wall = {"daily_loss": loss, "position": found.position}
    Account.objects.filter(pk=account.pk).update(wall=wall, wall_read_at=desk.now())
    return True


def wall_of(account: Account) -> OuterWall:
    """Return what the broker enforced when it was last asked."""
    loss = account.wall.get("daily_loss")
    return OuterWall(None if loss is None else Decimal(loss), account.wall.get("position"))


def troubles_with(account: Account, now: datetime) -> list[str]:
    """Return what is missing at the broker for the day on which the desk is dead, in sentences."""
    if account.wall_read_at is None or now - account.wall_read_at > READ_WITHIN:
        return ["The broker's own limits were not read in the last day."]
    wall, found = wall_of(account), []
    if wall.daily_loss is None:
        found.append("The broker does not liquidate at a daily loss.")
    elif account.daily_loss is not None and wall.daily_loss > MOST_OF_DAILY_LOSS * account.daily_loss:
        most = f"{MOST_OF_DAILY_LOSS} times the daily loss of {account.daily_loss:,.2f} USD"
        found.append(f"The broker liquidates at {wall.daily_loss:,.2f} USD, which is over {most}.")
    if wall.position is None:
        found.append("The broker has no position limit for the account as a whole.")
    return found
