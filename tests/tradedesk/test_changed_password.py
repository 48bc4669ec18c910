"""A password of the database that was changed: the function goes on with what the secret says now."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from tests.secrets_manager import SecretsManager, secrets_manager
from tradedesk.stores.postgres.base import DatabaseWrapper

pytestmark = pytest.mark.django_db

RIGHT, OLD = "right", "old"
STARTUP = 196_608
REFUSED = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "desk"\0\0'


class Doorkeeper:
    """Speaks PostgreSQL's protocol as far as the password: one is let in, and told nothing more."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._listener.accept()
                with guest, guest.makefile("rwb") as stream:
                    self._admit(stream)

    def _admit(self, stream: Any) -> None:
        while struct.unpack("!I", self._message(stream)[:4])[0] != STARTUP:
            # It asks for encryption first.
            stream.write(b"N")
            stream.flush()
        self._say(stream, b"R", struct.pack("!I", 3))
        stream.read(1)
        self.heard.append(self._message(stream).rstrip(b"\0").decode())
        if self.heard[-1] != RIGHT:
            self._say(stream, b"E", REFUSED)
            return
        self._say(stream, b"R", struct.pack("!I", 0))
        for status in (b"client_encoding\0UTF8\0", b"server_version\x0017.0\0", b"TimeZone\0UTC\0"):
            self._say(stream, b"S", status)
        self._say(stream, b"Z", b"I")
        stream.read()

    @staticmethod
    def _message(stream: Any) -> bytes:
        (length,) = struct.unpack("!I", stream.read(4))
        return bytes(stream.read(length - 4))

    @staticmethod
    def _say(stream: Any, kind: bytes, content: bytes) -> None:
        stream.write(kind + struct.pack("!I", len(content) + 4) + content)
        stream.flush()


@pytest.fixture
def door() -> Iterator[Doorkeeper]:
    door = Doorkeeper()
    yield door
    door.close()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[SecretsManager]:
    settings.DESK_SECRET_ID = "tradedesk-demo/desk"
    with secrets_manager({"DATABASE_URL": f"postgresql://desk:{RIGHT}@ignored/desk"}) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def database(door: Doorkeeper) -> Iterator[DatabaseWrapper]:
    """Return a connection of the function that was started with the old password."""
    own = {"HOST": "127.0.0.1", "PORT": door.port, "USER": "desk", "PASSWORD": OLD, "OPTIONS": {}}
    database = DatabaseWrapper({**connection.settings_dict, **own, "NAME": "desk"})
    yield database
    database.close()


def test_changed_password_is_read_anew(
    database: DatabaseWrapper, door: Doorkeeper, aws: SecretsManager
) -> None:
    database.ensure_connection()

    assert door.heard == [OLD, RIGHT]
    assert aws.asked == ["tradedesk-demo/desk"]


def test_next_connection_has_it_at_once(
    database: DatabaseWrapper, door: Doorkeeper, aws: SecretsManager
) -> None:
    database.ensure_connection()
    database.close()

    database.ensure_connection()

    assert door.heard == [OLD, RIGHT, RIGHT]
    assert len(aws.asked) == 1


def test_password_that_is_wrong_in_the_secret_too_is_tried_once(
    database: DatabaseWrapper, door: Doorkeeper, aws: SecretsManager
) -> None:
    aws.keep({"DATABASE_URL": "postgresql://desk:wrong@ignored/desk"})

    with pytest.raises(OperationalError, match="password authentication failed"):
        database.ensure_connection()

    assert door.heard == [OLD, "wrong"]


@pytest.mark.parametrize(
    "answer", [(400, {"__type": "ResourceNotFoundException"}), (200, {"SecretString": "{}"})]
)
def test_secret_that_does_not_help_leaves_the_databases_own_error(
    database: DatabaseWrapper, door: Doorkeeper, aws: SecretsManager, answer: tuple[int, dict[str, Any]]
) -> None:
    aws.answer = answer

    with pytest.raises(OperationalError, match="password authentication failed"):
        database.ensure_connection()

    assert door.heard == [OLD]


def test_database_that_is_away_costs_no_question_to_aws(
    aws: SecretsManager, database: DatabaseWrapper
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = probe.getsockname()[1]
    database.settings_dict["PORT"] = nobody

    with pytest.raises(OperationalError, match="refused"):
        database.ensure_connection()

    assert aws.asked == []
