from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from broker.base import BrokerError
from tradedesk.admin import words
from tradedesk.admin.audited import why_it_stays
from tradedesk.admin.confirming import Confirmed
from tradedesk.admin.forms import AccountForm
from tradedesk.admin.limit_uses import ABOUT_LIMITS, with_uses
from tradedesk.admin.tabbed import GENERAL, HISTORY, LIMITS, Tabbed, fieldset
from tradedesk.models import Account, Environment
from tradedesk.models.limits import ORDER_LIMITS, TRADE_LIMITS
from tradedesk.services.contracts.cash import Kept
from tradedesk.services.halting.trading_state import effective_mode
from tradedesk.stores import credentials


def login_in_words(account: Account) -> str:
    """Return whether the login that an account names is complete. Its values are not shown."""
    if account.environment == Environment.PAPER:
        return "none needed on paper"
    if not account.credentials:
        return "not named yet"
    try:
        credentials.named(account.credentials)
    except BrokerError as problem:
        return f"not complete: {problem}"
    return "complete"


@admin.register(Account)
class AccountAdmin(Confirmed, Tabbed[Account]):
    when_empty = (
        "Paper needs nothing but a name. Demo and live name the environment variables with the login."
    )
    form = AccountForm
    list_display = ("name", "environment", "broker_account", "enabled", "reconciled_utc")
    list_filter = ("environment", "enabled")
    tabs = (GENERAL, LIMITS, HISTORY)
    fieldsets = (
        fieldset(GENERAL, "name", "environment", "enabled"),
        fieldset(
            GENERAL,
            *("credentials", "login", "broker_account", "signed_off", "sign_off_anew"),
            title="At the broker",
            about="Logins stay in the environment or in AWS: no page shows or takes one.",
        ),
        fieldset(GENERAL, "flat_by", "reconciled_both", title="Each day"),
        fieldset(
            LIMITS,
            *("daily_loss", "drawdown", "max_position", "max_group_position"),
            *("margin_factor", "max_clock_offset_s", *ORDER_LIMITS, *TRADE_LIMITS, "figures"),
            title="Limits",
            about=ABOUT_LIMITS,
        ),
    )
    summary_template = "panel/account.html"
    readonly_fields = ("login", "signed_off", "reconciled_both", "figures")
    goes_along = frozenset({"trading state"})

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        # What was traded with paper money must not turn into a live account's history.
        fixed = ("environment",) if obj is not None and why_it_stays(obj) else ()
        return (*fixed, *self.readonly_fields)

    def summary(self, request: HttpRequest, row: Account) -> dict[str, Any]:
        bots = list(row.bots.select_related("state", "instrument", "strategy"))
        return {"account": row, "bots": bots, "mode": effective_mode(f"account:{row.name}")}

    def get_form(
        self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return with_uses(super().get_form(request, obj, change, **kwargs), obj)

    @admin.display(description="Login")
    def login(self, account: Account) -> str:
        """Tell whether the login that the account names is there. Its values are not shown."""
        return login_in_words(account)

    @admin.display(description="Signed off")
    def signed_off(self, account: Account) -> str:
        name, number = account.broker_account_name, account.broker_account_id
        return f"{name} ({number})" if number else "not yet"

    @admin.display(description="Reconciled (UTC)")
    def reconciled_utc(self, account: Account) -> str:
        return words.utc(account.reconciled_at)

    @admin.display(description="Reconciled")
    def reconciled_both(self, account: Account) -> str:
        return words.both_zones(account.reconciled_at)

    @admin.display(description="Broker's figures")
    def figures(self, account: Account) -> str:
        """Show what the broker last said of the account's money, and when."""
        money = Kept.from_json(account.cash)
        return (
            f"value {words.price(money.net_liquidation)}, profit of the session {words.price(money.profit)}, "
            f"margin in use {words.price(money.margin_used)}, highest value {words.price(money.peak)}; "
            f"read {words.both_zones(account.cash_read_at)}"
        )
