from itertools import permutations

import pytest
from django.test import Client

from tests.builders import at
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Answer, Teller
from tests.telling import BLUE, DOWN, DOWN_BLUE, IN_LONG, RED, UP, said, sent, state_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Bot, Strategy


@pytest.fixture
def bot(bot: Bot) -> Bot:
    """Return a bot whose openings need the colour of the hour."""
    Strategy.objects.update(filter_timeframe="60")
    bot.strategy.refresh_from_db()
    return bot


def tell_hour(tell: Teller, action: str, minute: float, **market: str) -> Answer:
    """Tell the colour of an hour that ends at a minute."""
    opened = at(minute - 60).strftime("%Y-%m-%dT%H:%M:%SZ")
    return tell(action, minute, timeframe="60", timestamp=opened, **market)


def test_colour_of_the_filter_is_stored_and_trades_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    assert said(tell_hour(tell, BLUE, 0)) == ("NONE", "FILTER_COLOR")
    assert said(tell_hour(tell, RED, 60)) == ("NONE", "FILTER_COLOR")

    assert sent(broker) == []


def test_opening_needs_the_filters_colour(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell_hour(tell, RED, 0)

    assert said(tell(BLUE, 10)) == ("NONE", "TREND_FILTER")
    assert state_of(bot) == DOWN_BLUE
    # Stood down: no re-entry, though the filter agrees by now.
    tell_hour(tell, BLUE, 60)
    assert said(tell(UP, 75)) == ("NONE", "NOT_WAITING")
    assert said(tell(RED, 80)) == ("NONE", "TREND_FILTER")
    assert said(tell(BLUE, 90)) == ("ENTER_LONG", "TREND_BLUE")

    assert sent(broker) == [("BUY", 1, "MESZ6")]


def test_opening_before_the_filters_first_colour_is_refused(bot: Bot, tell: Teller) -> None:
    assert said(tell(BLUE)) == ("NONE", "TREND_FILTER")


def test_reversal_against_the_filter_only_closes(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    tell_hour(tell, BLUE, 0)
    tell(BLUE, 10)

    assert said(tell(RED, 20)) == ("EXIT", "TREND_FILTER")

    assert sent(broker) == [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6")]


def test_exit_is_not_filtered_and_re_entry_is(bot: Bot, tell: Teller) -> None:
    tell_hour(tell, BLUE, 0)
    tell(BLUE, 10)
    tell_hour(tell, RED, 60)
    assert state_of(bot) == IN_LONG

    assert said(tell(DOWN, 75)) == ("EXIT", "DI_DOWN")
    assert said(tell(UP, 90)) == ("NONE", "TREND_FILTER")
    assert state_of(bot) == DOWN_BLUE


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize(("hour", "held"), [(BLUE, 1), (RED, 0)])
def test_order_of_arrival_at_the_full_hour_makes_no_difference(
    bot: Bot, tell: Teller, broker: FakeBroker, order: tuple[int, ...], hour: str, held: int
) -> None:
    tell_hour(tell, RED if hour == BLUE else BLUE, -60)
    tell(RED, -10)
    acts = [
        lambda: tell_hour(tell, hour, 0),
        lambda: tell(BLUE, 0),
        lambda: tell(UP, 0),
    ]

    for index in order:
        acts[index]()

    assert max(broker.held(), 0) == held
    assert state_of(bot) == (IN_LONG if held else DOWN_BLUE)


def test_late_colour_of_the_filter_closes_and_opens_nothing_old(
    bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    tell_hour(tell, BLUE, -60)
    tell(BLUE, 10)
    assert said(tell_hour(tell, RED, 0)) == ("EXIT", "TREND_FILTER")
    tell_hour(tell, BLUE, 60)
    tell(RED, 70)
    clock.advance(120)

    assert said(tell_hour(tell, RED, 65)) == ("NONE", "TOO_OLD")
    assert broker.held() == 0


def test_filter_of_another_timeframe_is_refused(bot: Bot, tell: Teller) -> None:
    assert said(tell(BLUE, 0, timeframe="240")) == ("NONE", "WRONG_TIMEFRAME")
    Strategy.objects.update(filter_timeframe="")
    assert said(tell_hour(tell, BLUE, 10)) == ("NONE", "WRONG_TIMEFRAME")


def test_filter_that_is_switched_on_later_leaves_what_is_held(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    Strategy.objects.update(filter_timeframe="")
    tell(BLUE)
    Strategy.objects.update(filter_timeframe="60")

    assert said(tell(UP, 15)) == ("NONE", "CROSS_WITH_TREND")
    assert said(tell(RED, 20)) == ("EXIT", "TREND_FILTER")


@pytest.mark.parametrize(
    ("timeframe", "complaint"),
    [("10", "It must be longer"), ("5", "It must be longer"), ("soon", "Write it as"), ("60", ""), ("", "")],
)
def test_filter_is_longer_than_the_trend(bot: Bot, panel: Client, timeframe: str, complaint: str) -> None:
    values = {"slug": "mes-trend", "trend_timeframe": "10", "di_timeframe": "15"}

    page = panel.post(url_of(bot.strategy), {**values, "filter_timeframe": timeframe}, follow=True)

    assert (complaint in page.content.decode()) is True
    assert Strategy.objects.get().filter_timeframe == ("60" if complaint else timeframe)


def test_page_of_a_bot_shows_the_filters_colour(bot: Bot, tell: Teller, panel: Client) -> None:
    tell_hour(tell, RED, 0)

    assert "filter 60: red" in panel.get(url_of(bot)).content.decode()
