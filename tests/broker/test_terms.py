"""Which prices belong to which kind of order."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from broker.terms import AT_MARKET, PRICES_OF, OrderType, Terms, TimeInForce

PRICES = {"price": Decimal("6842.25"), "stop_price": Decimal("6840"), "trail": Decimal("-2.5")}
MOMENT = datetime(2026, 11, 24, 21, tzinfo=UTC)


@pytest.mark.parametrize("order_type", OrderType)
@pytest.mark.parametrize("given", list(product([True, False], repeat=3)))
def test_only_the_prices_of_a_type_make_terms(order_type: OrderType, given: tuple[bool, ...]) -> None:
    prices: dict[str, Any] = {
        name: PRICES[name] for name, is_given in zip(PRICES, given, strict=True) if is_given
    }

    if prices.keys() == PRICES_OF[order_type]:
        terms = Terms(order_type, **prices)
        assert {name: getattr(terms, name) for name in PRICES} == dict.fromkeys(PRICES) | prices
    else:
        with pytest.raises(ValueError, match=order_type):
            Terms(order_type, **prices)


def test_order_without_terms_is_at_market_for_the_session() -> None:
    assert Terms(OrderType.MARKET, None, None, None, TimeInForce.DAY, None) == AT_MARKET


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_price_that_is_no_number_makes_no_terms(price: str) -> None:
    with pytest.raises(ValueError, match="price is no number"):
        Terms(OrderType.LIMIT, price=Decimal(price))


@pytest.mark.parametrize("price", ["0", "-37.63"])
def test_price_may_be_negative(price: str) -> None:
    assert Terms(OrderType.LIMIT, price=Decimal(price)).price == Decimal(price)


@pytest.mark.parametrize(
    ("force", "expires_at"),
    [(TimeInForce.GTD, None), (TimeInForce.GTC, MOMENT), (TimeInForce.DAY, MOMENT)],
)
def test_moment_of_expiry_belongs_to_gtd_only(force: TimeInForce, expires_at: datetime | None) -> None:
    with pytest.raises(ValueError, match="GTD"):
        Terms(time_in_force=force, expires_at=expires_at)


def test_moment_of_expiry_has_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Terms(time_in_force=TimeInForce.GTD, expires_at=MOMENT.replace(tzinfo=None))
