"""Logins, sessions and limits: how a broker keeps its callers in check, and what the client makes of it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.base import BrokerOrderStatus, BrokerThrottled
from broker.tradovate.rows.accounts import AutoLiqLevels, PositionLimit
from broker.tradovate.words import TotalBy
from tests.broker.contract.venue import LIMIT_S, Venue, venue
from tests.broker.wire import MemoryTokens

LOGIN_PATH = "/auth/accesstokenrequest"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Venue]:
    with venue(tmp_path / "paper.journal", "--limits") as opened:
        yield opened


def push_out(at: Venue) -> None:
    for _ in range(2):
        other = at.connect(MemoryTokens())
        other.accounts(timeout_s=LIMIT_S)
        other.close()


@pytest.mark.parametrize("status", [401, 408, 500, 503])
def test_70_read_with_a_pushed_out_session_gets_its_answer_whatever_the_broker_says(
    at: Venue, status: int
) -> None:
    at.scenario("sessions", {"pushedOutStatus": status})
    push_out(at)
    logins = at.asked(LOGIN_PATH)

    assert at.held() == 0
    assert at.asked(LOGIN_PATH) == logins + 1


def test_71_pushed_out_session_answered_with_429_stops_the_login(at: Venue) -> None:
    at.scenario("sessions", {"pushedOutStatus": 429})
    push_out(at)

    with pytest.raises(BrokerThrottled):
        at.held()


def test_72_string_for_the_key_number_is_refused_where_the_broker_is_strict(at: Venue) -> None:
    at.scenario("sessions", {"strictCid": True})
    body = {"name": "paper", "password": "paper", "sec": "s"}

    answers = [login(at, body | {"cid": cid}) for cid in (7, "7")]

    assert ["accessToken" in answer for answer in answers] == [True, False]


def test_73_sixteenth_renewal_in_an_hour_is_penalised_and_passes_an_hour_later(strict: Venue) -> None:
    token = login(strict, {"name": "paper", "password": "paper"})["accessToken"]
    for _ in range(15):
        token = renew(strict, token)["accessToken"]

    penalty = renew(strict, token)
    strict.scenario("clock", {"advance_s": 3601})

    assert (penalty["p-time"], penalty["p-captcha"]) == (15, False)
    assert "accessToken" in renew(strict, token)


def test_74_five_wrong_logins_lock_the_address_and_then_ask_for_a_captcha(strict: Venue) -> None:
    wrong = {"name": "paper", "password": "wrong"}

    statuses = [post(strict, wrong).status_code for _ in range(5)]
    penalty = login(strict, {"name": "paper", "password": "paper"})

    assert statuses == [200, 200, 200, 200, 423]
    assert penalty["p-captcha"] is True


def test_75_position_limit_set_through_the_client_rejects_late(at: Venue) -> None:
    limits = at.client.position_limits(at.account.id, timeout_s=LIMIT_S)
    at.client.set_position_limit(
        PositionLimit(active=True, total_by=TotalBy.OVERALL, account_id=at.account.id, long_limit=1),
        timeout_s=LIMIT_S,
    )

    order_id = at.submit("c-75", quantity=2)

    assert list(limits) == []
    assert at.status(order_id) is BrokerOrderStatus.REJECTED
    assert at.order(order_id).reject_reason.startswith("MaxTotalPosLimitReached")


def test_76_levels_of_automatic_liquidation_are_read_as_they_were_set(at: Venue) -> None:
    wanted = AutoLiqLevels(daily_loss_auto_liq=Decimal("750.50"), trailing_max_drawdown=Decimal(2000))

    at.client.set_auto_liquidation(at.account.id, wanted, timeout_s=LIMIT_S)
    levels = at.client.auto_liquidation(at.account.id, timeout_s=LIMIT_S)

    assert levels is not None
    assert (levels.daily_loss_auto_liq, levels.trailing_max_drawdown) == (Decimal("750.50"), Decimal(2000))
    assert levels.weekly_loss_auto_liq is None


def login(at: Venue, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = post(at, body).json()
    return answer


def post(at: Venue, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{at.url}{LOGIN_PATH}", json=body)


def renew(at: Venue, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    answer: dict[str, Any] = httpx.get(f"{at.url}/auth/renewaccesstoken", headers=headers).json()
    return answer
