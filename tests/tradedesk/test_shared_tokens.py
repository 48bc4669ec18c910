import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from broker.logins import AccessToken
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable
from tradedesk.stores.tokens import SharedTokens

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
    SharedTokens().save("ada@demo", TOKEN)

    assert SharedTokens().load("ada@demo") == TOKEN
    assert SharedTokens().load("ada@live") is None


def test_token_is_found_while_redis_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedTokens().save("ada@demo", TOKEN)

    assert SharedTokens().load("ada@demo") == TOKEN


def test_file_of_a_token_is_for_this_user_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedTokens().save("ada@demo", TOKEN)

    (file,) = folder.iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ada" not in file.name


def test_forgotten_token_is_gone_from_both(folder: Path, db: None) -> None:
    SharedTokens().save("ada@demo", TOKEN)

    SharedTokens().forget("ada@demo")

    assert SharedTokens().load("ada@demo") is None
    assert list(folder.iterdir()) == []


def test_unreadable_file_is_no_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_away(monkeypatch)
    SharedTokens().save("ada@demo", TOKEN)
    next(folder.iterdir()).write_text("{")

    assert SharedTokens().load("ada@demo") is None
