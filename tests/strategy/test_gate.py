from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.gate import (
    Check,
    Facts,
    closing_checks,
    opening_checks,
    refusal_of_closing,
    refusal_of_opening,
)

OPENING = Facts(
    mode="ACTIVE",
    enabled=True,
    armed=True,
    held=0,
    booked=0,
    order=1,
    limit=1,
    age_s=2.5,
    max_age_s=60,
    reconciled=True,
    unfinished_opening=False,
    unfinished_closing=False,
    mismatch_open=False,
    ambiguity_open=False,
    alerts_alive=True,
    session_open=True,
    before_flat_by=True,
    calendar_confirmed=True,
    contract_confirmed=True,
    contract_is_front=True,
    contract_matches_chart=True,
)
CLOSING = replace(OPENING, held=2, booked=2, order=-2)
WORST = Facts(
    mode="HALTED",
    enabled=False,
    armed=False,
    held=1,
    booked=0,
    order=-1,
    limit=1,
    age_s=None,
    max_age_s=60,
    reconciled=False,
    unfinished_opening=True,
    unfinished_closing=True,
    mismatch_open=True,
    ambiguity_open=True,
    alerts_alive=False,
    session_open=False,
    before_flat_by=False,
    calendar_confirmed=False,
    contract_confirmed=False,
    contract_is_front=False,
    contract_matches_chart=False,
)


def code(check: Check | None) -> str | None:
    return None if check is None else check.code


def test_opening_that_meets_every_rule_passes() -> None:
    assert refusal_of_opening(OPENING) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"order": -1},
        {"held": 1, "booked": 1, "order": -2},
        {"held": -1, "booked": -1, "order": 2},
        {"limit": 3, "order": 3},
        {"held": 1, "booked": 1, "limit": 3, "order": 2},
        {"age_s": 60},
        {"age_s": 0},
        {"age_s": 1e9, "max_age_s": 0},
        {"age_s": None, "max_age_s": 0},
    ],
)
def test_opening_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert refusal_of_opening(replace(OPENING, **changes)) is None


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"mode": "REDUCING"}, "REDUCING"),
        ({"mode": "HALTED"}, "HALTED"),
        ({"mode": None}, "HALTED"),
        ({"mode": ""}, "HALTED"),
        ({"mode": "active"}, "HALTED"),
        ({"enabled": False}, "BOT_DISABLED"),
        ({"armed": False}, "NOT_ARMED"),
        ({"held": None}, "BROKER_UNREACHABLE"),
        ({"reconciled": False}, "RECONCILING"),
        ({"unfinished_opening": True}, "ORDER_UNCONFIRMED"),
        ({"unfinished_closing": True}, "ORDER_UNCONFIRMED"),
        ({"booked": 1}, "POSITION_MISMATCH"),
        ({"held": -1, "order": 2}, "POSITION_MISMATCH"),
        ({"mismatch_open": True}, "POSITION_MISMATCH"),
        ({"ambiguity_open": True}, "AMBIGUOUS"),
        ({"age_s": 60.001}, "TOO_OLD"),
        ({"age_s": None}, "TOO_OLD"),
        ({"alerts_alive": False}, "ALERTS_SILENT"),
        ({"session_open": False}, "SESSION_CLOSED"),
        ({"before_flat_by": False}, "FLAT_BY"),
        ({"calendar_confirmed": False}, "CALENDAR_UNCONFIRMED"),
        ({"contract_confirmed": False}, "CONTRACT_UNKNOWN"),
        ({"contract_is_front": False}, "CONTRACT_ROLLED"),
        ({"contract_matches_chart": False}, "CONTRACT_MISMATCH"),
        ({"order": 2}, "MAX_POSITION"),
        ({"order": -2}, "MAX_POSITION"),
        ({"order": 0}, "MAX_POSITION"),
        ({"limit": 0}, "MAX_POSITION"),
        ({"held": 1, "booked": 1, "order": -3}, "MAX_POSITION"),
        ({"held": 2, "booked": 2, "order": 1}, "MAX_POSITION"),
    ],
)
def test_opening_against_a_rule_is_refused_with_its_code(changes: dict[str, Any], refusal: str) -> None:
    assert code(refusal_of_opening(replace(OPENING, **changes))) == refusal


def test_opening_rules_are_asked_gravest_first() -> None:
    assert [check.code for check in opening_checks(WORST)] == [
        "HALTED",
        "BOT_DISABLED",
        "NOT_ARMED",
        "BROKER_UNREACHABLE",
        "RECONCILING",
        "ORDER_UNCONFIRMED",
        "POSITION_MISMATCH",
        "AMBIGUOUS",
        "TOO_OLD",
        "ALERTS_SILENT",
        "SESSION_CLOSED",
        "FLAT_BY",
        "CALENDAR_UNCONFIRMED",
        "CONTRACT_UNKNOWN",
        "CONTRACT_ROLLED",
        "CONTRACT_MISMATCH",
        "MAX_POSITION",
    ]


def test_refusal_names_the_figures_that_met() -> None:
    assert refusal_of_opening(replace(OPENING, order=2)) == Check(
        "MAX_POSITION", False, "position would be 2, at most 1"
    )
    assert refusal_of_opening(replace(OPENING, age_s=61.5)) == Check(
        "TOO_OLD", False, "61.5 s old, at most 60 s"
    )
    assert refusal_of_closing(replace(CLOSING, order=-3)) == Check(
        "MAX_POSITION", False, "order -3, broker holds +2"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "REDUCING"},
        {"order": -1},
        {"held": -2, "order": 2},
        {"held": -2, "order": 1},
        {"enabled": False},
        {"reconciled": False},
        {"booked": 0},
        {"mismatch_open": True},
        {"ambiguity_open": True},
        {"unfinished_opening": True},
        {"age_s": 1e9},
        {"age_s": None},
        {"session_open": False},
        {"contract_confirmed": False},
        {"contract_is_front": False},
        {"contract_matches_chart": False},
        {"limit": 0},
    ],
)
def test_closing_needs_only_trading_state_and_quantity(changes: dict[str, Any]) -> None:
    assert refusal_of_closing(replace(CLOSING, **changes)) is None


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"mode": "HALTED"}, "HALTED"),
        ({"mode": None}, "HALTED"),
        ({"held": None}, "BROKER_UNREACHABLE"),
        ({"unfinished_closing": True}, "ORDER_UNCONFIRMED"),
        ({"order": -3}, "MAX_POSITION"),
        ({"order": 1}, "MAX_POSITION"),
        ({"order": 0}, "MAX_POSITION"),
        ({"held": 0, "order": -1}, "MAX_POSITION"),
        ({"held": 0, "order": 0}, "MAX_POSITION"),
        ({"held": -2, "order": 3}, "MAX_POSITION"),
        ({"held": -2, "order": -1}, "MAX_POSITION"),
    ],
)
def test_closing_against_a_rule_is_refused_with_its_code(changes: dict[str, Any], refusal: str) -> None:
    assert code(refusal_of_closing(replace(CLOSING, **changes))) == refusal


any_facts = st.builds(
    Facts,
    mode=st.sampled_from(["ACTIVE", "REDUCING", "HALTED", None]),
    enabled=st.booleans(),
    held=st.none() | st.integers(-5, 5),
    booked=st.integers(-5, 5),
    order=st.integers(-10, 10),
    limit=st.integers(0, 5),
    age_s=st.none() | st.floats(0, 200),
    max_age_s=st.sampled_from([0, 60]),
    reconciled=st.booleans(),
    unfinished_opening=st.booleans(),
    unfinished_closing=st.booleans(),
    mismatch_open=st.booleans(),
    ambiguity_open=st.booleans(),
    session_open=st.booleans(),
    contract_confirmed=st.booleans(),
    contract_is_front=st.booleans(),
    contract_matches_chart=st.booleans(),
)


@given(facts=any_facts)
def test_closing_that_passes_never_leaves_more_or_the_other_side(facts: Facts) -> None:
    if refusal_of_closing(facts) is not None:
        return
    assert facts.held is not None
    after = facts.held + facts.order
    assert facts.mode in {"ACTIVE", "REDUCING"}
    assert abs(after) < abs(facts.held)
    assert after * facts.held >= 0


@given(facts=any_facts)
def test_opening_that_passes_stays_within_the_limit_and_is_never_halted(facts: Facts) -> None:
    if refusal_of_opening(facts) is not None:
        return
    assert facts.held is not None
    assert (facts.mode, facts.enabled, facts.reconciled) == ("ACTIVE", True, True)
    assert 0 <= abs(facts.held + facts.order) <= facts.limit
    assert facts.held == facts.booked


@given(facts=any_facts)
def test_refusal_is_the_first_check_that_fails(facts: Facts) -> None:
    for refusal, checks in (
        (refusal_of_opening(facts), list(opening_checks(facts))),
        (refusal_of_closing(facts), list(closing_checks(facts))),
    ):
        failed = [check for check in checks if not check.passed]
        assert refusal == (failed[0] if failed else None)
