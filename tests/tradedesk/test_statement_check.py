from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from broker.base import BrokerFill, BrokerNotReached
from broker.money import ContractCosts
from tests.builders import confirm_calendars, make_instrument
from tests.fakes import FakeBroker, FakeCash, FakeClock, FakeLinks
from tests.posting import Teller
from tests.strategy.builders import chicago
from tests.telling import BLUE, DOWN, RED, open_incidents, said
from tradedesk import tasks
from tradedesk.models import Account, Bot, Fill, Incident, Instrument, Notice
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten

DAY = "2026-11-23"
DIFFERS = [("STATEMENT_DIFFERS", f"paper {DAY}")]


@pytest.fixture
def bot(bot: Bot) -> Bot:
    """Return a bot on a demo account that has traded nothing yet, without its limits."""
    Account.objects.update(environment="demo", margin_factor=None, max_clock_offset_s=None)
    confirm_calendars()
    bot.account.refresh_from_db()
    return bot


@pytest.fixture
def traded(bot: Bot, tell: Teller, broker: FakeBroker) -> FakeBroker:
    """Return the broker after a day with one round trip: 2 points won, two fees of 0.85 dollars."""
    tell(BLUE)
    broker.price += 2
    tell(DOWN, 20)
    pay(broker, "50008.30")
    return broker


def pay(broker: FakeBroker, cash: str) -> None:
    broker.money = FakeCash(Decimal(cash), Decimal(), Decimal())


def write(clock: FakeClock, local: str = f"{DAY} 17:30") -> None:
    clock.advance((chicago(local) - clock.now()).total_seconds())
    tasks.write_statements()


def told() -> list[str]:
    """Return the lines of the newest statement that are about the comparison."""
    text = Notice.objects.filter(kind="statement").latest("created_at").text
    return [line for line in text.splitlines() if "fills, " not in line]


def change_fill(broker: FakeBroker, **fields: object) -> None:
    order = next(iter(broker.orders.values()))
    order.fills[0] = replace(order.fills[0], **fields)  # type: ignore[arg-type]


def drop_fill(broker: FakeBroker) -> None:
    next(iter(broker.orders.values())).fills.clear()


def lose_own(_: FakeBroker) -> None:
    Fill.objects.filter(side="BUY").delete()


def raise_fee(broker: FakeBroker) -> None:
    Instrument.objects.update(fee="0.84")
    broker.fail("costs", BrokerNotReached("connection refused"))


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda broker: None, ["The broker's list agrees; its fees are 1.70 USD."]),
        (
            lambda broker: change_fill(broker, price=Decimal("6842.5")),
            ["Fill 1002: here BUY 1 MESZ6 at 6842.25, at the broker BUY 1 MESZ6 at 6842.5."],
        ),
        (
            lambda broker: change_fill(broker, contract_id=12),
            ["Fill 1002: here BUY 1 MESZ6 at 6842.25, at the broker BUY 1 MESH7 at 6842.25."],
        ),
        (
            lambda broker: change_fill(broker, id=7),
            [
                "Fill 7: here none, at the broker BUY 1 MESZ6 at 6842.25.",
                "Fill 1002: here BUY 1 MESZ6 at 6842.25, at the broker none.",
                "Fee of fill 1002: here 0.85 USD, at the broker not known.",
            ],
        ),
        (
            drop_fill,
            [
                "Fill 1002: here BUY 1 MESZ6 at 6842.25, at the broker none.",
                "Fee of fill 1002: here 0.85 USD, at the broker not known.",
            ],
        ),
        (lose_own, ["Fill 1002: here none, at the broker BUY 1 MESZ6 at 6842.25."]),
        (
            raise_fee,
            [
                "Fee of fill 1002: here 0.84 USD, at the broker 0.85 USD.",
                "Fee of fill 1004: here 0.84 USD, at the broker 0.85 USD.",
            ],
        ),
        (
            lambda broker: setattr(broker, "money", FakeCash(None, None, None)),
            ["The broker does not tell the account's cash."],
        ),
        (
            lambda broker: broker.fail("account_fills", BrokerNotReached("connection refused")),
            ["The broker's list could not be read: connection refused."],
        ),
    ],
)
def test_day_is_compared_with_the_brokers_list(
    traded: FakeBroker, clock: FakeClock, change: Callable[[FakeBroker], None], lines: list[str]
) -> None:
    change(traded)

    write(clock)

    assert told() == lines
    assert open_incidents() == ([] if "agrees" in lines[0] else DIFFERS)
    assert [*Incident.objects.values_list("seen", flat=True)] == (
        [] if "agrees" in lines[0] else [{f"difference {n}": line for n, line in enumerate(lines, 1)}]
    )


def test_fee_that_nobody_tells_counts_as_a_difference(traded: FakeBroker, clock: FakeClock) -> None:
    traded.contract_costs = ContractCosts(None, None)

    write(clock)

    assert told()[0] == "Fee of fill 1002: here not known, at the broker not known."
    assert open_incidents() == DIFFERS


def test_cash_moves_by_what_fills_brought_less_their_fees(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    write(clock, f"{DAY} 17:05")
    tell(BLUE, 8 * 60 + 30)
    broker.price += 2
    tell(DOWN, 9 * 60)
    pay(broker, "50008.30")

    write(clock, "2026-11-24 17:05")

    assert told() == ["The broker's list agrees; its fees are 1.70 USD."]
    account = Account.objects.get()
    assert (account.statement_cash, account.statement_at) == (Decimal("50008.30"), clock.now())


def test_cent_of_cash_that_is_missing_is_a_difference_once(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    write(clock, f"{DAY} 17:05")
    pay(broker, "49999.99")

    write(clock, "2026-11-24 17:30")
    assert told() == ["Cash: here 50,000.00 USD, at the broker 49,999.99 USD."]
    write(clock, "2026-11-25 17:05")
    assert told()[-1] == "The broker's list agrees; its fees are 0.00 USD."


def test_cash_waits_until_the_account_is_flat(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    Account.objects.update(flat_by=None)
    write(clock, f"{DAY} 17:05")
    tell(BLUE, 9 * 60)
    pay(broker, "12345.67")
    write(clock, "2026-11-24 17:05")
    assert told()[-1] == "A position is held: cash is compared when the account is flat."
    broker.price += 4
    tell(DOWN, 33 * 60)
    pay(broker, "50018.30")

    write(clock, "2026-11-25 17:05")

    assert told() == ["The broker's list agrees; its fees are 0.85 USD."]
    assert Account.objects.get().statement_cash == Decimal("50018.30")


def test_difference_that_goes_within_half_an_hour_is_never_told(traded: FakeBroker, clock: FakeClock) -> None:
    costs, traded.contract_costs = traded.contract_costs, ContractCosts(None, None)
    write(clock, f"{DAY} 17:29")
    assert not Notice.objects.filter(kind="statement").exists()
    traded.contract_costs = costs

    write(clock)

    assert told() == ["The broker's list agrees; its fees are 1.70 USD."]
    assert open_incidents() == []


def test_fee_of_what_no_bot_trades_is_read_too(
    bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    make_instrument("ES")
    broker.hold("ESZ6", 1)
    flatten(desk, scope="account:paper", reason="Not ours.", by="ada")

    write(clock)

    assert told() == ["The broker's list agrees; its fees are 0.85 USD."]


def test_fills_outside_the_day_are_not_looked_at(traded: FakeBroker, clock: FakeClock) -> None:
    order = next(iter(traded.orders.values()))
    later = BrokerFill(9, order.id, 10, order.message.side, 1, Decimal(1), chicago(f"{DAY} 17:00"))
    order.fills.append(later)

    write(clock)

    assert told()[0].startswith("The broker's list agrees")


def test_difference_stops_openings_until_a_person_accepts_it(
    traded: FakeBroker, tell: Teller, clock: FakeClock, api: APIClient
) -> None:
    drop_fill(traded)
    write(clock)
    assert said(tell(RED, 9 * 60)) == ("NONE", "STATEMENT_DIFFERS")

    incident = Incident.objects.get()
    answer = api.post(
        f"/api/v1/incidents/{incident.pk}/resolve/", {"reason": "Traded by hand."}, format="json"
    )
    assert answer.status_code == 200
    write(clock, "2026-11-24 01:00")

    assert open_incidents() == []
    assert said(tell(BLUE, 18 * 60))[0] == "ENTER_LONG"


def test_paper_account_is_told_and_not_stopped(traded: FakeBroker, clock: FakeClock) -> None:
    Account.objects.update(environment="paper")
    drop_fill(traded)

    write(clock)

    assert told()[0] == "Fill 1002: here BUY 1 MESZ6 at 6842.25, at the broker none."
    assert open_incidents() == []


def test_broker_that_is_away_counts_as_a_difference(bot: Bot, clock: FakeClock, links: FakeLinks) -> None:
    links.down["paper"] = BrokerNotReached("connection refused")

    write(clock)

    assert told() == ["The broker's list could not be read: connection refused."]
    assert open_incidents() == DIFFERS


def test_fee_and_margin_are_read_and_what_is_not_told_stays(
    bot: Bot, broker: FakeBroker, links: FakeLinks
) -> None:
    tasks.refresh_costs()
    assert Instrument.objects.values_list("fee", "initial_margin").get(root="MES") == (
        Decimal("0.85"),
        Decimal(2398),
    )

    broker.contract_costs = ContractCosts(fee=Decimal("0.9"), initial_margin=None)
    tasks.refresh_costs()
    links.down["paper"] = BrokerNotReached("connection refused")
    tasks.refresh_costs()

    assert Instrument.objects.values_list("fee", "initial_margin").get(root="MES") == (
        Decimal("0.90"),
        Decimal(2398),
    )
