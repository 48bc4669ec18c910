from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from broker.base import BrokerContract
from strategy import gate, sizing, symbols
from strategy.brackets import Bracket
from strategy.machine import (
    action_for,
    cause,
    contradictions,
    explain_no_change,
    fold,
    memory_of,
    newest_event,
)
from strategy.trend_filter import filtered
from strategy.types import Action, Color, Direction, Event, Indicator, Memory, NoChange, StandDown
from tradedesk.models import Alert, Bot, Environment, IncidentKind, OrderPurpose, Reason
from tradedesk.services.alerts.signals import DELAYED_SUFFIXES, event_of
from tradedesk.services.contracts import cash
from tradedesk.services.contracts.calendars import market_of
from tradedesk.services.desk import Desk
from tradedesk.services.halting import trips
from tradedesk.services.halting.arming import is_armed
from tradedesk.services.order_path import brackets
from tradedesk.services.order_path.exposure import exposure_of
from tradedesk.services.order_path.positions import BrokerView, Holding, before_cutoff, terms_agree
from tradedesk.services.order_path.records import Records
from tradedesk.services.order_path.usage import usage_of
from tradedesk.stores.positions import Snapshot

MISMATCHES = {IncidentKind.POSITION_MISMATCH, IncidentKind.FOREIGN_ORDER, IncidentKind.FOREIGN_POSITION}


@dataclass(frozen=True)
class Choice:
    """What a decision says, what the bot remembers of it, and the signed contracts to trade for it.

    `bracket` has the prices of the stop, and of the target if one is wanted, that go with an opening; None
    without a stop. `others` is what to close in further months. `trip` is the verdict that halts the bot once
    the decision is written.
    """

    reason: Reason
    memory: Memory | None = None
    action: Action = Action.NONE
    quantity: int = 0
    contract: str = ""
    purpose: OrderPurpose = OrderPurpose.CLOSE
    detail: dict[str, Any] = field(default_factory=dict)
    bracket: Bracket | None = None
    others: tuple[Holding, ...] = ()
    trip: gate.Check | None = None


def choose(
    alert: Alert, bot: Bot, memory: Memory, snapshot: Snapshot, view: BrokerView | None, facts: gate.Facts
) -> Choice:
    """Return what to do about a target that is not held: the whole move, its closing half, or nothing.

    Sized from what the broker holds, never from what the desk remembers.
    """
    target, held = fold(memory).position, view.quantity if view else 0
    # A size that is not known, or none, is refused below; the closing half does not depend on it.
    quantity = sizing.order_quantity(held, target, facts.size or 1)
    reason = reason_for(snapshot, memory, event_of(alert, bot.strategy))
    if view is not None and view.is_at(target):
        figures = f"broker holds {held}, booked {snapshot.quantity}"
        agrees = view.agrees_with(snapshot.quantity, snapshot.contract)
        code = reason if agrees else Reason.POSITION_MISMATCH
        if code is Reason.POSITION_MISMATCH and target is not Direction.NONE:
            memory = stood_down(memory, alert, code)
        return Choice(code, memory, detail={"figures": figures})
    if target is Direction.NONE:
        # Whatever the event says of the trend, it is not why a position goes that had no place before it.
        was_left = snapshot.state.position is Direction.NONE
        return _close(view, facts, memory, Reason.POSITION_LEFT if was_left else reason, {}, target)
    checks = gate.opening_checks(replace(facts, order=quantity))
    refusal = gate.refusal(checks)
    if refusal is None and view is not None and view.to_trade is not None:
        action = action_for(cause(memory), Direction.of(held), target)
        purpose = OrderPurpose.REVERSE if held else OrderPurpose.OPEN
        passed = {"rules": _as_rows(checks)}
        prices = brackets.bracket_of(bot, alert.close, target)
        return Choice(reason, memory, action, quantity, view.to_trade.name, purpose, passed, prices)
    code = Reason(refusal.code) if refusal else Reason.CONTRACT_UNKNOWN
    figures = refusal.figures if refusal else "no contract to trade"
    detail = {"figures": figures, "rules": _as_rows(checks)}
    memory = stood_down(memory, alert, code)
    choice = Choice(code, memory, detail=detail)
    if view is not None and view.against(target):
        choice = _close(view, facts, memory, code, detail, target)
    return replace(choice, trip=refusal if refusal and trips.halts(refusal) else None)


def facts_for(
    desk: Desk,
    alert: Alert | None,
    bot: Bot,
    snapshot: Snapshot,
    memory: Memory,
    view: BrokerView | None,
    records: Records,
    now: datetime,
) -> gate.Facts:
    """Return what the gate looks at; `order` is left 0 for the caller to fill in.

    Without an alert a person asked: there is no chart to compare with.
    """
    opening, contract = cause(memory), view.to_trade if view else None
    account, money = bot.account, cash.kept(bot.account, now)
    used, used_of_account = usage_of(bot, money.loss, now)
    offset_s = view.clock_offset_s if view else None
    chart = symbols.contract_name(alert.contract or alert.symbol, now.date()) if alert else None
    market = market_of(bot, now)
    return gate.Facts(
        mode=records.mode,
        enabled=bot.enabled and bot.account.enabled,
        armed=is_armed(bot.account, now),
        held=view.quantity if view else None,
        booked=snapshot.quantity,
        months_agree=view.agrees_with(snapshot.quantity, snapshot.contract) if view else None,
        order=0,
        size=_size(bot, money),
        limit=bot.position_limit,
        age_s=None if opening is None else round((now - opening.fired_at).total_seconds(), 3),
        max_age_s=desk.max_alert_age_s,
        reconciled=desk.is_reconciled(account),
        unfinished_opening=any(order.purpose == OrderPurpose.OPEN for order in records.unfinished),
        unfinished_closing=any(order.purpose != OrderPurpose.OPEN for order in records.unfinished),
        mismatch_open=any(kind in MISMATCHES for kind in records.open_kinds),
        ambiguity_open=IncidentKind.AMBIGUOUS_EVENTS in records.open_kinds
        or (alert is not None and event_of(alert, bot.strategy) in contradictions(memory)),
        alerts_alive=IncidentKind.HEARTBEAT_MISSED not in records.open_kinds,
        statement_agrees=IncidentKind.STATEMENT_DIFFERS not in records.open_kinds,
        versions_agree=IncidentKind.VERSION_MISMATCH not in records.open_kinds,
        session_open=market.is_open,
        before_flat_by=market.before_flat_by,
        calendar_confirmed=market.calendar_confirmed,
        contract_confirmed=contract is not None and terms_agree(bot.instrument, contract),
        contract_is_front=contract is not None and _holds_only(view, contract),
        before_cutoff=contract is not None and before_cutoff(bot.instrument, contract, now),
        contract_matches_chart=chart is None or (contract is not None and chart == contract.name),
        delayed=_is_delayed(alert),
        is_live=bot.account.environment == Environment.LIVE,
        has_stop_price=not bot.has_stop or alert is None or _has_stop_price(bot, alert, memory),
        working=sum(order.signed_remainder for order in records.unfinished),
        clock=gate.Limit(account.max_clock_offset_s, None if offset_s is None else abs(offset_s)),
        bot=used,
        account=used_of_account,
        drawdown=gate.Limit(account.drawdown, money.fall),
        exposure=exposure_of(desk, bot, view),
        margin=gate.Margin(
            account.margin_factor, money.net_liquidation, money.margin_used, bot.instrument.initial_margin
        ),
    )


def reason_for(snapshot: Snapshot, memory: Memory, event: Event) -> Reason:
    """Return why the event moved the target, or why it did not."""
    before, after = snapshot.state, fold(memory)
    if filtered(memory) == event:
        return Reason.TREND_FILTER
    if before.position is not after.position:
        # A colour of the filter that came late moves what an event of the trend or of DI called for.
        mover = cause(memory) if event.indicator is Indicator.FILTER else event
        return _trigger(mover) if mover else Reason.TREND_FILTER
    no_change = explain_no_change(before, event, after)
    if no_change is NoChange.LATE_NO_EFFECT and after.position is not snapshot.held:
        return _trigger(event)
    return Reason(no_change.value)


def stood_down(memory: Memory, alert: Alert, code: Reason) -> Memory:
    """Return the memory after an opening that will not happen: flat until the next colour change."""
    return stood_down_by(memory, f"stand-down|{alert.id}", code)


def stood_down_by(memory: Memory, key: str, code: Reason) -> Memory:
    """Return the memory after something ended the position or its opening, told apart by `key`."""
    newest = newest_event(memory)
    if newest is None:
        return memory
    # One alert may answer twice: its closing half may fill after a later event wanted to stay.
    entry = StandDown(f"{key}|{newest.key}", newest.effective_at, newest.indicator, code.value)
    return replace(memory, entries=memory_of((*memory.entries, entry)).entries)


def _has_stop_price(bot: Bot, alert: Alert, memory: Memory) -> bool:
    """Tell whether the stop of an opening has a price; a flat target needs none."""
    target = fold(memory).position
    return target is Direction.NONE or brackets.bracket_of(bot, alert.close, target) is not None


def _size(bot: Bot, money: cash.Kept) -> int | None:
    """Return the contracts of an opening, None where its risk rules them and cannot be reckoned."""
    if bot.risk_percent is None:
        return bot.size
    if bot.stop_points is None or money.net_liquidation is None:
        return None
    most = sizing.contracts_at_risk(
        money.net_liquidation, bot.risk_percent, bot.stop_points, bot.instrument.point_value
    )
    return min(most, bot.position_limit)


def _close(
    view: BrokerView | None,
    facts: gate.Facts,
    memory: Memory,
    reason: Reason,
    detail: dict[str, Any],
    target: Direction,
) -> Choice:
    """Return the closing of every month that is held against the target, the largest first."""
    months = view.against(target) if view else []
    if months:
        facts = replace(facts, held=months[0].quantity, order=-months[0].quantity)
    checks = gate.closing_checks(facts)
    refusal = gate.refusal(checks)
    detail = {**detail, "closing_rules" if "rules" in detail else "rules": _as_rows(checks)}
    if refusal is not None:
        return Choice(Reason(refusal.code), memory, detail={**detail, "figures": refusal.figures})
    first, *others = months
    quantity, contract = -first.quantity, first.contract.name
    purpose = OrderPurpose.CLOSE
    return Choice(reason, memory, Action.EXIT, quantity, contract, purpose, detail, others=tuple(others))


def _as_rows(checks: Sequence[gate.Check]) -> list[list[Any]]:
    """Return the verdicts as a decision keeps them: code, number, whether it passed, figures."""
    return [[check.code, check.number, check.passed, check.figures] for check in checks]


def _is_delayed(alert: Alert | None) -> bool | None:
    if alert is None:
        return False
    return alert.exchange.endswith(DELAYED_SUFFIXES) if alert.exchange else None


def _trigger(event: Event) -> Reason:
    prefix = "TREND" if isinstance(event.value, Color) else "DI"
    return Reason(f"{prefix}_{event.value.value}")


def _holds_only(view: BrokerView | None, contract: BrokerContract) -> bool:
    """Tell whether nothing is held in any month but this one."""
    return view is not None and all(holding.contract.id == contract.id for holding in view.holdings)
