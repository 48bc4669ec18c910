from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from broker.base import BrokerContract
from strategy import gate, sizing, symbols
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
from tradedesk.services import cash, trips
from tradedesk.services.arming import is_armed
from tradedesk.services.calendars import market_of
from tradedesk.services.desk import Desk
from tradedesk.services.exposure import exposure_of
from tradedesk.services.positions import BrokerView, before_cutoff, terms_agree
from tradedesk.services.records import Records
from tradedesk.services.signals import DELAYED_SUFFIXES, event_of
from tradedesk.services.usage import usage_of
from tradedesk.stores.positions import Snapshot

MISMATCHES = {IncidentKind.POSITION_MISMATCH, IncidentKind.FOREIGN_ORDER, IncidentKind.FOREIGN_POSITION}


@dataclass(frozen=True)
class Choice:
    """What a decision says, what the bot remembers of it, and the signed contracts to trade for it.

    `trip` is the verdict that halts the bot once the decision is written.
    """

    reason: Reason
    memory: Memory | None = None
    action: Action = Action.NONE
    quantity: int = 0
    contract: str = ""
    purpose: OrderPurpose = OrderPurpose.CLOSE
    detail: dict[str, Any] = field(default_factory=dict)
    trip: gate.Check | None = None


def choose(
    alert: Alert, bot: Bot, memory: Memory, snapshot: Snapshot, view: BrokerView | None, facts: gate.Facts
) -> Choice:
    """Return what to do about a target that is not held: the whole move, its closing half, or nothing.

    Sized from what the broker holds, never from what the desk remembers.
    """
    target, held = fold(memory).position, view.quantity if view else 0
    quantity = sizing.order_quantity(held, target, bot.size)
    reason = reason_for(snapshot, memory, event_of(alert, bot.strategy))
    if view is not None and quantity == 0:
        figures = f"broker holds {held}, booked {snapshot.quantity}"
        code = reason if held == snapshot.quantity else Reason.POSITION_MISMATCH
        if code is Reason.POSITION_MISMATCH and target is not Direction.NONE:
            memory = stood_down(memory, alert, code)
        return Choice(code, memory, detail={"figures": figures})
    if target is Direction.NONE:
        return _close(view, facts, memory, reason, {})
    checks = gate.opening_checks(replace(facts, order=quantity))
    refusal = gate.refusal(checks)
    if refusal is None and view is not None and view.to_trade is not None:
        action = action_for(cause(memory), Direction.of(held), target)
        purpose = OrderPurpose.REVERSE if held else OrderPurpose.OPEN
        passed = {"rules": _as_rows(checks)}
        return Choice(reason, memory, action, quantity, view.to_trade.name, purpose, passed)
    code = Reason(refusal.code) if refusal else Reason.CONTRACT_UNKNOWN
    figures = refusal.figures if refusal else "no contract to trade"
    detail = {"figures": figures, "rules": _as_rows(checks)}
    memory = stood_down(memory, alert, code)
    choice = _close(view, facts, memory, code, detail) if held else Choice(code, memory, detail=detail)
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
    reconciled_at = bot.account.reconciled_at
    chart = symbols.contract_name(alert.contract or alert.symbol, now.date()) if alert else None
    market = market_of(bot, now)
    return gate.Facts(
        mode=records.mode,
        enabled=bot.enabled and bot.account.enabled,
        armed=is_armed(bot.account, now),
        held=view.quantity if view else None,
        booked=snapshot.quantity,
        order=0,
        size=bot.size,
        limit=bot.position_limit,
        age_s=None if opening is None else round((now - opening.fired_at).total_seconds(), 3),
        max_age_s=desk.max_alert_age_s,
        reconciled=reconciled_at is not None and reconciled_at >= desk.reconciled_since(now),
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
    newest = newest_event(memory)
    if newest is None:
        return memory
    # One alert may answer twice: its closing half may fill after a later event wanted to stay.
    key = f"stand-down|{alert.id}|{newest.key}"
    entry = StandDown(key, newest.effective_at, newest.indicator, code.value)
    return replace(memory, entries=memory_of((*memory.entries, entry)).entries)


def _close(
    view: BrokerView | None, facts: gate.Facts, memory: Memory, reason: Reason, detail: dict[str, Any]
) -> Choice:
    largest = view.largest() if view else None
    quantity = -largest.quantity if largest else 0
    checks = gate.closing_checks(replace(facts, order=quantity))
    refusal = gate.refusal(checks)
    detail = {**detail, "closing_rules" if "rules" in detail else "rules": _as_rows(checks)}
    if refusal is not None:
        return Choice(Reason(refusal.code), memory, detail={**detail, "figures": refusal.figures})
    contract = largest.contract.name if largest else ""
    return Choice(reason, memory, Action.EXIT, quantity, contract, OrderPurpose.CLOSE, detail)


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
