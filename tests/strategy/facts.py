"""Facts that the tests of the gate begin with, and what the gate says of them."""

from dataclasses import replace
from decimal import Decimal

from strategy.gate import Check, Exposure, Facts, Limit, Margin, Usage, opening_checks, refusal

ENTRY = Facts(
    mode="ACTIVE",
    enabled=True,
    armed=True,
    held=0,
    booked=0,
    months_agree=True,
    order=1,
    size=1,
    limit=1,
    age_s=2.5,
    max_age_s=60,
    reconciled=True,
    unfinished_opening=False,
    unfinished_closing=False,
    mismatch_open=False,
    ambiguity_open=False,
    alerts_alive=True,
    statement_agrees=True,
    versions_agree=True,
    session_open=True,
    before_flat_by=True,
    calendar_confirmed=True,
    contract_confirmed=True,
    contract_is_front=True,
    before_cutoff=True,
    contract_matches_chart=True,
    delayed=False,
    is_live=False,
)
# On live, where P13 must be set.
GUARDED = replace(
    ENTRY, is_live=True, account=Usage(loss=Limit(500, Decimal(0))), drawdown=Limit(1000, Decimal(0))
)
EXIT = replace(ENTRY, held=2, booked=2, order=-2)
UNREADABLE = Facts(
    mode=None,
    enabled=None,
    armed=None,
    held=None,
    booked=None,
    months_agree=None,
    order=1,
    size=None,
    has_stop_price=None,
    limit=1,
    age_s=None,
    max_age_s=60,
    reconciled=None,
    unfinished_opening=None,
    unfinished_closing=None,
    mismatch_open=None,
    ambiguity_open=None,
    alerts_alive=None,
    statement_agrees=None,
    versions_agree=None,
    session_open=None,
    before_flat_by=None,
    calendar_confirmed=None,
    contract_confirmed=None,
    contract_is_front=None,
    before_cutoff=None,
    contract_matches_chart=None,
    delayed=None,
    is_live=None,
    working=None,
    clock=Limit(2),
    bot=Usage(Limit(6), Limit(40), Limit(12), Limit(10), Limit(4), Limit(500)),
    account=Usage(Limit(6), Limit(40), Limit(12), Limit(10), Limit(4), Limit(500)),
    drawdown=Limit(1000),
    exposure=Exposure(account_cap=3, group_cap=3),
    margin=Margin(Decimal("1.5")),
)


def usage(**limits: tuple[float, float | None]) -> Usage:
    return Usage(**{name: Limit(most, found) for name, (most, found) in limits.items()})


def margin(value: int | None, used: int | None = 0, each: int | None = 1000) -> Margin:
    value_, used_, each_ = (None if figure is None else Decimal(figure) for figure in (value, used, each))
    return Margin(Decimal("1.5"), value_, used_, each_)


def code(checks: tuple[Check, ...]) -> str | None:
    found = refusal(checks)
    return None if found is None else found.code


def verdict(facts: Facts, code: str) -> Check:
    (check,) = (check for check in opening_checks(facts) if check.code == code)
    return check
