from datetime import datetime
from decimal import Decimal

from django.test import Client

from tests.builders import at, make_account, make_bot, make_fill, make_order
from tests.fakes import FakeClock
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.profit import bars_of
from tradedesk.models import Account, Bot, Instrument, OrderSide
from tradedesk.selectors import profit
from tradedesk.selectors.trades import trades

PAGE = "/admin/profit/"
DAY = 60 * 24


def fill(bot: Bot, side: OrderSide, price: str, minute: float, quantity: int = 1) -> None:
    moment: datetime = at(minute)
    order = make_order(bot, side=side, quantity=quantity, created_at=moment)
    make_fill(order, price=Decimal(price), filled_at=moment)


def round_trip(bot: Bot, minute: float = 1) -> None:
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    fill(bot, OrderSide.BUY, "6800", minute)
    fill(bot, OrderSide.SELL, "6810", minute + 1)


def page(client: Client, query: str = "") -> str:
    return client.get(f"{PAGE}{query}").content.decode()


def test_empty_page_says_when_there_will_be_something(panel: Client) -> None:
    html = page(panel)

    assert "No trade yet" in html
    assert "Nothing was filled yet." in html


def test_fees_stand_apart_and_the_day_is_written_out(panel: Client) -> None:
    round_trip(make_bot())

    html = page(panel)

    assert "from 17:00 to 17:00 Chicago" in html
    assert "this one began 22 Nov 2026, 23:00:00.000 UTC (17:00:00 Chicago)" in html
    assert '<strong class="gain">▴ +$48.30</strong>' in html
    assert "before fees $50.00" in html
    assert "<strong>$1.70</strong><small>2 fills</small>" in html
    assert "1 of 1 closing fills won" in html


def test_fees_that_are_not_known_are_not_shown_as_none(panel: Client) -> None:
    fill(make_bot(), OrderSide.BUY, "6800", 1)

    html = page(panel)

    assert "<strong>–</strong><small>1 fill, fees not all known</small>" in html
    assert "<small>fees not known yet</small>" in html
    assert "$0.00</strong><small>1 fill" not in html


def test_our_estimate_stands_beside_the_brokers_figure(panel: Client, clock: FakeClock) -> None:
    round_trip(make_bot())
    Account.objects.update(cash={"profit": "47.30", "net_liquidation": "50047.30"}, cash_read_at=clock.now())

    html = page(panel)

    assert "<dt>Our estimate</dt><dd>▴ +$48.30</dd>" in html
    assert "<dt>The broker's own</dt><dd>▴ +$47.30</dd>" in html
    assert "<dt>Difference</dt><dd>▴ +$1.00</dd>" in html


def test_bots_and_symbols_have_their_shares(panel: Client) -> None:
    bot, other = make_bot(), make_bot("other", account=make_account("second"))
    round_trip(bot)
    fill(other, OrderSide.SELL, "6800", 5)
    fill(other, OrderSide.BUY, "6820", 6)

    context = panel.get(PAGE).context

    assert [(share.name, share.total.net, share.won) for share in context["by_bot"]] == [
        ("mes-paper", Decimal("48.30"), 100),
        ("other", Decimal("-101.70"), 0),
    ]
    assert [(share.name, share.total.net) for share in context["by_symbol"]] == [("MES", Decimal("-53.40"))]
    assert [share.name for share in panel.get(f"{PAGE}?account=second").context["by_bot"]] == ["other"]


def test_reversal_is_a_trade_of_what_it_closed_with_the_fees_of_both_sides(desk: object) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    fill(bot, OrderSide.SELL, "6800", 1, 1)
    fill(bot, OrderSide.SELL, "6806", 2, 1)
    fill(bot, OrderSide.BUY, "6798", 3, 4)

    (trade,) = trades(profit.book().entries)

    assert (trade.quantity, trade.entry_price, trade.exit_price) == (-2, Decimal(6803), Decimal(6798))
    assert (trade.gross, trade.fees, trade.net) == (Decimal(50), Decimal("3.40"), Decimal("46.60"))


def test_bars_share_one_scale_around_the_middle(desk: object) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal(0))
    round_trip(bot, -DAY * 3)
    Instrument.objects.filter(root="MES").update(fee=Decimal(0))
    fill(bot, OrderSide.BUY, "6800", 1)
    fill(bot, OrderSide.SELL, "6795", 2)

    gain, loss = bars_of(profit.book().days())

    assert (gain.tone, gain.y, gain.height) == ("good", 2.0, 48.0)
    assert (loss.tone, loss.y, loss.height) == ("loss", 50.0, 24.0)


def test_page_costs_the_same_with_many_trades(panel: Client) -> None:
    bot = make_bot()

    def trade_on() -> None:
        for number in range(5):
            round_trip(bot, 4 * bot.fills.count() + number)

    assert cost_of(panel, PAGE, trade_on) == 9


def test_results_need_the_right_to_see_fills(viewer: Client) -> None:
    assert viewer.get(PAGE).status_code == 403
    assert viewer.get(f"{PAGE}trades/").status_code == 403
