"""What trading costs: fees per side and margin, per contract. Close to levels published in 2025."""

from dataclasses import dataclass
from decimal import Decimal

from broker.paper.market.products import USD
from broker.paper.records.rows import FillFee

ZERO = Decimal(0)
NFA_FEE = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Costs:
    """Dollars for one contract. Fees are due on each side; day margin is enough while the market is open."""

    clearing: Decimal
    exchange: Decimal
    commission: Decimal
    day_margin: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


def _costs(*dollars: str) -> Costs:
    return Costs(*map(Decimal, dollars))


COSTS = {
    "ES": _costs("0.19", "1.38", "1.29", "500", "23980", "21800"),
    "MES": _costs("0.09", "0.35", "0.39", "50", "2398", "2180"),
    "NQ": _costs("0.19", "1.38", "1.29", "1000", "35090", "31900"),
    "MNQ": _costs("0.09", "0.35", "0.39", "100", "3509", "3190"),
    "YM": _costs("0.19", "1.38", "1.29", "500", "14520", "13200"),
    "MYM": _costs("0.09", "0.35", "0.39", "50", "1452", "1320"),
    "RTY": _costs("0.19", "1.38", "1.29", "500", "9460", "8600"),
    "M2K": _costs("0.09", "0.35", "0.39", "50", "946", "860"),
    "CL": _costs("0.19", "1.50", "1.29", "1000", "6490", "5900"),
    "MCL": _costs("0.09", "0.50", "0.39", "100", "649", "590"),
    "GC": _costs("0.19", "1.60", "1.29", "1000", "22000", "20000"),
    "MGC": _costs("0.09", "0.60", "0.39", "100", "2200", "2000"),
}


def fill_fee(fill_id: int, root: str, quantity: int) -> FillFee:
    """Return the fees of a fill, all of its contracts together."""
    costs = COSTS[root]
    return FillFee(
        id=fill_id,
        clearing_fee=costs.clearing * quantity,
        clearing_currency_id=USD,
        exchange_fee=costs.exchange * quantity,
        exchange_currency_id=USD,
        nfa_fee=NFA_FEE * quantity,
        nfa_currency_id=USD,
        brokerage_fee=ZERO,
        brokerage_currency_id=USD,
        ip_fee=ZERO,
        ip_currency_id=USD,
        commission=costs.commission * quantity,
        commission_currency_id=USD,
        order_routing_fee=ZERO,
        order_routing_currency_id=USD,
    )


def total(fee: FillFee) -> Decimal:
    """Return what a fill cost in all."""
    return (
        fee.clearing_fee
        + fee.exchange_fee
        + fee.nfa_fee
        + fee.brokerage_fee
        + fee.ip_fee
        + fee.commission
        + fee.order_routing_fee
    )
