"""What can be traded: the product table and, for a given day, its contract months."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from broker.paper.market import dates
from broker.paper.records.catalog_rows import (
    Contract,
    ContractGroup,
    ContractMaturity,
    Currency,
    Exchange,
    Product,
    ProductSession,
)
from broker.paper.records.tables import Table

MONTH_LETTERS = "FGHJKMNQUVXZ"
MONTHS_BACK, MONTHS_AHEAD = 24, 24
# Volume leaves crude and gold some days before the last day or first notice; the desk stops opening 5 before.
ROLL_BUSINESS_DAYS = 5
USD = 1


@dataclass(frozen=True, slots=True)
class Family:
    """Rules that products share: which months exist, which become front, and when one ends."""

    months: str
    front_months: str
    last_day: Callable[[int, int], date]
    roll_day: Callable[[int, int], date]
    ends_at: time
    first_notice: Callable[[int, int], date] | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """One line of the product table. `base_price` is where the walk starts."""

    root: str
    description: str
    exchange_id: int
    family: Family
    tick: Decimal
    point_value: Decimal
    base_price: Decimal


def _index_roll(year: int, month: int) -> date:
    return dates.monday_of(dates.third_friday(year, month))


def _crude_roll(year: int, month: int) -> date:
    return dates.business_days_before(dates.crude_last_day(year, month), ROLL_BUSINESS_DAYS)


def _micro_crude_roll(year: int, month: int) -> date:
    return dates.business_days_before(dates.micro_crude_last_day(year, month), ROLL_BUSINESS_DAYS)


def _gold_roll(year: int, month: int) -> date:
    return dates.business_days_before(dates.gold_first_notice(year, month), ROLL_BUSINESS_DAYS)


INDEX = Family("HMUZ", "HMUZ", dates.third_friday, _index_roll, time(8, 30))
CRUDE = Family(
    MONTH_LETTERS,
    MONTH_LETTERS,
    dates.crude_last_day,
    _crude_roll,
    time(13, 30),
    dates.crude_first_notice,
)
MICRO_CRUDE = Family(
    MONTH_LETTERS, MONTH_LETTERS, dates.micro_crude_last_day, _micro_crude_roll, time(13, 30)
)
GOLD = Family("GJMQVZ", "GJMQZ", dates.gold_last_day, _gold_roll, time(12, 30), dates.gold_first_notice)
EXCHANGES = ("CME", "CBOT", "NYMEX", "COMEX")
CME, CBOT, NYMEX, COMEX = 1, 2, 3, 4
SESSION_HOURS = (time(17, 0), time(17, 0), time(16, 0), time(16, 0), time(17, 0))


def _terms(root: str, description: str, venue: tuple[int, Family], numbers: tuple[str, str, str]) -> Terms:
    tick, point_value, base_price = map(Decimal, numbers)
    return Terms(root, description, *venue, tick, point_value, base_price)


# A product's place in this list makes its ids: append, never reorder.
PRODUCTS = (
    _terms("ES", "E-Mini S&P 500", (CME, INDEX), ("0.25", "50", "6840.00")),
    _terms("MES", "Micro E-mini S&P 500", (CME, INDEX), ("0.25", "5", "6840.00")),
    _terms("NQ", "E-mini NASDAQ-100", (CME, INDEX), ("0.25", "20", "24800.00")),
    _terms("MNQ", "Micro E-mini NASDAQ-100", (CME, INDEX), ("0.25", "2", "24800.00")),
    _terms("YM", "E-mini Dow", (CBOT, INDEX), ("1", "5", "46500")),
    _terms("MYM", "Micro E-mini Dow", (CBOT, INDEX), ("1", "0.5", "46500")),
    _terms("RTY", "E-mini Russell 2000", (CME, INDEX), ("0.1", "50", "2450.0")),
    _terms("M2K", "Micro E-mini Russell 2000", (CME, INDEX), ("0.1", "5", "2450.0")),
    _terms("CL", "Crude Oil", (NYMEX, CRUDE), ("0.01", "1000", "61.50")),
    _terms("MCL", "Micro WTI Crude Oil", (NYMEX, MICRO_CRUDE), ("0.01", "100", "61.50")),
    _terms("GC", "Gold", (COMEX, GOLD), ("0.1", "100", "4080.0")),
    _terms("MGC", "E-Micro Gold", (COMEX, GOLD), ("0.1", "10", "4080.0")),
)


class Catalog:
    """Products, maturities and contracts around one trade date."""

    def __init__(self, now: datetime) -> None:
        self.products = Table("product", Product, "exchange_id")
        self.maturities = Table("contractMaturity", ContractMaturity, "product_id")
        self.contracts = Table("contract", Contract, "contract_maturity_id")
        self.kinds: dict[str, Table[Any]] = {
            table.kind: table for table in _with_fixed(self.products, self.maturities, self.contracts)
        }
        self._terms: dict[int, Terms] = {}
        for place, terms in enumerate(PRODUCTS, 1):
            product = _product(place, terms)
            self.products.load(product)
            self._terms[product.id] = terms
            self.kinds["contractGroup"].load(ContractGroup(product.contract_group_id, terms.root))
            self.kinds["productSession"].load(ProductSession(product.id, *SESSION_HOURS))
        self._day = date.min
        self.refresh(now)

    def refresh(self, now: datetime) -> None:
        """List new months and move the front mark when the trade date has changed."""
        day = dates.trade_date(now)
        if day == self._day:
            return
        self._day = day
        for product_id, terms in self._terms.items():
            self._list_months(product_id, terms, day)

    def terms(self, contract_id: int) -> Terms:
        """Return the table line behind a contract id."""
        return self._terms[self.product_id(contract_id)]

    def product_terms(self, product_id: int) -> Terms:
        """Return the table line of a product."""
        return self._terms[product_id]

    def product_id(self, contract_id: int) -> int:
        """Return the product behind a contract id."""
        return self.maturities[self.contracts[contract_id].contract_maturity_id].product_id

    def is_expired(self, contract: Contract, now: datetime) -> bool:
        """Say whether a contract no longer trades."""
        return now >= self.maturities[contract.contract_maturity_id].expiration_date

    def is_about_to_expire(self, contract_id: int, now: datetime) -> bool:
        """Say whether only closing orders pass: on the last trade date, and from first notice on."""
        maturity = self.maturities[self.contracts[contract_id].contract_maturity_id]
        notice = maturity.first_intent_date
        last_day = dates.trade_date(now) >= dates.trade_date(maturity.expiration_date)
        return last_day or (notice is not None and now >= notice)

    def next_month(self, contract: Contract, step: int) -> Contract | None:
        """Return the contract of the same product some months later, or earlier for a negative step."""
        product_id = self.product_id(contract.id)
        months = sorted(self.maturities.of(product_id), key=lambda month: month.expiration_month)
        place = next(n for n, month in enumerate(months) if month.id == contract.contract_maturity_id) + step
        return self.contracts.of(months[place].id)[0] if 0 <= place < len(months) else None

    def suggest(self, text: str, limit: int, now: datetime) -> list[Contract]:
        """Return living contracts whose name starts with `text`, the nearest expiry first."""
        found = [c for c in self.contracts if c.name.startswith(text) and not self.is_expired(c, now)]
        found.sort(key=lambda c: (self.maturities[c.contract_maturity_id].expiration_date, c.name))
        return found[:limit]

    def _list_months(self, product_id: int, terms: Terms, day: date) -> None:
        this_month = day.year * 12 + day.month - 1
        front_found = False
        for count in range(this_month - MONTHS_BACK, this_month + MONTHS_AHEAD + 1):
            year, month = count // 12, count % 12 + 1
            letter = MONTH_LETTERS[month - 1]
            if letter not in terms.family.months:
                continue
            is_front = not front_found and _can_be_front(terms.family, year, month, day)
            front_found = front_found or is_front
            # Months since 1990 keep every contract's ids the same whatever day the broker is started.
            offset = product_id * 1000 + count - 1990 * 12
            maturity = _maturity(4_000_000 + offset, terms.family, year, month)
            self.maturities.load(replace(maturity, product_id=product_id, is_front=is_front))
            name = f"{terms.root}{letter}{year % 10}"
            self.contracts.load(Contract(3_000_000 + offset, name, maturity.id))


def _with_fixed(*tables: Table[Any]) -> list[Table[Any]]:
    """Add the small kinds around products; groups and sessions are filled product by product."""
    currencies = Table("currency", Currency)
    currencies.load(Currency(USD, "USD", "$"))
    exchanges = Table("exchange", Exchange)
    for number, name in enumerate(EXCHANGES, 1):
        exchanges.load(Exchange(number, name))
    groups, sessions = Table("contractGroup", ContractGroup), Table("productSession", ProductSession, "id")
    return [*tables, currencies, exchanges, groups, sessions]


def _can_be_front(family: Family, year: int, month: int, day: date) -> bool:
    return MONTH_LETTERS[month - 1] in family.front_months and day < family.roll_day(year, month)


def _maturity(maturity_id: int, family: Family, year: int, month: int) -> ContractMaturity:
    notice = family.first_notice(year, month) if family.first_notice else None
    return ContractMaturity(
        id=maturity_id,
        product_id=0,
        expiration_month=year * 100 + month,
        expiration_date=_moment(family.last_day(year, month), family.ends_at),
        is_front=False,
        first_intent_date=_moment(notice, time(0, 0)) if notice else None,
    )


def _moment(day: date, at: time) -> datetime:
    return datetime.combine(day, at, dates.CHICAGO).astimezone(UTC)


def _product(place: int, terms: Terms) -> Product:
    return Product(
        id=700 + place,
        name=terms.root,
        currency_id=USD,
        product_type="Futures",
        description=terms.description,
        exchange_id=terms.exchange_id,
        contract_group_id=place,
        status="Verified",
        months=terms.family.months,
        value_per_point=terms.point_value,
        price_format_type="Decimal",
        price_format=max(0, -int(terms.tick.as_tuple().exponent)),
        tick_size=terms.tick,
    )
