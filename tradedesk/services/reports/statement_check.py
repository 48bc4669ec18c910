from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from broker.base import BrokerFill
from tradedesk.models import Account, Fill, Instrument
from tradedesk.services.contracts.terms import read_costs
from tradedesk.services.desk import Desk, Link
from tradedesk.services.order_path import positions

CENT = Decimal("0.01")
WITHIN_S = 10.0


@dataclass(frozen=True)
class Compared:
    """How own fills and the broker's list differ, in sentences, and the broker's fees in dollars.

    `cash` is the broker's cash if the account is flat: from there the next comparison goes on.
    """

    differences: list[str]
    fees: Decimal
    cash: Decimal | None


def compare(desk: Desk, account: Account, start: datetime, end: datetime) -> Compared:
    """Compare an account's own fills from `start` until before `end` with the broker's, and its cash.

    Ids, months, sides, quantities and prices are the same or they differ; fees and cash agree to the cent.
    Cash is compared between two moments at which the account is flat: then it has moved by what the fills
    brought, less their fees, however the broker pairs them. Raises BrokerError.
    """
    deadline = desk.deadline(WITHIN_S)
    link = desk.link(account, timeout_s=deadline.left_s())
    listed = link.broker.account_fills(link.account.id, timeout_s=deadline.left_s())
    theirs = [fill for fill in listed if start <= fill.filled_at < end]
    ours = list(
        Fill.objects.filter(account=account, filled_at__gte=start, filled_at__lt=end).order_by(
            "broker_fill_id"
        )
    )
    read_costs(link, {root_of(fill.contract) for fill in ours})
    costs = link.broker.fill_costs([fill.id for fill in theirs], timeout_s=deadline.left_s())
    names = {
        number: link.broker.contract_by_id(number, timeout_s=deadline.left_s()).name
        for number in {fill.contract_id for fill in theirs}
    }
    differences = [*_fills(ours, theirs, names), *_fees(ours, costs)]
    fees = sum(costs.values(), Decimal())
    if positions.open_positions(link, deadline):
        return Compared(differences, fees, None)
    cash = link.broker.cash(link.account.id, timeout_s=deadline.left_s()).net_liq
    if cash is None:
        return Compared([*differences, "The broker does not tell the account's cash."], fees, None)
    return Compared([*differences, *_cash(link, account, cash)], fees, _to_the_cent(cash))


def _fills(ours: Sequence[Fill], theirs: Sequence[BrokerFill], names: Mapping[int, str]) -> Iterable[str]:
    own = {fill.broker_fill_id: _words(fill.side, fill.quantity, fill.contract, fill.price) for fill in ours}
    told = {
        fill.id: _words(fill.side.value, fill.quantity, names[fill.contract_id], fill.price)
        for fill in theirs
    }
    for number in sorted(own.keys() | told.keys()):
        if own.get(number) != told.get(number):
            yield f"Fill {number}: here {own.get(number, 'none')}, at the broker {told.get(number, 'none')}."


def _words(side: str, quantity: int, contract: str, price: Decimal) -> str:
    return f"{side} {quantity} {contract} at {price.normalize():f}"


def _fees(ours: Sequence[Fill], costs: Mapping[int, Decimal]) -> Iterable[str]:
    each = _by_root("fee")
    for fill in ours:
        fee, told = each.get(root_of(fill.contract)), costs.get(fill.broker_fill_id)
        expected = None if fee is None else _to_the_cent(fee * fill.quantity)
        if expected is None or told is None or expected != _to_the_cent(told):
            figures = f"here {_dollars(expected)}, at the broker {_dollars(told)}"
            yield f"Fee of fill {fill.broker_fill_id}: {figures}."


def _cash(link: Link, account: Account, cash: Decimal) -> Iterable[str]:
    """Yield how the cash differs from what it was at the last comparison, moved by the fills since then."""
    if account.statement_cash is None or account.statement_at is None:
        return
    fills = list(Fill.objects.filter(account=account, filled_at__gte=account.statement_at))
    ids = [fill.broker_fill_id for fill in fills]
    costs = link.broker.fill_costs(ids, timeout_s=WITHIN_S) if ids else {}
    values = _by_root("point_value")
    brought = [
        -fill.signed_quantity * fill.price * value - costs[fill.broker_fill_id]
        for fill in fills
        if (value := values.get(root_of(fill.contract))) is not None and fill.broker_fill_id in costs
    ]
    expected = _to_the_cent(account.statement_cash + sum(brought, Decimal()))
    if len(brought) < len(fills):
        yield "Cash: the fees or the point value of a fill are not known."
    elif expected != _to_the_cent(cash):
        yield f"Cash: here {_dollars(expected)}, at the broker {_dollars(cash)}."


def root_of(contract: str) -> str:
    """Return the root of a contract's name: what stands before the letter of the month and the year."""
    return contract.rstrip("0123456789")[:-1]


def _by_root(name: str) -> dict[str, Decimal]:
    return {root: value for root, value in Instrument.objects.values_list("root", name) if value is not None}


def _to_the_cent(dollars: Decimal) -> Decimal:
    return dollars.quantize(CENT, ROUND_HALF_EVEN)


def _dollars(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"{amount:,.2f} USD"
