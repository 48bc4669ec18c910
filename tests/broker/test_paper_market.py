from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from broker.paper.market import dates
from broker.paper.market.prices import Prices, parse_price
from broker.paper.market.products import Catalog
from broker.paper.records.tables import Tables


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T18:00:00+00:00")


def front_of(catalog: Catalog, root: str) -> list[str]:
    product = catalog.products.named(root)
    assert product
    return [
        catalog.contracts.of(maturity.id)[0].name
        for maturity in catalog.maturities.of(product.id)
        if maturity.is_front
    ]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-24T18:00:00Z", date(2026, 11, 24)),
        ("2026-11-24T22:59:59Z", date(2026, 11, 24)),
        ("2026-11-24T23:00:00Z", date(2026, 11, 25)),
        ("2026-07-14T22:00:00Z", date(2026, 7, 15)),
        ("2026-11-27T23:30:00Z", date(2026, 11, 30)),
        ("2026-11-28T12:00:00Z", date(2026, 11, 30)),
        ("2026-11-29T23:00:00Z", date(2026, 11, 30)),
    ],
)
def test_moment_belongs_to_the_session_that_opened_at_five_in_chicago(moment: str, expected: date) -> None:
    assert dates.trade_date(datetime.fromisoformat(moment)) == expected


@pytest.mark.parametrize(
    ("rule", "year", "month", "expected"),
    [
        (dates.third_friday, 2026, 12, date(2026, 12, 18)),
        (dates.third_friday, 2027, 3, date(2027, 3, 19)),
        (dates.third_friday, 2027, 6, date(2027, 6, 17)),
        (dates.crude_last_day, 2027, 1, date(2026, 12, 21)),
        (dates.crude_last_day, 2027, 2, date(2027, 1, 20)),
        (dates.micro_crude_last_day, 2027, 1, date(2026, 12, 18)),
        (dates.micro_crude_last_day, 2027, 2, date(2027, 1, 19)),
        (dates.gold_first_notice, 2026, 12, date(2026, 11, 30)),
        (dates.crude_first_notice, 2026, 12, date(2026, 11, 24)),
        (dates.gold_last_day, 2026, 12, date(2026, 12, 29)),
    ],
)
def test_contract_month_ends_on_the_day_the_exchange_published(
    rule: Callable[[int, int], date], year: int, month: int, expected: date
) -> None:
    assert rule(year, month) == expected


@pytest.mark.parametrize(
    "day", ["2026-01-01", "2026-04-03", "2026-11-26", "2026-12-25", "2027-01-18", "2027-06-18", "2027-07-05"]
)
def test_united_states_holiday_is_no_business_day(day: str) -> None:
    assert not dates.is_business_day(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("day", "root", "expected"),
    [
        ("2026-11-24", "MES", "MESZ6"),
        ("2026-12-11", "MES", "MESZ6"),
        ("2026-12-14", "MES", "MESH7"),
        ("2026-11-24", "MGC", "MGCG7"),
        ("2026-09-10", "GC", "GCZ6"),
        ("2026-11-24", "CL", "CLF7"),
        ("2026-12-15", "CL", "CLG7"),
        ("2029-12-20", "ES", "ESH0"),
    ],
)
def test_day_has_the_front_month_of_the_roll_rule(day: str, root: str, expected: str) -> None:
    assert front_of(Catalog(at(day)), root) == [expected]


@pytest.mark.parametrize("day", ["2026-11-24", "2026-12-18", "2027-02-26", "2027-06-17"])
def test_every_product_has_exactly_one_front_month_that_still_trades(day: str) -> None:
    catalog = Catalog(at(day))

    for product in catalog.products:
        [name] = front_of(catalog, product.name)
        contract = catalog.contracts.named(name)
        assert contract
        assert not catalog.is_expired(contract, at(day))


def test_catalog_refreshed_on_roll_day_moves_the_front_mark_and_keeps_ids() -> None:
    catalog = Catalog(at("2026-12-11"))
    before = catalog.contracts.named("MESH7")

    catalog.refresh(at("2026-12-14"))

    assert front_of(catalog, "MES") == ["MESH7"]
    assert catalog.contracts.named("MESH7") == before


def test_contract_has_the_same_ids_whatever_day_the_broker_starts() -> None:
    early, late = Catalog(at("2025-11-24")), Catalog(at("2026-11-24"))

    assert early.contracts.named("CLH7") == late.contracts.named("CLH7") is not None


def test_suggestions_are_living_contracts_nearest_first() -> None:
    catalog = Catalog(at("2026-12-21"))

    names = [contract.name for contract in catalog.suggest("MES", 2, at("2026-12-21"))]

    assert names == ["MESH7", "MESM7"]


def walk(seed: int, steps: int = 200) -> list[Decimal]:
    tables, catalog = Tables(), Catalog(at("2026-11-24"))
    prices = Prices(seed, catalog, tables.prices)
    contract = catalog.contracts.named("MCLF7")
    assert contract
    return [prices.trade(contract.id) for _ in range(steps)]


def test_walk_steps_at_most_two_ticks_and_moves_both_ways() -> None:
    prices = [Decimal("61.50"), *walk(seed=7)]

    steps = {after - before for before, after in pairwise(prices)}

    assert steps == {Decimal(hundredths) / 100 for hundredths in (-2, -1, 0, 1, 2)}


def test_walk_of_the_same_seed_repeats_and_of_another_differs() -> None:
    assert walk(seed=7) == walk(seed=7)
    assert walk(seed=7) != walk(seed=8)


@pytest.mark.parametrize(
    "text", [None, "", "abc", "NaN", "sNaN", "Infinity", "-1", "0", "1e40", "6842,25", "6842.25 "]
)
def test_odd_price_header_is_read_as_none_or_a_plain_price(text: str | None) -> None:
    assert parse_price(text) in (None, Decimal("6842.25"))


def test_price_header_is_read_exactly() -> None:
    assert parse_price("6842.25") == Decimal("6842.25")


def test_clock_in_utc_is_assumed_nowhere() -> None:
    chicago = datetime(2026, 11, 24, 17, 30, tzinfo=dates.CHICAGO)

    assert dates.trade_date(chicago) == dates.trade_date(chicago.astimezone(UTC)) == date(2026, 11, 25)
