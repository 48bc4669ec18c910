from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.limits import WARNS_AT
from tradedesk.admin.words import money
from tradedesk.models import Account, Bot, TradingMode
from tradedesk.services.halting.trading_state import effective_modes
from tradedesk.services.order_path.limit_use import Use, uses_of
from tradedesk.services.showing import bots_to_show

ABOUT_LIMITS = "Empty is off. What a limit cannot read stops openings; exits always pass."
LABELS = {
    "max_position": "Contracts held",
    "max_group_position": "Contracts that move together, in micros",
    "daily_loss": "Loss of the session",
    "drawdown": "Drawdown",
    "orders_per_minute": "Orders in a minute",
    "orders_per_day": "Orders in 24 hours",
    "orders_per_session": "Orders of the session",
    "trades_per_session": "Round trips of the session",
    "losing_streak": "Losing round trips in a row",
}
HELD = {"max_position", "max_group_position"}
IN_DOLLARS = {"daily_loss", "drawdown"}


@dataclass(frozen=True)
class Meter:
    """One limit with its use, as shown. Without a limit there is no bar."""

    label: str
    value: str
    is_set: bool
    percent: int | None
    tone: str


@dataclass(frozen=True)
class Owner:
    """An account or a bot on the page of limits."""

    row: Account | Bot
    kind: str
    note: str
    mode: TradingMode | None
    meters: Sequence[Meter]

    @property
    def off(self) -> list[str]:
        return [meter.label.lower() for meter in self.meters if not meter.is_set]


def page(request: HttpRequest) -> HttpResponse:
    """Show every limit of every account and bot with what is used up of it."""
    sees = request.user.has_perm("tradedesk.view_bot") and request.user.has_perm("tradedesk.view_account")
    context = {"owners": _owners() if sees else None, "sees": sees, "about": ABOUT_LIMITS}
    return frame.show(request, "limits", "Risk limits", context)


def meters(uses: Iterable[Use]) -> list[Meter]:
    """Return uses as they are shown."""
    return [_meter(use) for use in uses]


def with_uses(form: Any, row: Account | Bot | None) -> Any:
    """Return a form class whose limits say beside them what is used up of each."""
    if row is None:
        return form
    account = row if isinstance(row, Account) else row.account
    bots = list(account.bots.select_related("state", "instrument"))
    for use in uses_of([account], bots, wiring.desk().now())[row.pk]:
        if field := form.base_fields.get(use.name):
            field.help_text = f"{field.help_text} Now: {_meter(use).value}."
    return form


def _owners() -> list[Owner]:
    bots, accounts = list(bots_to_show()), list(Account.objects.all())
    uses, modes = uses_of(accounts, bots, wiring.desk().now()), effective_modes(bots)
    owners = []
    for account in accounts:
        environment = str(account.get_environment_display())
        owners.append(Owner(account, "Account", environment, None, meters(uses[account.pk])))
        for bot in (bot for bot in bots if bot.account_id == account.pk):
            note = f"{bot.instrument.root} on {account}"
            owners.append(Owner(bot, "Bot", note, modes[bot.slug], meters(uses[bot.pk])))
    return owners


def _meter(use: Use) -> Meter:
    say = partial(_say, use.name in IN_DOLLARS)
    found = "not known" if use.found is None else say(use.found)
    value = f"{found} of {say(use.most)}" if use.most is not None else f"{found}, no limit"
    # To hold what one may hold is no warning.
    warns = use.percent is None or (use.percent >= WARNS_AT and use.name not in HELD)
    return Meter(LABELS[use.name], value, use.most is not None, use.percent, "warn" if warns else "")


def _say(is_money: bool, amount: int | Decimal) -> str:
    return money(Decimal(amount)) if is_money else f"{amount:,}"
