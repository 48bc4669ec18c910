import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from broker.base import BrokerNotReached
from broker.logins import AccessToken, Pause, Share
from tests.fakes import FakeClock
from tradedesk.stores import login_files, redis
from tradedesk.stores.logins import LEASE_MARGIN_S, SharedLogins
from tradedesk.stores.redis import RedisUnavailable

TOKEN = AccessToken("secret-token", datetime(2026, 11, 25, 12, tzinfo=UTC))


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var"


def be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(act: redis.Act) -> None:
        raise RedisUnavailable("away")

    monkeypatch.setattr(redis, "call", refuse)


def test_token_saved_by_one_process_is_found_by_another(folder: Path, db: None) -> None:
    SharedLogins().save("ada@demo", TOKEN)

    assert SharedLogins().load("ada@demo") == TOKEN
    assert SharedLogins().load("ada@live") is None


def test_token_is_found_while_redis_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedLogins().save("ada@demo", TOKEN)

    assert SharedLogins().load("ada@demo") == TOKEN


def test_file_of_a_token_is_for_this_user_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedLogins().save("ada@demo", TOKEN)

    (file,) = folder.iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ada" not in file.name


def test_forgotten_token_is_gone_from_both(folder: Path, db: None) -> None:
    SharedLogins().save("ada@demo", TOKEN)

    SharedLogins().forget("ada@demo")

    assert SharedLogins().load("ada@demo") is None
    assert not [file for file in folder.iterdir() if TOKEN.value in file.read_text()]


def test_unreadable_file_is_no_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedLogins().save("ada@demo", TOKEN)
    next(folder.iterdir()).write_text("{")

    assert SharedLogins().load("ada@demo") is None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def logins(folder: Path, clock: FakeClock) -> tuple[SharedLogins, SharedLogins]:
    """Return what two processes have of the logins."""
    return tuple(SharedLogins(monotonic=clock.monotonic, sleep=clock.sleep) for _ in range(2))  # type: ignore[return-value]


type Two = tuple[SharedLogins, SharedLogins]


@pytest.mark.parametrize("has_redis", [True, False])
def test_turn_is_not_given_to_a_second_process(
    logins: Two, has_redis: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    if not has_redis:
        be_away(monkeypatch)
    first, second = logins
    began = clock.monotonic()

    with first.lock("ada", within_s=2), pytest.raises(BrokerNotReached, match="no token in time"):  # noqa: SIM117
        with second.lock("ada", within_s=2):
            pass

    assert clock.monotonic() - began <= 2
    with second.lock("ada", within_s=2):
        pass


def test_turn_is_not_given_to_another_machine(
    logins: Two, monkeypatch: pytest.MonkeyPatch, db: None, tmp_path: Path, settings: Settings
) -> None:
    first, second = logins

    with first.lock("ada", within_s=2):
        settings.VAR_DIR = tmp_path / "other-machine"
        with pytest.raises(BrokerNotReached), second.lock("ada", within_s=2):
            pass


def test_turn_of_one_login_does_not_hold_up_another(logins: Two, db: None) -> None:
    first, second = logins

    with first.lock("ada@demo", within_s=2), second.lock("ada@live", within_s=0.1):
        first.save("ada@demo", TOKEN)

    assert second.load("ada@demo") == TOKEN


def test_turn_of_a_dead_process_lapses_after_its_time(folder: Path, db: None) -> None:
    key = "tradedesk:login:ada:lock"

    with SharedLogins().lock("ada", within_s=2):
        left_ms = redis.call(lambda client: client.pttl(key))

    assert 2_000 < left_ms <= 2_000 + LEASE_MARGIN_S * 1000
    assert redis.call(lambda client: client.exists(key)) == 0


def test_who_outlives_its_turn_changes_nothing(
    logins: Two, db: None, tmp_path: Path, settings: Settings
) -> None:
    slow, next_one = logins
    newer = AccessToken("newer", TOKEN.expires_at)

    with slow.lock("ada", within_s=2):
        redis.call(lambda client: client.delete("tradedesk:login:ada:lock"))
        settings.VAR_DIR = tmp_path / "other-machine"
        with next_one.lock("ada", within_s=2):
            next_one.save("ada", newer)
            slow.save("ada", TOKEN)

        assert slow.load("ada") == newer
        with next_one.lock("ada", within_s=2):
            pass


def test_turn_without_a_disk_is_redis_alone(logins: Two, db: None, settings: Settings) -> None:
    settings.VAR_DIR = Path("/proc/none")
    first, second = logins

    with first.lock("ada", within_s=2), pytest.raises(BrokerNotReached), second.lock("ada", within_s=2):
        pass


@pytest.mark.parametrize("has_redis", [True, False])
def test_pause_is_known_to_another_process_and_ended_by_one(
    logins: Two, has_redis: bool, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    if not has_redis:
        be_away(monkeypatch)
    first, second = logins
    pause = Pause(TOKEN.expires_at, ticket="T1")

    first.pause("ada", "/order/placeorder td-1", pause)
    first.pause("ada", "*", Pause(TOKEN.expires_at, refusal="no"))

    assert second.pauses("ada")["/order/placeorder td-1"] == pause
    assert second.pauses("ada")["*"] == Pause(TOKEN.expires_at, refusal="no")
    assert second.pauses("bob") == {}
    assert [logins.end_pause("ada", "/order/placeorder td-1") for logins in (second, first)] == [True, False]
    assert list(first.pauses("ada")) == ["*"]


@pytest.mark.parametrize("has_redis", [True, False])
def test_pause_of_another_process_is_not_shortened(
    logins: Two, has_redis: bool, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    if not has_redis:
        be_away(monkeypatch)
    first, second = logins
    half_a_second_longer = Pause(TOKEN.expires_at + timedelta(seconds=0.5))

    first.pause("ada", "*", half_a_second_longer)
    second.pause("ada", "*", Pause(TOKEN.expires_at))

    assert first.pauses("ada") == {"*": half_a_second_longer}


def test_longer_pause_of_an_outage_is_believed_when_redis_is_back(
    logins: Two, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    first, second = logins
    first.pause("ada", "*", Pause(TOKEN.expires_at))
    longer = Pause(TOKEN.expires_at + timedelta(hours=1))
    with monkeypatch.context() as patch:
        be_away(patch)
        first.pause("ada", "*", longer)

    assert second.pauses("ada") == {"*": longer}


def test_pause_is_still_known_when_redis_goes_away(
    logins: Two, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    first, second = logins
    first.pause("ada", "*", Pause(TOKEN.expires_at))

    be_away(monkeypatch)

    assert second.pauses("ada") == {"*": Pause(TOKEN.expires_at)}


def test_token_that_lasts_longest_is_believed(logins: Two, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    first, second = logins
    first.save("ada", TOKEN)
    renewed = AccessToken("renewed", TOKEN.expires_at + timedelta(minutes=80), 7, TOKEN.expires_at)
    with monkeypatch.context() as patch:
        be_away(patch)
        first.save("ada", renewed)

    assert second.load("ada") == renewed


def test_requests_are_counted_for_all_processes_and_kept_for_orders(logins: Two, db: None) -> None:
    first, second = logins

    assert first.take_requests("ada", Share.REFRESH, 3000)
    assert not second.take_requests("ada", Share.REFRESH, 1)
    assert second.take_requests("ada", Share.READ, 1400)
    assert not first.take_requests("ada", Share.READ, 1)
    assert first.take_requests("ada", Share.ORDER, 400)
    assert not second.take_requests("ada", Share.ORDER, 1)
    assert second.take_requests("bob", Share.REFRESH, 1)


def test_requests_are_counted_without_redis(
    logins: Two, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be_away(monkeypatch)
    first, _ = logins
    login = str(tmp_path)

    assert first.take_requests(login, Share.READ, 4400)
    assert not first.take_requests(login, Share.READ, 1)
    assert first.take_requests(login, Share.ORDER, 400)


def test_pause_of_an_outage_is_known_when_redis_is_back_and_forgotten_two_days_later(
    logins: Two, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    first, second = logins
    pause = Pause(TOKEN.expires_at)
    with monkeypatch.context() as patch:
        be_away(patch)
        first.pause("ada", "/order/placeorder", pause)

    assert second.pauses("ada") == {"/order/placeorder": pause}
    later = Pause(TOKEN.expires_at + timedelta(days=2))
    first.pause("ada", "*", later)
    assert second.pauses("ada") == {"*": later}


def test_turn_of_a_killed_process_is_free_at_once_on_its_machine(
    logins: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_away(monkeypatch)
    first, _ = logins
    with first.lock("ada", within_s=1):
        pass
    hold = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1])\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(login_files._path("ada", "lock"))]

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BrokerNotReached), first.lock("ada", within_s=1):
            pass
        holder.kill()

    with first.lock("ada", within_s=1):
        pass
