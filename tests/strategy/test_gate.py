from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.gate import (
    CLOSING,
    OPENING,
    Check,
    Exposure,
    Facts,
    Limit,
    Margin,
    Usage,
    closing_checks,
    opening_checks,
    refusal,
)
from tests.strategy.facts import ENTRY, GUARDED, UNREADABLE, code, margin, usage, verdict


def test_order_of_unknown_place_is_not_taken_for_the_desk_s_own_mistake() -> None:
    assert verdict(replace(ENTRY, held=None), "ORDER_SIZE").unread
    assert verdict(replace(GUARDED, is_live=None), "PRICE_UNCHECKED").unread


def test_breach_counts_more_than_a_figure_that_cannot_be_read() -> None:
    spent = replace(ENTRY, bot=usage(minute=(6, None), day=(40, 40)))

    assert verdict(spent, "TOO_MANY_ORDERS") == Check(
        "TOO_MANY_ORDERS", "P11", False, "bot minute unreadable of 6, bot day 40 of 40", unread=False
    )


def test_nothing_passes_when_nothing_can_be_read() -> None:
    assert [check for check in opening_checks(UNREADABLE) if check.passed] == []
    assert [check for check in closing_checks(UNREADABLE) if check.passed] == []


def test_opening_rules_are_asked_gravest_first() -> None:
    assert [(check.number, check.code) for check in opening_checks(UNREADABLE)] == [
        ("P1", "HALTED"),
        ("P1", "VERSION_MISMATCH"),
        ("P1", "REDUCING"),
        ("P1", "BOT_DISABLED"),
        ("P2", "NOT_ARMED"),
        ("P5", "BROKER_UNREACHABLE"),
        ("P1", "RECONCILING"),
        ("P10", "ORDER_UNCONFIRMED"),
        ("P5", "POSITION_MISMATCH"),
        ("P18", "AMBIGUOUS"),
        ("P18", "DELAYED_DATA"),
        ("P7", "TOO_OLD"),
        ("P8", "CLOCK_OFF"),
        ("Q4", "ALERTS_SILENT"),
        ("Q7", "STATEMENT_DIFFERS"),
        ("P12", "SESSION_CLOSED"),
        ("P12", "FLAT_BY"),
        ("P12", "CALENDAR_UNCONFIRMED"),
        ("P3", "CONTRACT_UNKNOWN"),
        ("P3", "CONTRACT_ROLLED"),
        ("P3", "ROLL_CUTOFF"),
        ("P3", "CONTRACT_MISMATCH"),
        ("Q5", "NO_STOP_PRICE"),
        ("P4", "RISK_SIZE"),
        ("P4", "ORDER_SIZE"),
        ("P5", "MAX_POSITION"),
        ("P5", "MAX_ACCOUNT_POSITION"),
        ("P5", "MAX_GROUP_POSITION"),
        ("P11", "TOO_MANY_ORDERS"),
        ("P13", "DAILY_LOSS"),
        ("P13", "DRAWDOWN"),
        ("P14", "LOSING_STREAK"),
        ("P14", "TOO_MANY_TRADES"),
        ("P15", "MARGIN"),
        ("P16", "PRICE_UNCHECKED"),
    ]


@pytest.mark.parametrize(
    ("facts", "figures"),
    [
        (ENTRY, {"TOO_MANY_ORDERS": "off", "MARGIN": "off", "CLOCK_OFF": "off", "DRAWDOWN": "off"}),
        (replace(ENTRY, order=2, size=2), {"MAX_POSITION": "position would be 2, at most 1"}),
        (replace(ENTRY, age_s=61.5), {"TOO_OLD": "61.5 s old, at most 60 s"}),
        (replace(ENTRY, clock=Limit(2, 0.5)), {"CLOCK_OFF": "0.5 s off, at most 2 s"}),
        (replace(ENTRY, margin=margin(1499)), {"MARGIN": "available 1499.00, needed 1500.00"}),
        (
            replace(ENTRY, margin=margin(None, used=1, each=None)),
            {"MARGIN": "unreadable: net liquidation, margin per contract"},
        ),
        (
            replace(ENTRY, exposure=Exposure(account_cap=3, elsewhere=3, group_cap=30, in_group=(-7, -7))),
            {
                "MAX_ACCOUNT_POSITION": "account would hold 4, at most 3",
                "MAX_GROUP_POSITION": "group would hold 6, at most 30 micros",
            },
        ),
        (
            replace(ENTRY, bot=usage(minute=(6, 2)), account=Usage(loss=Limit(500, Decimal("20.5")))),
            {"TOO_MANY_ORDERS": "bot minute 2 of 6", "DAILY_LOSS": "account 20.50 of 500"},
        ),
        (GUARDED, {"PRICE_UNCHECKED": "no quote feed: at most 1 on live, would be 1"}),
    ],
)
def test_verdict_names_the_figures_that_met(facts: Facts, figures: dict[str, str]) -> None:
    found = {check.code: check.figures for check in opening_checks(facts)}

    assert {code: found[code] for code in figures} == figures


@pytest.mark.parametrize("rules", [OPENING, CLOSING])
def test_rule_has_a_code_of_its_own_and_a_number_of_the_table(rules: tuple[Any, ...]) -> None:
    assert len({rule.code for rule in rules}) == len(rules)
    assert {rule.number for rule in rules} <= {"Q4", "Q5", "Q7", *(f"P{number}" for number in range(1, 19))}


limits = st.builds(Limit, st.none() | st.integers(0, 5), st.none() | st.integers(0, 6))
usages = st.builds(Usage, limits, limits, limits, limits, limits, limits)
money = st.none() | st.integers(0, 5000).map(Decimal)
any_facts = st.builds(
    Facts,
    mode=st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "REDUCING", "HALTED", None]),
    enabled=st.sampled_from([True, True, True, False, None]),
    held=st.none() | st.integers(-3, 3),
    booked=st.integers(-3, 3),
    months_agree=st.booleans(),
    order=st.integers(-6, 6),
    size=st.none() | st.integers(0, 3),
    has_stop_price=st.sampled_from([True, True, False, None]),
    limit=st.integers(0, 5),
    age_s=st.none() | st.floats(0, 200),
    max_age_s=st.sampled_from([0, 60]),
    **{
        name: st.sampled_from([True, True, True, True, False, None])
        for name in (
            "reconciled",
            "session_open",
            "contract_confirmed",
            "contract_is_front",
            "contract_matches_chart",
        )
    },
    **{
        name: st.sampled_from([False, False, False, False, True, None])
        for name in (
            "unfinished_opening",
            "unfinished_closing",
            "mismatch_open",
            "ambiguity_open",
            "delayed",
            "is_live",
        )
    },
    working=st.sampled_from([0, 0, 1, -1, None]),
    clock=limits,
    bot=st.just(Usage()) | usages,
    account=st.just(Usage()) | usages,
    drawdown=limits,
    exposure=st.builds(
        Exposure,
        st.none() | st.integers(0, 5),
        st.none() | st.integers(0, 5),
        st.none() | st.integers(0, 9),
        st.none() | st.tuples(st.integers(-9, 0), st.integers(0, 9)),
        st.sampled_from([1, 10]),
    ),
    margin=st.just(Margin()) | st.builds(Margin, st.none() | st.just(Decimal("1.5")), money, money, money),
)


FIGURES = ("held", "size", "limit", "is_live", "bot", "account", "drawdown", "exposure", "margin")


@st.composite
def entries(draw: st.DrawFn) -> Facts:
    """Return an entry that passes but for a few figures, so that the law about what passes is tried."""
    other = draw(any_facts)
    names = draw(st.sets(st.sampled_from(FIGURES), max_size=3))
    entry = replace(ENTRY, **{name: getattr(other, name) for name in names})
    order = draw(st.integers(-3, 3))
    return replace(entry, booked=entry.held, order=order, limit=max(entry.limit, entry.size or 0))


@given(facts=any_facts)
def test_closing_that_passes_never_leaves_more_or_the_other_side(facts: Facts) -> None:
    if code(closing_checks(facts)) is not None:
        return
    assert facts.held is not None
    after = facts.held + facts.order
    assert facts.mode in {"ACTIVE", "REDUCING"}
    assert abs(after) < abs(facts.held)
    assert after * facts.held >= 0


@given(facts=entries())
def test_opening_that_passes_satisfies_every_limit(facts: Facts) -> None:
    if code(opening_checks(facts)) is not None:
        return
    assert facts.held is not None
    assert facts.size is not None
    assert (facts.mode, facts.enabled, facts.reconciled) == ("ACTIVE", True, True)
    assert facts.has_stop_price
    after = facts.held + (facts.working or 0) + facts.order
    assert 1 <= abs(facts.order) <= abs(facts.held) + facts.size
    assert abs(after) <= facts.limit
    exposure = facts.exposure
    if exposure.account_cap is not None:
        assert exposure.elsewhere is not None
        assert abs(after) + exposure.elsewhere <= exposure.account_cap
    if exposure.group_cap is not None:
        assert exposure.in_group is not None
        for micros in exposure.in_group:
            assert abs(after * exposure.weight + micros) <= exposure.group_cap
    for used in (facts.bot, facts.account):
        for limit in (used.minute, used.day, used.session, used.trades, used.losers, used.loss):
            assert limit.most is None or (limit.found is not None and limit.found < limit.most)
    assert facts.is_live is False or (facts.account.loss.most is not None and abs(after) <= 1)


@given(facts=any_facts)
def test_refusal_is_the_first_check_that_fails(facts: Facts) -> None:
    for checks in (opening_checks(facts), closing_checks(facts)):
        failed = [check for check in checks if not check.passed]
        assert refusal(checks) == (failed[0] if failed else None)


@given(facts=any_facts, lost=st.sampled_from(["mode", "held", "booked", "enabled", "reconciled", "working"]))
def test_what_is_not_read_any_more_never_lets_an_order_pass(facts: Facts, lost: str) -> None:
    changes: dict[str, Any] = {lost: None}
    blind = replace(facts, **changes)

    for judge in (opening_checks, closing_checks):
        if code(judge(facts)) is not None:
            assert code(judge(blind)) is not None
