"""What the overview says of connections and limits."""

import pytest

from tests.builders import at, make_account, make_bot, make_order
from tests.fakes import START
from tradedesk.admin.limits import Meter, meters_of
from tradedesk.admin.shown import Shown
from tradedesk.models import Account, Bot, Strategy, TaskRun
from tradedesk.services.reconciling.connections import connections_of


@pytest.fixture
def bot(desk: object) -> Bot:
    return make_bot()


def words() -> list[str]:
    return [found.word for found in connections_of(list(Account.objects.all()), START)]


def test_desk_that_just_began_says_that_nothing_came_yet(bot: Bot) -> None:
    Account.objects.update(reconciled_at=None)

    assert words() == ["No heartbeat yet", "Not reached yet", "Nothing done yet"]


def test_signs_of_life_that_are_fresh_say_that_all_works(bot: Bot) -> None:
    Strategy.objects.update(heartbeat_at=at(-10), heartbeat_timeframe="10")
    Account.objects.update(reconciled_at=at(-1))
    TaskRun.objects.create(name="recover", succeeded_at=at(-1))

    assert words() == ["Receiving", "Connected", "Running"]


def test_signs_of_life_that_are_old_say_what_is_missing(bot: Bot) -> None:
    Strategy.objects.update(heartbeat_at=at(-31), heartbeat_timeframe="10")
    Account.objects.update(reconciled_at=at(-2))
    TaskRun.objects.create(name="recover", succeeded_at=at(-6))

    assert words() == ["Silent", "Not reconciled", "Trouble"]


def shown(bot: Bot) -> Shown:
    account = Account.objects.get(name="paper")
    return Shown([account], [bot], None, None, START.date(), START, at(1), True)


def test_limits_that_are_set_show_their_use(bot: Bot) -> None:
    Account.objects.update(
        max_position=5,
        orders_per_session=10,
        daily_loss=200,
        cash={"profit": "-150", "net_liquidation": "1"},
        cash_read_at=START,
    )
    bot.state.quantity = -4
    for _ in range(2):
        make_order(bot)
    make_order(bot, status="denied")
    make_account("other", max_position=1)

    assert meters_of(shown(bot), START) == [
        Meter("Contracts held, paper", "4 of 5", 80),
        Meter("Orders of the session, paper", "2 of 10", 20),
        Meter("Loss of the session, paper", "$150.00 of $200.00", 75),
    ]
    assert [meter.tone for meter in meters_of(shown(bot), START)] == ["warn", "", ""]


def test_use_that_is_not_known_warns(bot: Bot) -> None:
    Account.objects.update(daily_loss=200)

    (meter,) = meters_of(shown(bot), START)

    assert (meter.value, meter.percent, meter.tone) == ("– of $200.00", None, "warn")
