"""Every rule of the gate in three forms: facts that pass it, facts against it, facts that are not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from strategy.gate import CLOSING, OPENING, Exposure, Limit, Usage, closing_checks, opening_checks
from tests.strategy.facts import ENTRY, EXIT, GUARDED, UNREADABLE, code, margin, usage, verdict

type Changes = dict[str, Any]

# A live entry with its losses limited.
LIVE: Changes = {"is_live": True, "account": GUARDED.account, "drawdown": GUARDED.drawdown}
HELD: Changes = {"held": 1, "booked": 1}
TURN: Changes = {**HELD, "order": -2}
TWO: Changes = {"order": 2, "size": 2, "limit": 2}


@dataclass(frozen=True)
class Forms:
    """Changes to the facts of an order that passes. `named` is a graver rule that the unreadable meets."""

    passes: Sequence[Changes]
    refuses: Sequence[Changes]
    unreadable: Sequence[Changes]
    named: str = ""


def flag(name: str, good: bool) -> Forms:
    """Return the forms of a rule that asks one thing, answered by yes or no."""
    return Forms([{name: good}], [{name: not good}], [{name: None}])


OF_AN_OPENING: Mapping[str, Forms] = {
    "HALTED": Forms(
        [{"mode": "ACTIVE"}], [{"mode": "HALTED"}, {"mode": ""}, {"mode": "active"}], [{"mode": None}]
    ),
    "VERSION_MISMATCH": flag("versions_agree", good=True),
    "REDUCING": Forms([{"mode": "ACTIVE"}], [{"mode": "REDUCING"}], [{"mode": None}], named="HALTED"),
    "BOT_DISABLED": flag("enabled", good=True),
    "NOT_ARMED": flag("armed", good=True),
    # Only that it was read is asked here; what it is, is for the rules below.
    "BROKER_UNREACHABLE": Forms([{"held": 0}, TURN], [], [{"held": None}]),
    "RECONCILING": flag("reconciled", good=True),
    "ORDER_UNCONFIRMED": Forms(
        [{"unfinished_opening": False, "unfinished_closing": False}],
        [{"unfinished_opening": True}, {"unfinished_closing": True}],
        [{"unfinished_opening": None}, {"unfinished_closing": None}],
    ),
    "POSITION_MISMATCH": Forms(
        [TURN, {"held": -1, "booked": -1, "order": 2}],
        [{"booked": 1}, {"months_agree": False}, {"held": -1, "order": 2}, {"mismatch_open": True}],
        [{"booked": None}, {"months_agree": None}, {"mismatch_open": None}],
    ),
    "AMBIGUOUS": flag("ambiguity_open", good=False),
    "DELAYED_DATA": flag("delayed", good=False),
    "TOO_OLD": Forms(
        [{"age_s": 60}, {"age_s": 0}, {"age_s": 1e9, "max_age_s": 0}, {"age_s": None, "max_age_s": 0}],
        [{"age_s": 60.001}],
        [{"age_s": None}, {"age_s": "now"}],
    ),
    "CLOCK_OFF": Forms(
        [{"clock": Limit(2, 2)}, {"clock": Limit()}], [{"clock": Limit(2, 2.01)}], [{"clock": Limit(2)}]
    ),
    "ALERTS_SILENT": flag("alerts_alive", good=True),
    "STATEMENT_DIFFERS": flag("statement_agrees", good=True),
    "SESSION_CLOSED": flag("session_open", good=True),
    "FLAT_BY": flag("before_flat_by", good=True),
    "CALENDAR_UNCONFIRMED": flag("calendar_confirmed", good=True),
    "CONTRACT_UNKNOWN": flag("contract_confirmed", good=True),
    "CONTRACT_ROLLED": flag("contract_is_front", good=True),
    "ROLL_CUTOFF": flag("before_cutoff", good=True),
    "CONTRACT_MISMATCH": flag("contract_matches_chart", good=True),
    "NO_STOP_PRICE": flag("has_stop_price", good=True),
    "RISK_SIZE": Forms([{"size": 1}], [{"size": 0}], [{"size": None}]),
    "ORDER_SIZE": Forms(
        [{"order": -1}, TURN, {**TWO, "order": 1}, {"held": 5, "booked": 5, "order": -6}],
        [{"order": 0}, {"order": 2, "limit": 3}, {**HELD, "order": -3, "limit": 3}],
        [{"size": None}],
        named="RISK_SIZE",
    ),
    "MAX_POSITION": Forms(
        [TWO, {"limit": 3, "size": 3, "order": 3}, {**HELD, "limit": 3, "size": 2, "order": 2}],
        [
            {**TWO, "limit": 1},
            {**TWO, "order": -2, "limit": 1},
            {"limit": 0},
            {"held": 2, "booked": 2},
            {"working": 1},
        ],
        [{"working": None}],
    ),
    "MAX_ACCOUNT_POSITION": Forms(
        [{"exposure": Exposure(account_cap=3, elsewhere=2)}],
        [{"exposure": Exposure(account_cap=3, elsewhere=3)}],
        [{"exposure": Exposure(account_cap=3)}],
    ),
    "MAX_GROUP_POSITION": Forms(
        [
            {"exposure": Exposure(group_cap=3, in_group=(2, 2))},
            {"exposure": Exposure(group_cap=3, in_group=(-12, -12), weight=10)},
            {"exposure": Exposure(group_cap=3, in_group=(1, 1)), **TURN},
        ],
        [
            {"exposure": Exposure(group_cap=3, in_group=(3, 3))},
            {"exposure": Exposure(group_cap=3, in_group=(-4, -4), weight=10)},
            {"exposure": Exposure(group_cap=3, in_group=(-3, -3)), "order": -1},
        ],
        [{"exposure": Exposure(group_cap=3)}],
    ),
    "TOO_MANY_ORDERS": Forms(
        [{owner: usage(minute=(6, 5), day=(40, 39), session=(12, 11))} for owner in ("bot", "account")],
        [
            {"bot": usage(minute=(6, 6))},
            {"bot": usage(day=(40, 40))},
            {"bot": usage(session=(12, 12))},
            {"account": usage(minute=(6, 7))},
            {"account": usage(day=(40, 41))},
            {"account": usage(session=(0, 0))},
        ],
        [{"bot": usage(minute=(6, None))}, {"account": usage(session=(12, None))}],
    ),
    "DAILY_LOSS": Forms(
        [LIVE, {"bot": usage(loss=(500, 499.99))}, {"account": usage(loss=(500, 499.99))}],
        [
            {**LIVE, "account": Usage()},
            {"bot": usage(loss=(500, 500))},
            {"account": usage(loss=(500, 500.01))},
        ],
        [
            {"bot": usage(loss=(500, None))},
            {"account": usage(loss=(500, None))},
            {"account": Usage(loss=Limit(500, Decimal("NaN")))},
        ],
    ),
    "DRAWDOWN": Forms(
        [LIVE, {"drawdown": Limit(1000, Decimal("999.99"))}],
        [{**LIVE, "drawdown": Limit()}, {"drawdown": Limit(1000, 1000)}],
        [{"drawdown": Limit(1000)}],
    ),
    "LOSING_STREAK": Forms(
        [{"bot": usage(losers=(4, 3))}, {"account": usage(losers=(4, 3))}],
        [{"bot": usage(losers=(4, 4))}, {"account": usage(losers=(4, 5))}],
        [{"bot": usage(losers=(4, None))}],
    ),
    "TOO_MANY_TRADES": Forms(
        [{"bot": usage(trades=(10, 9))}, {"account": usage(trades=(10, 9))}],
        [{"bot": usage(trades=(10, 10))}, {"account": usage(trades=(10, 10))}],
        [{"bot": usage(trades=(10, None))}],
    ),
    "MARGIN": Forms(
        [
            {"margin": margin(1500)},
            {"margin": margin(1600, used=1000), **TURN},
            {"margin": margin(3000), **TWO},
        ],
        [
            {"margin": margin(1499)},
            {"margin": margin(3000, used=2000)},
            {"margin": margin(2999), **TWO},
            {"margin": margin(1499, used=1000), **TURN},
        ],
        [{"margin": margin(None)}, {"margin": margin(1500, used=None)}, {"margin": margin(1500, each=None)}],
    ),
    "PRICE_UNCHECKED": Forms([LIVE, TWO], [{**LIVE, **TWO}], [{"is_live": None}], named="DAILY_LOSS"),
}
OF_A_CLOSING: Mapping[str, Forms] = {
    "HALTED": Forms([{"mode": "REDUCING"}], [{"mode": "HALTED"}], [{"mode": None}]),
    "BROKER_UNREACHABLE": Forms([{"held": 2}], [], [{"held": None}]),
    "ORDER_UNCONFIRMED": Forms(
        [{"unfinished_opening": True}], [{"unfinished_closing": True}], [{"unfinished_closing": None}]
    ),
    "NOT_TOWARD_FLAT": Forms(
        [{"order": -1}, {"held": -2, "order": 2}, {"held": -2, "order": 1}],
        [
            {"order": -3},
            {"order": 1},
            {"order": 0},
            {"held": 0, "order": -1},
            {"held": 0, "order": 0},
            {"held": -2, "order": 3},
            {"held": -2, "order": -1},
        ],
        [{"held": None}],
        named="BROKER_UNREACHABLE",
    ),
}


def cases(table: Mapping[str, Forms], form: str) -> list[tuple[str, Changes]]:
    return [(rule, changes) for rule, forms in table.items() for changes in getattr(forms, form)]


def test_every_rule_has_its_forms() -> None:
    assert list(OF_AN_OPENING) == [rule.code for rule in OPENING]
    assert list(OF_A_CLOSING) == [rule.code for rule in CLOSING]
    for forms in (*OF_AN_OPENING.values(), *OF_A_CLOSING.values()):
        assert forms.passes
        assert forms.unreadable
    # Whether the position was read is all that its rule asks.
    without = {rule for table in (OF_AN_OPENING, OF_A_CLOSING) for rule in table if not table[rule].refuses}
    assert without == {"BROKER_UNREACHABLE"}


@pytest.mark.parametrize(("rule", "changes"), cases(OF_AN_OPENING, "passes"))
def test_opening_within_the_rule_passes(rule: str, changes: Changes) -> None:
    assert code(opening_checks(replace(ENTRY, **changes))) is None


@pytest.mark.parametrize(("rule", "changes"), cases(OF_AN_OPENING, "refuses"))
def test_opening_against_the_rule_is_refused_with_its_code(rule: str, changes: Changes) -> None:
    facts = replace(ENTRY, **changes)

    assert code(opening_checks(facts)) == rule
    assert verdict(facts, rule).breached


@pytest.mark.parametrize(("rule", "changes"), cases(OF_AN_OPENING, "unreadable"))
def test_opening_is_refused_by_what_cannot_be_read(rule: str, changes: Changes) -> None:
    facts = replace(ENTRY, **changes)

    assert code(opening_checks(facts)) == (OF_AN_OPENING[rule].named or rule)
    assert not verdict(facts, rule).passed
    # Halted is what a trading state counts as that cannot be read; nothing else is taken for a breach.
    assert verdict(facts, rule).unread is (rule not in {"HALTED", "REDUCING"})


OF_AN_OPENING_ALONE = {rule: forms for rule, forms in OF_AN_OPENING.items() if rule not in OF_A_CLOSING}


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        *cases(OF_AN_OPENING_ALONE, "refuses"),
        # A trading state that was not read is no mere REDUCING: it stops exits too.
        *(case for case in cases(OF_AN_OPENING_ALONE, "unreadable") if case[0] != "REDUCING"),
    ],
)
def test_exit_does_not_stop_where_an_opening_does(rule: str, changes: Changes) -> None:
    spoilt = {name: value for name, value in changes.items() if name not in {"held", "order"}}

    assert code(closing_checks(replace(EXIT, **spoilt))) is None


def test_exit_needs_nothing_but_trading_state_position_and_earlier_closings() -> None:
    facts = replace(UNREADABLE, mode="REDUCING", held=2, order=-2, unfinished_closing=False)

    assert code(closing_checks(facts)) is None


@pytest.mark.parametrize(("rule", "changes"), cases(OF_A_CLOSING, "passes"))
def test_closing_within_the_rule_passes(rule: str, changes: Changes) -> None:
    assert code(closing_checks(replace(EXIT, **changes))) is None


@pytest.mark.parametrize(("rule", "changes"), cases(OF_A_CLOSING, "refuses"))
def test_closing_against_the_rule_is_refused_with_its_code(rule: str, changes: Changes) -> None:
    assert code(closing_checks(replace(EXIT, **changes))) == rule


@pytest.mark.parametrize(("rule", "changes"), cases(OF_A_CLOSING, "unreadable"))
def test_closing_is_refused_by_what_cannot_be_read(rule: str, changes: Changes) -> None:
    assert code(closing_checks(replace(EXIT, **changes))) == (OF_A_CLOSING[rule].named or rule)
