"""Orders joined from the rows over which Tradovate spreads them. This is the only place that does it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from broker.base import BrokerFill, BrokerOrderStatus
from broker.orders import BrokerOrder, CommandOutcome, CommandState
from broker.tradovate import views
from broker.tradovate.rows.orders import Command, CommandReport, Fill, Order, OrderVersion
from broker.tradovate.words import CommandStatus, CommandType, OrdStatus

_IN_FORCE = frozenset({CommandStatus.AT_EXECUTION, CommandStatus.ON_HOLD, CommandStatus.EXECUTION_SUSPENDED})
_REJECTED = frozenset({CommandStatus.RISK_REJECTED, CommandStatus.EXECUTION_REJECTED})
# `ExecutionStopped` is in neither: the document does not say what has been done by then.
_DONE = _IN_FORCE | {CommandStatus.REPLACED}
_PENDING = frozenset({CommandStatus.PENDING, CommandStatus.PENDING_EXECUTION, CommandStatus.RISK_PASSED})


class _Row(Protocol):
    @property
    def id(self) -> int: ...


class _Dated(_Row, Protocol):
    @property
    def timestamp(self) -> datetime: ...


def join_orders(
    orders: Iterable[Order],
    *,
    versions: Iterable[OrderVersion],
    commands: Iterable[Command],
    reports: Iterable[CommandReport],
    fills: Iterable[Fill],
) -> list[BrokerOrder]:
    """Return each order with its terms, fills and reason, oldest first.

    The rows may be of any number of orders, in any order, each once or more often.
    """
    commands_of = _grouped(commands, lambda command: command.order_id)
    fills_of = _grouped(fills, lambda fill: fill.order_id)
    reports_of = _grouped(reports, lambda report: report.command_id)
    version_of = {version.id: version for version in versions}
    oldest_first = sorted(_distinct(orders), key=_age)
    return [
        _join(order, commands_of.get(order.id, ()), version_of, reports_of, fills_of.get(order.id, ()))
        for order in oldest_first
    ]


def making_commands(orders: Iterable[Order], commands: Iterable[Command]) -> list[int]:
    """Return the ids of the commands that made these orders: their reports have the reasons of refusals."""
    ids = {order.id for order in orders}
    made = {command.id for command in commands if command.order_id in ids and _is_new(command)}
    # The command that makes an order has the order's id.
    return sorted(ids | made)


def command_outcome(command: Command, reports: Iterable[CommandReport]) -> CommandOutcome:
    """Return what became of a command: its own word and those of its reports, a refusal first."""
    own = [report for report in reports if report.command_id == command.id]
    words = {command.command_status, *(report.command_status for report in own)}
    if words & _REJECTED:
        return CommandOutcome(CommandState.REJECTED, views.reject_reason(own))
    if words & _DONE:
        return CommandOutcome(CommandState.DONE)
    return CommandOutcome(CommandState.PENDING if words <= _PENDING else CommandState.UNKNOWN)


def _join(
    order: Order,
    commands: Sequence[Command],
    version_of: Mapping[int, OrderVersion],
    reports_of: Mapping[int, Sequence[CommandReport]],
    fill_rows: Sequence[Fill],
) -> BrokerOrder:
    fills = views.fills(fill_rows)
    version = _in_force(order, commands, version_of)
    quantity = version.order_qty if version else None
    status = _status(order, quantity, fills)
    makers = making_commands([order], commands) if status is BrokerOrderStatus.REJECTED else ()
    return BrokerOrder(
        id=order.id,
        account_id=order.account_id,
        contract_id=order.contract_id,
        side=views.side(order.action),
        status=status,
        created_at=order.timestamp,
        quantity=quantity,
        terms=views.terms(version) if version else None,
        client_order_id=_client_order_id(order, commands, version_of),
        fills=fills,
        reject_reason=views.reject_reason(report for id_ in makers for report in reports_of.get(id_, ())),
        parent_id=order.parent_id,
        oco_id=order.oco_id,
        linked_id=order.linked_id,
    )


def _in_force(
    order: Order, commands: Sequence[Command], version_of: Mapping[int, OrderVersion]
) -> OrderVersion | None:
    """Return the version made by the last command that made the order or that changed it with success."""
    changes = [command for command in commands if _is_new(command) or _is_change(command)]
    last = max(changes, key=_age, default=None)
    return version_of.get(last.id if last else order.id)


def _client_order_id(
    order: Order, commands: Sequence[Command], version_of: Mapping[int, OrderVersion]
) -> str:
    """Return our id of the command that made the order, else the text of its version, else nothing."""
    first = min(filter(_is_new, commands), key=_age, default=None)
    if first and first.cl_ord_id:
        return first.cl_ord_id
    version = version_of.get(first.id if first else order.id)
    return (version.text if version else None) or ""


def _status(order: Order, quantity: int | None, fills: Sequence[BrokerFill]) -> BrokerOrderStatus:
    # The word says only that the order is over; the fills can prove that it is filled.
    if order.ord_status is OrdStatus.COMPLETED and quantity == sum(fill.quantity for fill in fills):
        return BrokerOrderStatus.FILLED
    return views.status(order.ord_status)


def _age(row: _Dated) -> tuple[datetime, int]:
    return row.timestamp, row.id


def _is_new(command: Command) -> bool:
    return command.command_type is CommandType.NEW


def _is_change(command: Command) -> bool:
    return command.command_type is CommandType.MODIFY and command.command_status in _IN_FORCE


def _distinct[R: _Row](rows: Iterable[R]) -> Iterable[R]:
    return {row.id: row for row in rows}.values()


def _grouped[R: _Row](rows: Iterable[R], master: Callable[[R], int]) -> Mapping[int, Sequence[R]]:
    """Return the distinct rows of each master."""
    groups: defaultdict[int, list[R]] = defaultdict(list)
    for row in _distinct(rows):
        groups[master(row)].append(row)
    return groups
