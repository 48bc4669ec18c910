"""The one user of a paper broker and the accounts it trades."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from broker.paper.records.rows import Account
from broker.paper.records.tables import Table

STARTING_CASH = Decimal(50_000)
USER_ID = 1_500_001
OPENED = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


@dataclass(frozen=True)
class User:
    """A login. `name` may also stand in `accountSpec`, as it does in Tradovate's own samples."""

    name: str
    password: str
    id: int = USER_ID


def open_accounts() -> Table[Account]:
    """Return the accounts every paper broker has, always with the same ids."""
    table = Table("account", Account, "user_id")
    for number in (1, 2):
        table.load(_account(number))
    return table


def _account(number: int) -> Account:
    return Account(
        id=1_100_000 + number,
        name=f"PAPER-{number}",
        user_id=USER_ID,
        account_type="Customer",
        active=True,
        clearing_house_id=2,
        risk_category_id=1,
        auto_liq_profile_id=1,
        margin_account_type="Speculator",
        legal_status="Individual",
        timestamp=OPENED,
        archived=False,
    )
