from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pytest_django import DjangoAssertNumQueries

from tests.builders import at, make_account, make_alert, make_bot, make_fill, make_message, make_order
from tests.fakes import START
from tests.posting import post
from tests.telling import BLUE, DOWN, RED
from tests.tradedesk.paper_desk import LIMIT_S, PaperDesk
from tradedesk.models import Bot, Fill, Instrument, OrderSide
from tradedesk.selectors import profit
from tradedesk.services.contracts import terms


def trade(bot: Bot, side: OrderSide, quantity: int, price: str, minute: float, **order: Any) -> None:
    """Book an order that filled at once."""
    fields = {"price": Decimal(price), "filled_at": at(minute)}
    made = make_order(bot, side=side, quantity=quantity, created_at=at(minute), **order)
    make_fill(made, **fields)


def dollars(bot: Bot) -> list[tuple[Decimal | None, Decimal | None]]:
    return [(entry.gross, entry.fee) for entry in profit.book().of(bot_id=bot.id)]


def test_fills_are_paired_first_in_first_out_in_dollars_with_their_fees(desk: object) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))

    trade(bot, OrderSide.BUY, 1, "6800", 1)
    trade(bot, OrderSide.BUY, 2, "6810", 2)
    trade(bot, OrderSide.SELL, 2, "6812", 3)

    assert dollars(bot) == [
        (Decimal(0), Decimal("0.85")),
        (Decimal(0), Decimal("1.70")),
        # 12 points of the first contract and 2 of the second, at 5 dollars.
        (Decimal(70), Decimal("1.70")),
    ]
    assert profit.net(profit.book().entries) == Decimal("65.75")
    assert profit.net(profit.book().since(at(3))) == Decimal("68.30")
    (lots,) = profit.book().lots.values()
    assert profit.open_profit(lots, bot.instrument, Decimal(6808)) == Decimal(-10)


def test_accounts_are_not_netted_with_each_other(desk: object) -> None:
    bot, other = make_bot(), make_bot("other", account=make_account("second"))

    trade(bot, OrderSide.BUY, 1, "6800", 1)
    trade(other, OrderSide.SELL, 1, "6801", 2)

    assert len(profit.book().lots) == 2
    assert [entry.closed for entry in profit.book().entries] == [0, 0]


def test_position_that_a_person_made_brings_an_unknown_gain(desk: object) -> None:
    bot = make_bot()

    trade(bot, OrderSide.SELL, 1, "6800", 1, position_before=1)

    (entry,) = profit.book().entries
    assert (entry.closed, entry.gross) == (1, None)
    assert not profit.is_whole([entry])
    assert profit.net([entry]) == Decimal()


def test_mark_is_the_newest_close_that_an_alert_told(desk: object) -> None:
    bot = make_bot()
    make_alert(bot.strategy, close=Decimal(6840))
    make_alert(bot.strategy, fired_at=at(10), close=Decimal(6845))
    make_alert(bot.strategy, fired_at=at(20), close=None)

    assert profit.marks(at(30)) == {"MES": (Decimal(6845), at(10))}


def test_book_is_kept_until_there_is_another_fill(
    desk: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bot = make_bot()
    trade(bot, OrderSide.BUY, 1, "6800", 1)

    first = profit.book()
    with django_assert_num_queries(3):
        assert profit.book() is first
    trade(bot, OrderSide.SELL, 1, "6801", 2)
    with django_assert_num_queries(3):
        assert len(profit.book().entries) == 2


def test_book_is_the_same_however_the_fills_came_in(desk: object) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    trade(bot, OrderSide.BUY, 1, "6800", 60 * 30)
    profit.book()
    trade(bot, OrderSide.SELL, 2, "6812", 60 * 31)
    continued = profit.book()
    trade(bot, OrderSide.BUY, 1, "6790", 1)
    with_a_late_one = profit.book()

    assert [entry.gross for entry in continued.entries] == [0, 60]
    assert [entry.gross for entry in with_a_late_one.entries] == [0, 0, 170]
    Fill.objects.filter(price=6790).delete()
    assert profit.book() == continued
    Instrument.objects.filter(root="MES").update(fee=Decimal(1))
    assert profit.net(profit.book().entries) == 57


def test_days_are_those_of_the_exchange_and_come_to_the_entries(desk: object) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    # 16:59 and 17:01 in Chicago.
    trade(bot, OrderSide.BUY, 1, "6800", 60 * 8 - 1)
    trade(bot, OrderSide.SELL, 1, "6790", 60 * 8 + 1)
    trade(bot, OrderSide.BUY, 1, "6780", 60 * 8 + 2)

    book = profit.book()
    days = book.days()

    assert {f"{day}": total.net for day, total in days.items()} == {
        "2026-11-23": Decimal("-0.85"),
        "2026-11-24": Decimal("-51.70"),
    }
    assert (days[date(2026, 11, 24)].closings, days[date(2026, 11, 24)].won) == (1, 0)
    assert sum(total.net for total in days.values()) == profit.net(book.entries)
    assert book.days(bot_id=bot.account_id) == {}


def test_result_is_the_brokers_own_to_the_cent(bot: Bot, paper: PaperDesk) -> None:
    link = paper.link
    before = link.broker.cash(link.account.id, timeout_s=LIMIT_S).net_liq
    for minute, (event, close) in enumerate(
        [(BLUE, "6842.25"), (DOWN, "6850"), (RED, "6848.5"), (BLUE, "6851.75"), (RED, "6847.25")]
    ):
        fired_at = START + timedelta(minutes=10 * minute)
        paper.clock.advance((fired_at - paper.clock.now()).total_seconds())
        message = make_message(event, fired_at=fired_at)
        message["price_data"]["close"] = close
        assert post(message).body["status"] == "processed"
    paper.move("6840")
    terms.refresh_costs(paper.desk)

    after = link.broker.cash(link.account.id, timeout_s=LIMIT_S).net_liq
    book = profit.book()
    (lots,) = book.lots.values()
    still_open = profit.open_profit(lots, bot.instrument, Decimal(6840))

    assert before is not None
    assert after is not None
    assert still_open is not None
    assert profit.is_whole(book.entries)
    assert paper.held() == -1
    assert profit.net(book.entries) + still_open == after - before
