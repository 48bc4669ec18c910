from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Q

from tradedesk.models import (
    Account,
    Bot,
    Cause,
    Incident,
    NoticeKind,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.services.reports.notices import tell
from tradedesk.stores import lease, rows
from tradedesk.stores.rows import Statement

ALL = "all"


def scopes_of(account: Account, bot: Bot | None = None) -> list[str]:
    """Return the scopes that rule a bot of an account, or the account alone."""
    return [ALL, f"account:{account.name}", *([f"bot:{bot.slug}"] if bot else [])]


def scopes_around(state: TradingState) -> list[str]:
    """Return a scope with the wider ones that rule it."""
    account = state.bot.account if state.bot else state.account
    return scopes_of(account, state.bot) if account else [ALL]


def mode_for_claim(account: Account, bot: Bot | None = None) -> TradingMode:
    """Return the strictest mode of the scopes, locked until the transaction ends.

    Raises NotHeld in a region that may not send.
    """
    lease.require()
    scopes = scopes_of(account, bot)
    marks = ", ".join(["%s"] * len(scopes))
    table = TradingState._meta.db_table
    sql = f"SELECT mode FROM {table} WHERE scope IN ({marks}){for_share()}"  # noqa: S608 - own table
    return strictest([row[0] for row in rows.read(Statement(sql, scopes))], len(scopes))


def mode_for_closing(account: Account, bot: Bot, owed_since: datetime) -> TradingMode:
    """Return the mode that a closing meets which was owed since a moment, locked like `mode_for_claim`.

    A limit that halted the bot itself then or later lets it go: it stops what the bot would do next. A
    person's halt, and a fault that halts the account, hold everything.
    """
    mode = mode_for_claim(account, bot)
    by_limit = TradingState.objects.filter(bot=bot, mode=TradingMode.HALTED, cause=Cause.LIMIT)
    if mode is not TradingMode.HALTED or not by_limit.filter(since__gte=owed_since).exists():
        return mode
    return max(mode_for_claim(account), TradingMode.REDUCING, key=lambda mode: mode.strictness)


def is_halted_since(moment: datetime, account: Account, bot: Bot | None) -> bool:
    """Tell whether a person halted one of the scopes after a moment. Call it after `mode_for_claim`."""
    halted = TradingState.objects.filter(scope__in=scopes_of(account, bot), mode=TradingMode.HALTED)
    return halted.filter(cause=Cause.PERSON, since__gt=moment).exists()


def was_halted_since(moment: datetime, account: Account, bot: Bot, *, is_owed: bool) -> bool:
    """Tell whether a halt that holds back an order began or ended since then, in a scope around its bot.

    For a closing that was owed before it is not one by a limit of the bot itself, as in `mode_for_closing`.
    """
    changes = TradingStateChange.objects.filter(scope__in=scopes_of(account, bot), created_at__gte=moment)
    if is_owed:
        changes = changes.exclude(scope=scopes_of(account, bot)[-1], cause=Cause.LIMIT)
    return changes.filter(Q(old_mode=TradingMode.HALTED) | Q(new_mode=TradingMode.HALTED)).exists()


def for_share() -> str:
    """Return what locks the rows of a SELECT against change; SQLite has one writer anyway."""
    return " FOR SHARE" if connection.vendor == "postgresql" else ""


def effective_modes(bots: list[Bot]) -> dict[str, TradingMode]:
    """Return the strictest mode by bot slug, for showing; claims read it anew. One query."""
    modes = dict(TradingState.objects.values_list("scope", "mode"))
    return {
        bot.slug: strictest([modes[scope] for scope in scopes_of(bot.account, bot) if scope in modes], 3)
        for bot in bots
    }


def effective_mode(scope: str) -> TradingMode:
    """Return the strictest mode of a scope and of the wider ones around it, for showing."""
    state = TradingState.objects.select_related("bot__account", "account").filter(scope=scope).first()
    if state is None:
        return TradingMode.HALTED
    scopes = scopes_around(state)
    modes = TradingState.objects.filter(scope__in=scopes).values_list("mode", flat=True)
    return strictest(list(modes), len(scopes))


def set_mode(
    scope: str, mode: TradingMode, cause: Cause, reason: str, by: str, now: datetime
) -> TradingState:
    """Write a scope's mode and its history, and return the state. Call it in a transaction."""
    state = TradingState.objects.select_for_update(no_key=True).get(scope=scope)
    if cause == Cause.PERSON or (state.mode, state.cause) != (mode, cause):
        change = TradingStateChange.objects.create(
            scope=scope, old_mode=state.mode, new_mode=mode, cause=cause, reason=reason, by=by, created_at=now
        )
        if cause != Cause.FLATTEN:
            # A flatten is told by itself, where it takes longer than a person waits for it.
            text = f"By {by}: {reason or 'no reason given'}"
            tell(NoticeKind.TRADING_STATE, change.id, f"{mode.label}: {scope}", text, now)
        state.mode, state.cause, state.reason, state.by, state.since = mode, cause, reason, by, now
        state.save()
    return state


def lift_reduction(account: Account, now: datetime) -> None:
    """Set an account active again whose REDUCING an incident caused, once no incident blocks it."""
    reduced = TradingState.objects.select_for_update(no_key=True).filter(
        account=account, mode=TradingMode.REDUCING, cause=Cause.INCIDENT
    )
    blocking = Incident.objects.filter(account=account, closed_at=None).exclude(blocks="")
    for state in reduced:
        if not blocking.exists():
            reason = "No incident is open any more."
            set_mode(state.scope, TradingMode.ACTIVE, Cause.INCIDENT, reason, "desk", now)


def strictest(modes: Sequence[str], expected: int) -> TradingMode:
    """Return the strictest of the modes that were read. Fewer than expected: halted."""
    if len(modes) < expected:
        return TradingMode.HALTED
    return max((TradingMode(mode) for mode in modes), key=lambda mode: mode.strictness)
