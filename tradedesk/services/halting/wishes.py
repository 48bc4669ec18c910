"""Flattens as rows. While one is open its scope opens nothing, also where trading was on before."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from tradedesk.models import Cause, FlattenWish, Incident, NoticeKind, TradingMode, TradingState
from tradedesk.services.halting.scopes import state_of, states_within
from tradedesk.services.halting.trading_state import scopes_around, set_mode
from tradedesk.services.people.audit import note
from tradedesk.services.reports.notices import tell, thing

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=30)
# While one process works on a flatten the others leave it alone, unless it died meanwhile.
LEASE = timedelta(seconds=15)


@transaction.atomic
def latch(
    scope: str,
    *,
    reason: str,
    by: str,
    source_address: str,
    passes_halt: bool,
    until: datetime | None,
    now: datetime,
) -> FlattenWish:
    """Return the open flatten of a scope, made now or renewed, taken for the caller to work on.

    A person's takes the place of one that a rule of the desk began. Raises UnknownScope.
    """
    state = TradingState.objects.select_for_update(no_key=True).get(pk=state_of(scope).pk)
    note(by, "flatten", scope, {}, reason, source_address, now)
    values = {
        "passes_halt": passes_halt,
        "reason": reason,
        "by": by,
        "since": now,
        "until": until,
        "next_try_at": now + LEASE,
    }
    wish, created = FlattenWish.objects.get_or_create(
        scope=scope, ended_at=None, defaults={**values, "tries": 1}
    )
    if not created:
        renewed = values if passes_halt else {"next_try_at": now + LEASE}
        FlattenWish.objects.filter(pk=wish.pk).update(**renewed, tries=F("tries") + 1)
        wish.refresh_from_db()
    by_incident = state.mode == TradingMode.REDUCING and state.cause == Cause.INCIDENT
    if state.mode == TradingMode.ACTIVE or by_incident:
        set_mode(scope, TradingMode.REDUCING, Cause.FLATTEN, reason, by, now)
    return wish


def due(now: datetime) -> list[FlattenWish]:
    """Return the flattens whose next try is due, oldest first."""
    return list(FlattenWish.objects.filter(ended_at=None, next_try_at__lte=now).order_by("id"))


def take(wish: FlattenWish, now: datetime) -> bool:
    """Take a flatten for a try and read it anew; False where another process has it, or somebody ended it."""
    free = FlattenWish.objects.filter(pk=wish.pk, ended_at=None, next_try_at=wish.next_try_at)
    is_taken = bool(free.update(next_try_at=now + LEASE, tries=F("tries") + 1))
    wish.refresh_from_db()
    return is_taken


def make_due(now: datetime) -> None:
    """Let every open flatten be due at once: who worked on it may be dead."""
    FlattenWish.objects.filter(ended_at=None).update(next_try_at=now)


def is_open(wish: FlattenWish) -> bool:
    """Tell whether nobody has ended a flatten yet."""
    return FlattenWish.objects.filter(pk=wish.pk, ended_at=None).exists()


def note_look(wish: FlattenWish, seen: list[dict[str, Any]], now: datetime) -> None:
    """Write down what a look at the broker showed."""
    wish.seen, wish.looked_at = seen, now
    FlattenWish.objects.filter(pk=wish.pk, ended_at=None).update(seen=seen, looked_at=now)


def put_off(wish: FlattenWish, now: datetime, *, is_moving: bool) -> None:
    """Let the next try come later: soon after one that closed something, else after ever longer pauses.

    People are told once of what is held.
    """
    pause = FIRST_PAUSE if is_moving else min(FIRST_PAUSE * 2.0 ** min(wish.tries - 1, 10), LONGEST_PAUSE)
    still_open = FlattenWish.objects.filter(pk=wish.pk, ended_at=None).update(next_try_at=now + pause)
    if not still_open or not wish.seen:
        return
    text = f"Asked for by {wish.by}: {wish.reason or 'no reason given'}. The desk keeps trying."
    tell(NoticeKind.TRADING_STATE, thing("flatten", wish.pk, "open"), f"NOT FLAT: {wish.scope}", text, now)


def meet(wish: FlattenWish, now: datetime) -> None:
    """End a flatten that was brought about; what it alone had stopped may open again."""
    ending = "The broker showed nothing held or working, twice."
    if _end(wish.scope, ending, now) and wish.tries > 1:
        about = thing("flatten", wish.pk, "met")
        tell(NoticeKind.TRADING_STATE, about, f"Flat: {wish.scope}", ending, now)


def give_up(wish: FlattenWish, why: str, now: datetime) -> None:
    """End a flatten whose time or scope is over."""
    _end(wish.scope, why, now)


@transaction.atomic
def cancel(scope: str, *, reason: str, by: str, source_address: str, now: datetime) -> bool:
    """End the open flatten of a scope by a person's word; return False when there is none.

    Its scope opens nothing until a person releases it. Raises UnknownScope.
    """
    state = TradingState.objects.select_for_update(no_key=True).get(pk=state_of(scope).pk)
    if state.cause == Cause.FLATTEN and state.mode != TradingMode.ACTIVE:
        set_mode(scope, TradingMode(state.mode), Cause.PERSON, reason or "Flatten cancelled", by, now)
    if not _end(scope, f"Cancelled by {by}: {reason or 'no reason given'}", now):
        return False
    note(by, "cancel flatten", scope, {}, reason, source_address, now)
    return True


def end_by_release(scope: str, by: str, now: datetime) -> None:
    """End the open flatten of a scope that a person lets trade again. Call it in a transaction."""
    _end(scope, f"Released by {by}", now)


def open_around(scope: str) -> list[FlattenWish]:
    """Return the open flattens of a scope, of the wider ones around it and of those within it."""
    scopes = [*scopes_around(state_of(scope)), *states_within(scope).values_list("scope", flat=True)]
    return list(FlattenWish.objects.filter(ended_at=None, scope__in=scopes).order_by("id"))


@transaction.atomic
def _end(scope: str, ending: str, now: datetime) -> bool:
    """End the open flatten of a scope, and return False when somebody else did."""
    state = TradingState.objects.select_for_update(no_key=True).filter(scope=scope).first()
    ended = FlattenWish.objects.filter(scope=scope, ended_at=None).update(ended_at=now, ending=ending[:500])
    if ended and state is not None and state.cause == Cause.FLATTEN and state.mode == TradingMode.REDUCING:
        _lift(state, now)
    return bool(ended)


def _lift(state: TradingState, now: datetime) -> None:
    """Set the scope active again, unless an incident that came meanwhile lets its account only reduce."""
    blocking = Incident.objects.filter(account=state.account_id, closed_at=None).exclude(blocks="")
    if state.account_id and blocking.exists():
        reason = "An incident is open."
        set_mode(state.scope, TradingMode.REDUCING, Cause.INCIDENT, reason, "desk", now)
    else:
        set_mode(state.scope, TradingMode.ACTIVE, Cause.FLATTEN, "The flatten is over.", "desk", now)
