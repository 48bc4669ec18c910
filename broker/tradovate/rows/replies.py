"""What commands answer. Their refusals never come this far: they are raised where the reply arrives."""

from dataclasses import dataclass

from broker.tradovate.rows.accounts import UserAccountAutoLiq
from broker.tradovate.rows.contracts import Contract, ProductFeeParams
from broker.tradovate.words import Reason


@dataclass(frozen=True)
class PlaceOrderResult:
    order_id: int
    failure_reason: Reason | None
    failure_text: str | None


@dataclass(frozen=True)
class PlaceOsoResult:
    """The ids of the entry and its legs; those of the legs have been seen to be left out."""

    order_id: int
    oso1_id: int | None
    oso2_id: int | None
    failure_reason: Reason | None
    failure_text: str | None


@dataclass(frozen=True)
class PlaceOcoResult:
    order_id: int
    oco_id: int
    failure_reason: Reason | None
    failure_text: str | None


@dataclass(frozen=True)
class CommandResult:
    command_id: int
    failure_reason: Reason | None
    failure_text: str | None


@dataclass(frozen=True)
class SimpleResponse:
    ok: bool
    error_text: str | None


@dataclass(frozen=True)
class RollContractResponse:
    contract: Contract
    error_text: str | None


@dataclass(frozen=True)
class ProductFeeParamsResponse:
    params: tuple[ProductFeeParams, ...]


@dataclass(frozen=True)
class UpdateUserAutoLiqResponse:
    """The account's levels, in one field or the other: that of the holder, or of one with a permission."""

    error_text: str | None
    user_account_auto_liq: UserAccountAutoLiq | None
    permissioned_account_auto_liq: UserAccountAutoLiq | None
