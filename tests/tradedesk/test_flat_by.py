from datetime import date, time

import pytest

from broker.base import BrokerNotReached, BrokerOutcomeUnknown
from tests.builders import make_account, make_bot, make_strategy, set_held
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.strategy.builders import chicago
from tests.telling import BLUE, DOWN_BLUE, RED, UP, open_incidents, said, sent, set_mode, state_of
from tradedesk import tasks
from tradedesk.models import Account, AuditEntry, Bot, Fill, FlatDay, Notice, Order, TradingMode
from tradedesk.services.desk import Desk
from tradedesk.services.halting import flat_by as service
from tradedesk.services.halting.flat_by import flat_by

DAY = "2026-11-23"


@pytest.fixture
def bot(bot: Bot) -> Bot:
    """Return a bot on a paper account that is to be flat by 15:08."""
    Account.objects.update(flat_by=time(15, 8))
    bot.account.refresh_from_db()
    return bot


def move(clock: FakeClock, local: str) -> None:
    clock.advance((chicago(f"{DAY} {local}") - clock.now()).total_seconds())


def day() -> tuple[int, bool]:
    """Return how many steps are done on the fixed clock's day, and whether the account was flat."""
    found = FlatDay.objects.get(trade_date=date(2026, 11, 23))
    return found.steps, found.is_flat


def pages() -> list[str]:
    return list(Notice.objects.filter(kind="flat_by").values_list("text", flat=True))


def test_nothing_happens_more_than_three_minutes_before(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    move(clock, "15:04:59")

    assert flat_by(desk) == 0

    assert broker.held() == 1
    assert not FlatDay.objects.exists()


def test_position_is_closed_three_minutes_before_and_looked_at_twice(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)

    move(clock, "15:05")
    assert flat_by(desk) == 0
    assert (broker.held(), day()) == (0, (1, True))
    move(clock, "15:07")
    assert flat_by(desk) == 0
    assert day() == (2, True)
    move(clock, "15:09")
    assert flat_by(desk) == 0
    assert day() == (3, True)

    assert sent(broker) == [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")]
    assert (pages(), open_incidents()) == ([], [])
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.reason) == ("desk", "flatten", "Flat by 15:08")


def test_repeated_run_asks_the_broker_nothing(
    bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    move(clock, "15:05")
    flat_by(desk)
    asked = broker.calls.total()

    clock.advance(20)
    flat_by(desk)

    assert broker.calls.total() == asked


def test_bot_rests_until_the_next_colour_change(bot: Bot, tell: Teller, desk: Desk, clock: FakeClock) -> None:
    tell(BLUE)
    move(clock, "15:05")
    flat_by(desk)

    assert state_of(bot) == DOWN_BLUE
    # 17:20: the next session.
    assert said(tell(UP, 8 * 60 + 20)) == ("NONE", "NOT_WAITING")
    assert said(tell(RED, 8 * 60 + 40)) == ("ENTER_SHORT", "TREND_RED")


def test_late_start_still_closes(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    move(clock, "15:40")

    assert flat_by(desk) == 0

    assert (broker.held(), day()) == (0, (3, True))


def test_position_that_a_person_opened_afterwards_is_closed_at_the_look(
    bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    move(clock, "15:05")
    flat_by(desk)
    broker.hold("MNQZ6", 2)

    move(clock, "15:07")
    assert flat_by(desk) == 0

    assert broker.held("MNQZ6") == 0


def test_account_that_stays_open_is_closed_again_and_told_each_minute(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.fail("positions", BrokerOutcomeUnknown("time-out"), times=1000)
    move(clock, "15:05")

    assert flat_by(desk) == 1
    assert (open_incidents(), len(pages())) == ([("NOT_FLAT", "paper")], 1)
    asked = broker.calls["positions"]
    clock.advance(20)
    assert flat_by(desk) == 0
    assert broker.calls["positions"] == asked
    clock.advance(60)
    assert flat_by(desk) == 1
    assert pages() == ["The desk keeps trying."] * 2

    broker.fail("positions", BrokerOutcomeUnknown(""), times=0)
    clock.advance(60)
    assert flat_by(desk) == 0
    assert (broker.held(), open_incidents()) == (0, [])


def test_broker_that_cannot_be_read_is_not_flat(
    bot: Bot, desk: Desk, clock: FakeClock, links: FakeLinks
) -> None:
    links.down["paper"] = BrokerNotReached("connection refused")
    move(clock, "15:05")

    assert flat_by(desk) == 1

    assert day() == (1, False)


def test_halted_account_is_told_and_not_traded(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    set_mode(TradingMode.HALTED)
    move(clock, "15:05")

    assert flat_by(desk) == 1

    assert broker.held() == 1
    assert pages() == ["Trading is halted, so the desk closes nothing."]


def test_halted_account_that_is_flat_is_in_order(bot: Bot, desk: Desk, clock: FakeClock) -> None:
    set_mode(TradingMode.HALTED)
    move(clock, "15:05")

    assert flat_by(desk) == 0
    assert open_incidents() == []


def test_halted_bot_keeps_its_position_while_the_others_close(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    other = make_bot("mnq", strategy=make_strategy("mnq", root="MNQ"), account=bot.account)
    set_held(other, 1, contract="MNQZ6")
    broker.hold("MNQZ6", 1)
    tell(BLUE)
    set_mode(TradingMode.HALTED, "bot:mes-paper")
    move(clock, "15:05")

    assert flat_by(desk) == 1

    assert (broker.held("MESZ6"), broker.held("MNQZ6")) == (1, 0)


def test_switch_that_comes_between_stops_the_closing(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(BLUE)
    move(clock, "15:05")
    monkeypatch.setattr(service, "effective_mode", lambda _: TradingMode.ACTIVE)
    set_mode(TradingMode.HALTED)

    assert flat_by(desk) == 1

    assert len(broker.submits) == 1


def test_reducing_account_is_closed(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    tell(BLUE)
    set_mode(TradingMode.REDUCING)
    move(clock, "15:05")

    assert flat_by(desk) == 0

    assert broker.held() == 0


def test_account_without_a_time_or_switched_off_is_left_alone(
    bot: Bot, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    Account.objects.update(flat_by=None)
    make_account("off", enabled=False, flat_by=time(15, 8))
    move(clock, "15:05")

    tasks.flat_by()

    assert broker.calls.total() == 0


def test_next_day_begins_anew(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    move(clock, "15:09")
    tasks.flat_by()
    tell(BLUE, 8 * 60 + 20)

    clock.advance((chicago("2026-11-24 15:05") - clock.now()).total_seconds())
    tasks.flat_by()

    assert broker.held() == 0
    assert FlatDay.objects.count() == 2
    assert Order.objects.count() == Fill.objects.count() == 2


def test_account_that_is_not_flat_is_tried_again_before_the_next_minute(
    bot: Bot, tell: Teller, desk: Desk, clock: FakeClock, broker: FakeBroker, links: FakeLinks
) -> None:
    tell(BLUE)
    links.down["paper"] = BrokerNotReached("connection refused")
    move(clock, "15:05")
    assert flat_by(desk) == 1
    links.down.clear()
    clock.advance(5)

    tasks.go_on_flattening()

    assert broker.held() == 0
    clock.advance(60)
    assert (flat_by(desk), day(), open_incidents()) == (0, (1, True), [])
