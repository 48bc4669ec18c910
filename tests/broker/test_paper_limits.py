from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker.paper_server import Clock, log_in, running
from tests.broker.paper_socket import open_socket

LOGIN, RENEW, ME = "/auth/accesstokenrequest", "/auth/renewaccesstoken", "/auth/me"
RIGHT = {"name": "paper", "password": "secret"}
WRONG = {"name": "paper", "password": "wrong"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rest(tmp_path: Path, clock: Clock) -> Iterator[httpx.Client]:
    with (
        running(tmp_path / "journal", clock=clock, limits=True) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        client.headers["Authorization"] = f"Bearer {log_in(client)['accessToken']}"
        yield client


def log_in_with(client: httpx.Client, body: dict[str, Any]) -> tuple[int, list[str]]:
    reply = client.post(LOGIN, json=body)
    return reply.status_code, sorted(reply.json()) if reply.status_code == 200 else []


def test_five_failed_logins_lock_even_the_right_password_out_for_an_hour(
    rest: httpx.Client, clock: Clock
) -> None:
    assert [log_in_with(rest, WRONG) for _ in range(4)] == [(200, ["errorText"])] * 4
    assert log_in_with(rest, WRONG) == (423, [])

    penalty = rest.post(LOGIN, json=RIGHT).json()

    assert (penalty["p-time"], penalty["p-captcha"]) == (15, True)
    clock.advance(seconds=15)
    assert "p-ticket" in rest.post(LOGIN, json=RIGHT | {"p-ticket": penalty["p-ticket"]}).json()
    clock.advance(hours=1)
    assert "accessToken" in rest.post(LOGIN, json=RIGHT).json()


def test_good_logins_are_not_counted(rest: httpx.Client) -> None:
    assert all("accessToken" in rest.post(LOGIN, json=RIGHT).json() for _ in range(10))


def test_failed_logins_of_more_than_an_hour_ago_are_forgotten(rest: httpx.Client, clock: Clock) -> None:
    for _ in range(4):
        log_in_with(rest, WRONG)
    clock.advance(hours=1)

    assert [log_in_with(rest, WRONG)[0] for _ in range(5)] == [200, 200, 200, 200, 423]


def test_sixteenth_renewal_in_an_hour_is_penalised_and_passes_with_its_ticket(
    rest: httpx.Client, clock: Clock
) -> None:
    for _ in range(15):
        rest.headers["Authorization"] = f"Bearer {rest.get(RENEW).json()['accessToken']}"

    penalty = rest.get(RENEW).json()

    assert (penalty["p-time"], penalty["p-captcha"]) == (15, False)
    clock.advance(seconds=15)
    assert "accessToken" in rest.get(RENEW, params={"p-ticket": penalty["p-ticket"]}).json()


def test_eleventh_look_at_oneself_after_ten_failures_is_penalised(rest: httpx.Client) -> None:
    for _ in range(20):
        assert rest.get(ME).status_code == 200
    wrong = {"Authorization": "Bearer nonsense"}
    assert [rest.get(ME, headers=wrong).status_code for _ in range(10)] == [401] * 10

    assert rest.get(ME).json()["p-time"] == 30


def test_three_hundred_and_first_sync_in_an_hour_is_penalised(rest: httpx.Client, clock: Clock) -> None:
    token = rest.headers["Authorization"].removeprefix("Bearer ")
    with open_socket(f"{str(rest.base_url).replace('http', 'ws', 1)}websocket") as client:
        client.authorize(token)
        for _ in range(300):
            assert client.ask("user/syncrequest", {})["s"] == 400

        reply = client.ask("user/syncrequest", {"splitResponses": False})

    assert (reply["s"], reply["d"]["p-time"]) == (200, 3)


def test_more_than_five_thousand_requests_lock_the_user_out_and_asking_starts_the_hour_again(
    rest: httpx.Client, clock: Clock
) -> None:
    assert {rest.get(ME).status_code for _ in range(5000)} == {200}

    locked = rest.get(ME)

    assert (locked.status_code, locked.content) == (429, b"")
    clock.advance(minutes=30)
    assert rest.get(ME).status_code == 429
    clock.advance(minutes=49)
    assert rest.get(ME).status_code == 429
    del rest.headers["Authorization"]
    rest.headers["Authorization"] = f"Bearer {log_in(rest)['accessToken']}"
    clock.advance(hours=1)
    assert rest.get(ME).status_code == 200


def test_limits_are_off_unless_asked_for(tmp_path: Path) -> None:
    with running(tmp_path / "journal") as server, httpx.Client(base_url=server.url) as client:
        assert [log_in_with(client, WRONG)[0] for _ in range(7)] == [200] * 7
        assert "accessToken" in client.post(LOGIN, json=RIGHT).json()
