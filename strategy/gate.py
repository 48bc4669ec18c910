from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the gate looks at before an order leaves. None means "could not be read" and fails.

    `order` is signed contracts; `held` what the broker holds now, `booked` what the desk thought it holds.
    `age_s` is how long ago the event that calls for the position fired; `max_age_s` 0 switches that rule off.
    """

    mode: str | None
    enabled: bool
    armed: bool
    held: int | None
    booked: int
    order: int
    limit: int
    age_s: float | None
    max_age_s: float
    reconciled: bool
    unfinished_opening: bool
    unfinished_closing: bool
    mismatch_open: bool
    ambiguity_open: bool
    alerts_alive: bool
    session_open: bool
    before_flat_by: bool
    calendar_confirmed: bool
    contract_confirmed: bool
    contract_is_front: bool
    contract_matches_chart: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's verdict: its reason code, whether it let the order pass, and the figures that met."""

    code: str
    passed: bool
    figures: str


def refusal_of_opening(facts: Facts) -> Check | None:
    """Return the first rule that refuses an order which adds to |position| or crosses zero, or None."""
    return next((check for check in opening_checks(facts) if not check.passed), None)


def refusal_of_closing(facts: Facts) -> Check | None:
    """Return the first rule that refuses an order toward flat, or None."""
    return next((check for check in closing_checks(facts) if not check.passed), None)


def opening_checks(facts: Facts) -> Iterator[Check]:
    """Yield every rule for an opening with its verdict, the gravest first."""
    yield _mode(facts, {"ACTIVE"})
    yield Check("BOT_DISABLED", facts.enabled, f"enabled {facts.enabled}")
    yield Check("NOT_ARMED", facts.armed, f"armed {facts.armed}")
    yield Check("BROKER_UNREACHABLE", facts.held is not None, f"broker holds {facts.held}")
    yield Check("RECONCILING", facts.reconciled, f"reconciled {facts.reconciled}")
    yield Check(
        "ORDER_UNCONFIRMED",
        not (facts.unfinished_opening or facts.unfinished_closing),
        f"unfinished opening {facts.unfinished_opening}, closing {facts.unfinished_closing}",
    )
    yield Check(
        "POSITION_MISMATCH",
        facts.held == facts.booked and not facts.mismatch_open,
        f"broker holds {facts.held}, booked {facts.booked}, incident open {facts.mismatch_open}",
    )
    yield Check("AMBIGUOUS", not facts.ambiguity_open, f"incident open {facts.ambiguity_open}")
    young = facts.max_age_s == 0 or (facts.age_s is not None and facts.age_s <= facts.max_age_s)
    yield Check("TOO_OLD", young, f"{facts.age_s} s old, at most {facts.max_age_s:g} s")
    yield Check("ALERTS_SILENT", facts.alerts_alive, f"heartbeats come {facts.alerts_alive}")
    yield Check("SESSION_CLOSED", facts.session_open, f"session open {facts.session_open}")
    yield Check("FLAT_BY", facts.before_flat_by, f"before flat-by time {facts.before_flat_by}")
    yield Check("CALENDAR_UNCONFIRMED", facts.calendar_confirmed, f"calendar {facts.calendar_confirmed}")
    yield Check("CONTRACT_UNKNOWN", facts.contract_confirmed, f"terms confirmed {facts.contract_confirmed}")
    yield Check("CONTRACT_ROLLED", facts.contract_is_front, f"front month {facts.contract_is_front}")
    yield Check(
        "CONTRACT_MISMATCH", facts.contract_matches_chart, f"chart agrees {facts.contract_matches_chart}"
    )
    after = None if facts.held is None else abs(facts.held + facts.order)
    yield Check(
        "MAX_POSITION",
        facts.order != 0 and after is not None and after <= facts.limit,
        f"position would be {after}, at most {facts.limit}",
    )


def closing_checks(facts: Facts) -> Iterator[Check]:
    """Yield the rules for an order toward flat: trading state, identity and quantity, nothing else."""
    yield _mode(facts, {"ACTIVE", "REDUCING"})
    yield Check("BROKER_UNREACHABLE", facts.held is not None, f"broker holds {facts.held}")
    # Two closings at once could both fill and pass zero.
    yield Check(
        "ORDER_UNCONFIRMED", not facts.unfinished_closing, f"unfinished closing {facts.unfinished_closing}"
    )
    held = facts.held or 0
    toward_flat = facts.order * held < 0 and abs(facts.order) <= abs(held)
    yield Check("MAX_POSITION", toward_flat, f"order {facts.order:+d}, broker holds {held:+d}")


def _mode(facts: Facts, allowed: set[str]) -> Check:
    code = "REDUCING" if facts.mode == "REDUCING" else "HALTED"
    return Check(code, facts.mode in allowed, f"trading state {facts.mode or 'unreadable'}")
