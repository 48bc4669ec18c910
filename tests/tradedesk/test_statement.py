from datetime import timedelta

import pytest

from tests.builders import make_account, make_incident, make_order
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.strategy.builders import chicago
from tests.telling import BLUE, DOWN
from tradedesk import tasks
from tradedesk.models import Account, Bot, Fill, Notice, OrderSide


def statements(clock: FakeClock, local: str) -> list[tuple[str, str]]:
    clock.advance((chicago(local) - clock.now()).total_seconds())
    tasks.write_statements()
    found = Notice.objects.filter(kind="statement").order_by("created_at")
    return list(found.values_list("subject", "text"))


def test_day_is_told_once_after_its_end(bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker) -> None:
    tell(BLUE)
    broker.price += 2
    tell(DOWN, 20)

    assert statements(clock, "2026-11-23 17:04:59") == []
    expected = [
        (
            "2026-11-23 paper: 2 fills, +10.00 USD before fees",
            "MESZ6: 2 fills, +10.00 USD before fees\nThe broker's list agrees; its fees are 1.70 USD.",
        )
    ]
    assert statements(clock, "2026-11-23 17:05") == expected
    assert statements(clock, "2026-11-24 16:00") == expected


def test_loss_has_its_sign(bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker) -> None:
    tell(BLUE)
    broker.price -= 250
    tell(DOWN, 20)

    assert (
        statements(clock, "2026-11-23 17:05")[0][0] == "2026-11-23 paper: 2 fills, -1,250.00 USD before fees"
    )


def test_position_that_is_held_leaves_the_result_open(bot: Bot, tell: Teller, clock: FakeClock) -> None:
    tell(BLUE)
    make_incident(bot)

    assert statements(clock, "2026-11-23 17:05") == [
        (
            "2026-11-23 paper: 1 fills, result open: a position was carried",
            "MESZ6: 1 fills, result open: a position was carried\n"
            "mes-paper holds +1 MESZ6\n"
            "Open: The broker holds another position than the desk booked: mes-paper\n"
            "The broker's list agrees; its fees are 0.85 USD.\n"
            "A position is held: cash is compared when the account is flat.",
        )
    ]


def test_position_from_the_day_before_leaves_the_result_open(
    bot: Bot, tell: Teller, clock: FakeClock
) -> None:
    tell(BLUE)
    tell(DOWN, 24 * 60)

    assert statements(clock, "2026-11-24 17:05")[0][0].endswith(
        "1 fills, result open: a position was carried"
    )


def test_day_without_a_trade_is_told(bot: Bot, clock: FakeClock) -> None:
    assert statements(clock, "2026-11-23 17:05") == [
        (
            "2026-11-23 paper: 0 fills, +0.00 USD before fees",
            "The broker's list agrees; its fees are 0.00 USD.",
        )
    ]


@pytest.mark.parametrize(
    ("local", "days"),
    [
        ("2026-11-27 17:05", ["2026-11-27"]),
        ("2026-11-28 12:00", ["2026-11-27"]),
        ("2026-11-28 17:05", []),
        ("2026-11-29 17:05", []),
        ("2026-11-30 12:00", []),
    ],
)
def test_weekend_has_no_statement(bot: Bot, clock: FakeClock, local: str, days: list[str]) -> None:
    assert [subject[:10] for subject, _ in statements(clock, local)] == days


def test_account_that_is_switched_off_gets_none(bot: Bot, clock: FakeClock) -> None:
    make_account("second")
    Account.objects.filter(name="paper").update(enabled=False)

    assert [subject for subject, _ in statements(clock, "2026-11-23 17:05")] == [
        "2026-11-23 second: 0 fills, +0.00 USD before fees"
    ]


def test_fill_belongs_to_the_day_that_ends_after_it(bot: Bot, clock: FakeClock) -> None:
    ends = chicago("2026-11-23 17:00")
    # The broker lists neither, which is a difference until half an hour has passed.
    for number, moment in enumerate([ends - timedelta(microseconds=1), ends]):
        order = make_order(bot, position_before=number, side=OrderSide.BUY)
        Fill.objects.create(
            account=bot.account,
            bot=bot,
            order=order,
            broker_fill_id=number,
            contract="MESZ6",
            side="BUY",
            quantity=1,
            price="6842.25",
            filled_at=moment,
            created_at=moment,
        )

    assert statements(clock, "2026-11-23 17:30")[0][0].startswith("2026-11-23 paper: 1 fills")
