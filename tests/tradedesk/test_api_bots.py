from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from strategy.machine import memory_of
from strategy.types import Color, Event, Indicator
from tests.builders import make_account, make_bot, make_incident, make_strategy, set_held
from tests.fakes import START
from tradedesk.models import IncidentKind, TradingMode, TradingState

BLUE = memory_of((Event("key", Indicator.TREND, Color.BLUE, START, START),))


def test_bot_that_never_traded_is_flat_without_colour(api: APIClient) -> None:
    make_bot()

    answer = api.get("/api/v1/bots/")

    assert answer.status_code == 200
    assert answer.json() == {
        "next": None,
        "previous": None,
        "results": [
            {
                "slug": "mes-paper",
                "strategy": "mes-trend",
                "account": "paper",
                "instrument": "MES",
                "current_position": "NONE",
                "trend_color": None,
                "waiting_for_reentry": "NO",
                "last_updated": None,
                "target": "NONE",
                "quantity": 0,
                "contract": "",
                "average_price": None,
                "trading_state": "ACTIVE",
                "open_incidents": 0,
            }
        ],
    }


def test_bot_that_holds_shows_position_and_target(api: APIClient) -> None:
    set_held(make_bot(), -2, average_price="6842.50000000", memory=BLUE)

    (bot,) = api.get("/api/v1/bots/").json()["results"]

    assert bot["current_position"] == "SHORT"
    assert bot["target"] == "LONG"
    assert bot["trend_color"] == "BLUE"
    assert bot["last_updated"] == "2026-11-23T15:00:00Z"
    assert (bot["quantity"], bot["contract"], bot["average_price"]) == (-2, "MESZ6", "6842.5")


def test_large_round_price_has_no_exponent(api: APIClient) -> None:
    set_held(make_bot(), 1, average_price=str(Decimal("7E+3")))

    assert api.get("/api/v1/bots/mes-paper/").json()["average_price"] == "7000"


def test_trading_state_is_the_strictest_of_its_scopes(api: APIClient) -> None:
    make_bot()
    TradingState.objects.filter(scope="bot:mes-paper").update(mode=TradingMode.REDUCING)
    TradingState.objects.filter(scope="account:paper").update(mode=TradingMode.HALTED)

    assert api.get("/api/v1/bots/mes-paper/").json()["trading_state"] == "HALTED"


def test_open_incidents_count_those_of_bot_and_account(api: APIClient) -> None:
    bot = make_bot()
    other = make_bot("mnq-paper", strategy=make_strategy("mnq-trend", root="MNQ"))
    make_incident(bot)
    make_incident(bot, IncidentKind.UNHELD_TARGET, closed_at=START)
    make_incident(bot, IncidentKind.FOREIGN_ORDER, bot=None, subject="paper order 7")
    make_incident(other)

    counts = {bot["slug"]: bot["open_incidents"] for bot in api.get("/api/v1/bots/").json()["results"]}

    assert counts == {"mes-paper": 2, "mnq-paper": 2}


def test_bots_are_filtered_by_account(api: APIClient) -> None:
    make_bot()
    make_bot("mes-second", account=make_account("second"))

    answer = api.get("/api/v1/bots/?account=second")

    assert [bot["slug"] for bot in answer.json()["results"]] == ["mes-second"]


@pytest.mark.parametrize("bots", [1, 4])
def test_query_count_does_not_grow_with_the_bots(
    api: APIClient, bots: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(bots):
        make_incident(make_bot(f"bot-{number}", account=make_account(f"account-{number}")))

    with django_assert_num_queries(4):  # two for the token, the bots, the trading states
        assert len(api.get("/api/v1/bots/").json()["results"]) == bots


def test_unknown_bot_is_not_found(api: APIClient) -> None:
    answer = api.get("/api/v1/bots/nobody/")

    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"
