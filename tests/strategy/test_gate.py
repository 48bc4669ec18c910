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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"order": -1},
        {"held": 1, "booked": 1, "order": -2},
        {"held": -1, "booked": -1, "order": 2},
        {"limit": 3, "size": 3, "order": 3},
        {"held": 1, "booked": 1, "limit": 3, "size": 2, "order": 2},
        {"held": 5, "booked": 5, "order": -6},
        {"age_s": 60},
        {"age_s": 0},
        {"age_s": 1e9, "max_age_s": 0},
        {"age_s": None, "max_age_s": 0},
        {"clock": Limit(2, 2)},
        {"bot": usage(minute=(6, 5), day=(40, 39), session=(12, 11))},
        {"account": usage(minute=(6, 5), day=(40, 39), session=(12, 11))},
        {"bot": usage(trades=(10, 9), losers=(4, 3), loss=(500, 499.99))},
        {"account": usage(trades=(10, 9), losers=(4, 3), loss=(500, 499.99))},
        {"drawdown": Limit(1000, Decimal("999.99"))},
        {"exposure": Exposure(account_cap=3, elsewhere=2)},
        {"exposure": Exposure(group_cap=3, in_group=(2, 2))},
        {"exposure": Exposure(group_cap=3, in_group=(-12, -12), weight=10)},
        {"exposure": Exposure(group_cap=3, in_group=(1, 1)), "held": 1, "booked": 1, "order": -2},
        {"margin": margin(1500)},
        {"margin": margin(1600, used=1000), "held": 1, "booked": 1, "order": -2},
        {"margin": margin(3000), "order": 2, "size": 2, "limit": 2},
    ],
)
def test_opening_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert code(opening_checks(replace(ENTRY, **changes))) is None


def test_live_opening_within_the_rules_passes() -> None:
    assert code(opening_checks(GUARDED)) is None


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"mode": "REDUCING"}, "REDUCING"),
        ({"mode": "HALTED"}, "HALTED"),
        ({"mode": ""}, "HALTED"),
        ({"mode": "active"}, "HALTED"),
        ({"enabled": False}, "BOT_DISABLED"),
        ({"armed": False}, "NOT_ARMED"),
        ({"reconciled": False}, "RECONCILING"),
        ({"unfinished_opening": True}, "ORDER_UNCONFIRMED"),
        ({"unfinished_closing": True}, "ORDER_UNCONFIRMED"),
        ({"booked": 1}, "POSITION_MISMATCH"),
        ({"months_agree": False}, "POSITION_MISMATCH"),
        ({"held": -1, "order": 2}, "POSITION_MISMATCH"),
        ({"mismatch_open": True}, "POSITION_MISMATCH"),
        ({"ambiguity_open": True}, "AMBIGUOUS"),
        ({"delayed": True}, "DELAYED_DATA"),
        ({"age_s": 60.001}, "TOO_OLD"),
        ({"alerts_alive": False}, "ALERTS_SILENT"),
        ({"versions_agree": False}, "VERSION_MISMATCH"),
        ({"clock": Limit(2, 2.01)}, "CLOCK_OFF"),
        ({"statement_agrees": False}, "STATEMENT_DIFFERS"),
        ({"session_open": False}, "SESSION_CLOSED"),
        ({"before_flat_by": False}, "FLAT_BY"),
        ({"calendar_confirmed": False}, "CALENDAR_UNCONFIRMED"),
        ({"contract_confirmed": False}, "CONTRACT_UNKNOWN"),
        ({"contract_is_front": False}, "CONTRACT_ROLLED"),
        ({"before_cutoff": False}, "ROLL_CUTOFF"),
        ({"contract_matches_chart": False}, "CONTRACT_MISMATCH"),
        ({"has_stop_price": False}, "NO_STOP_PRICE"),
        ({"size": 0}, "RISK_SIZE"),
        ({"order": 0}, "ORDER_SIZE"),
        ({"order": 2, "limit": 3}, "ORDER_SIZE"),
        ({"held": 1, "booked": 1, "order": -3, "limit": 3}, "ORDER_SIZE"),
        ({"order": 2, "size": 2}, "MAX_POSITION"),
        ({"order": -2, "size": 2}, "MAX_POSITION"),
        ({"limit": 0}, "MAX_POSITION"),
        ({"held": 2, "booked": 2}, "MAX_POSITION"),
        ({"working": 1}, "MAX_POSITION"),
        ({"exposure": Exposure(account_cap=3, elsewhere=3)}, "MAX_ACCOUNT_POSITION"),
        ({"exposure": Exposure(group_cap=3, in_group=(3, 3))}, "MAX_GROUP_POSITION"),
        ({"exposure": Exposure(group_cap=3, in_group=(-4, -4), weight=10)}, "MAX_GROUP_POSITION"),
        ({"exposure": Exposure(group_cap=3, in_group=(-3, -3)), "order": -1}, "MAX_GROUP_POSITION"),
        ({"bot": usage(minute=(6, 6))}, "TOO_MANY_ORDERS"),
        ({"bot": usage(day=(40, 40))}, "TOO_MANY_ORDERS"),
        ({"bot": usage(session=(12, 12))}, "TOO_MANY_ORDERS"),
        ({"account": usage(minute=(6, 7))}, "TOO_MANY_ORDERS"),
        ({"account": usage(day=(40, 41))}, "TOO_MANY_ORDERS"),
        ({"account": usage(session=(0, 0))}, "TOO_MANY_ORDERS"),
        ({"bot": usage(loss=(500, 500))}, "DAILY_LOSS"),
        ({"account": usage(loss=(500, 500.01))}, "DAILY_LOSS"),
        ({"drawdown": Limit(1000, 1000)}, "DRAWDOWN"),
        ({"bot": usage(losers=(4, 4))}, "LOSING_STREAK"),
        ({"account": usage(losers=(4, 5))}, "LOSING_STREAK"),
        ({"bot": usage(trades=(10, 10))}, "TOO_MANY_TRADES"),
        ({"account": usage(trades=(10, 10))}, "TOO_MANY_TRADES"),
        ({"margin": margin(1499)}, "MARGIN"),
        ({"margin": margin(3000, used=2000)}, "MARGIN"),
        ({"margin": margin(2999), "order": 2, "size": 2, "limit": 2}, "MARGIN"),
        ({"margin": margin(1499, used=1000), "held": 1, "booked": 1, "order": -2}, "MARGIN"),
    ],
)
def test_opening_against_a_rule_is_refused_with_its_code(changes: dict[str, Any], code_: str) -> None:
    checks = opening_checks(replace(ENTRY, **changes))

    assert code(checks) == code_
    assert next(check for check in checks if check.code == code_).breached


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"account": Usage()}, "DAILY_LOSS"),
        ({"drawdown": Limit()}, "DRAWDOWN"),
        ({"order": 2, "size": 2, "limit": 2}, "PRICE_UNCHECKED"),
    ],
)
def test_live_opening_needs_more(changes: dict[str, Any], code_: str) -> None:
    assert code(opening_checks(replace(GUARDED, **changes))) == code_
    assert code(opening_checks(replace(GUARDED, is_live=False, **changes))) is None


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"mode": None}, "HALTED"),
        ({"enabled": None}, "BOT_DISABLED"),
        ({"held": None}, "BROKER_UNREACHABLE"),
        ({"reconciled": None}, "RECONCILING"),
        ({"unfinished_opening": None}, "ORDER_UNCONFIRMED"),
        ({"unfinished_closing": None}, "ORDER_UNCONFIRMED"),
        ({"booked": None}, "POSITION_MISMATCH"),
        ({"months_agree": None}, "POSITION_MISMATCH"),
        ({"mismatch_open": None}, "POSITION_MISMATCH"),
        ({"ambiguity_open": None}, "AMBIGUOUS"),
        ({"delayed": None}, "DELAYED_DATA"),
        ({"age_s": None}, "TOO_OLD"),
        ({"clock": Limit(2)}, "CLOCK_OFF"),
        ({"statement_agrees": None}, "STATEMENT_DIFFERS"),
        ({"session_open": None}, "SESSION_CLOSED"),
        ({"contract_confirmed": None}, "CONTRACT_UNKNOWN"),
        ({"contract_is_front": None}, "CONTRACT_ROLLED"),
        ({"before_cutoff": None}, "ROLL_CUTOFF"),
        ({"contract_matches_chart": None}, "CONTRACT_MISMATCH"),
        ({"working": None}, "MAX_POSITION"),
        ({"exposure": Exposure(account_cap=3)}, "MAX_ACCOUNT_POSITION"),
        ({"exposure": Exposure(group_cap=3)}, "MAX_GROUP_POSITION"),
        ({"bot": usage(minute=(6, None))}, "TOO_MANY_ORDERS"),
        ({"account": usage(session=(12, None))}, "TOO_MANY_ORDERS"),
        ({"bot": usage(loss=(500, None))}, "DAILY_LOSS"),
        ({"account": usage(loss=(500, None))}, "DAILY_LOSS"),
        ({"account": Usage(loss=Limit(500, Decimal("NaN")))}, "DAILY_LOSS"),
        ({"drawdown": Limit(1000)}, "DRAWDOWN"),
        ({"bot": usage(losers=(4, None))}, "LOSING_STREAK"),
        ({"bot": usage(trades=(10, None))}, "TOO_MANY_TRADES"),
        ({"margin": margin(None)}, "MARGIN"),
        ({"margin": margin(1500, used=None)}, "MARGIN"),
        ({"margin": margin(1500, each=None)}, "MARGIN"),
        ({"has_stop_price": None}, "NO_STOP_PRICE"),
        ({"size": None}, "RISK_SIZE"),
        ({"is_live": None}, "DAILY_LOSS"),
    ],
)
def test_opening_is_refused_by_what_cannot_be_read(changes: dict[str, Any], code_: str) -> None:
    assert code(opening_checks(replace(ENTRY, **changes))) == code_


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
        {"delayed": True},
        {"limit": 0},
        {"is_live": True},
        {"clock": Limit(2, 9)},
        {"bot": UNREADABLE.bot, "account": UNREADABLE.account},
        {"drawdown": Limit(1000, 2000)},
        {"exposure": Exposure(account_cap=0, elsewhere=9, group_cap=0, in_group=(9, 9))},
        {"margin": margin(0)},
    ],
)
def test_closing_needs_only_trading_state_and_quantity(changes: dict[str, Any]) -> None:
    assert code(closing_checks(replace(EXIT, **changes))) is None


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"mode": "HALTED"}, "HALTED"),
        ({"mode": None}, "HALTED"),
        ({"held": None}, "BROKER_UNREACHABLE"),
        ({"unfinished_closing": True}, "ORDER_UNCONFIRMED"),
        ({"unfinished_closing": None}, "ORDER_UNCONFIRMED"),
        ({"order": -3}, "NOT_TOWARD_FLAT"),
        ({"order": 1}, "NOT_TOWARD_FLAT"),
        ({"order": 0}, "NOT_TOWARD_FLAT"),
        ({"held": 0, "order": -1}, "NOT_TOWARD_FLAT"),
        ({"held": 0, "order": 0}, "NOT_TOWARD_FLAT"),
        ({"held": -2, "order": 3}, "NOT_TOWARD_FLAT"),
        ({"held": -2, "order": -1}, "NOT_TOWARD_FLAT"),
    ],
)
def test_closing_against_a_rule_is_refused_with_its_code(changes: dict[str, Any], code_: str) -> None:
    assert code(closing_checks(replace(EXIT, **changes))) == code_


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
