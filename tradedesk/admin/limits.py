from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count

from strategy.sessions import session_start
from tradedesk.admin.shown import Shown
from tradedesk.admin.words import money
from tradedesk.models import LEGS, Account, Order, OrderStatus
from tradedesk.services.contracts.cash import kept

WARNS_AT = 80
NOT_SENT = (OrderStatus.PENDING, OrderStatus.DENIED)


@dataclass(frozen=True)
class Meter:
    """How much of a limit is used up. `percent` is None where that could not be read."""

    label: str
    value: str
    percent: int | None

    @property
    def tone(self) -> str:
        return "warn" if self.percent is None or self.percent >= WARNS_AT else ""


def meters_of(shown: Shown, now: datetime) -> list[Meter]:
    """Return the limits of the shown accounts that are set, with their use. One query at most."""
    accounts = [account for account in shown.accounts if shown.account in (None, account)]
    limited = [account for account in accounts if account.orders_per_session is not None]
    orders = _orders(limited, now) if limited else {}
    return [meter for account in accounts for meter in _meters(account, shown, orders, now)]


def _meters(account: Account, shown: Shown, orders: dict[object, int], now: datetime) -> list[Meter]:
    held = sum(abs(bot.state.quantity) for bot in shown.bots if bot.account_id == account.pk)
    figures = kept(account, now)
    counted = [
        ("Contracts held", account.max_position, held),
        ("Orders of the session", account.orders_per_session, orders.get(account.pk, 0)),
    ]
    dollars = [
        ("Loss of the session", account.daily_loss, figures.loss),
        ("Drawdown", account.drawdown, figures.fall),
    ]
    return [
        *(
            Meter(f"{label}, {account}", f"{found} of {most}", _percent(found, most))
            for label, most, found in counted
            if most is not None
        ),
        *(
            Meter(f"{label}, {account}", f"{money(found)} of {money(most)}", _percent(found, most))
            for label, most, found in dollars
            if most is not None
        ),
    ]


def _percent(found: Decimal | int | None, most: Decimal | int) -> int | None:
    return None if found is None else min(100, max(0, round(100 * found / most)))


def _orders(accounts: list[Account], now: datetime) -> dict[object, int]:
    sent = Order.objects.filter(account__in=accounts, created_at__gte=session_start(now))
    left = sent.exclude(status__in=NOT_SENT).exclude(purpose__in=LEGS)
    return dict(left.order_by().values_list("account").annotate(count=Count("pk")))
