import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from django.conf import settings

from broker.logins import AccessToken
from tradedesk.desk_file import write_private
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

LOCK_MS = 10_000
RETRY_S = 0.05
WAIT_S = 0.5
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class SharedTokens:
    """One access token per broker login for all processes of the desk, kept in Redis.

    A file that only this user can read holds it too, for the processes of one machine while Redis is away:
    each login of its own would push out another's session. Only threads are held off then.
    """

    def __init__(self) -> None:
        self._threads = threading.Lock()

    def load(self, login: str) -> AccessToken | None:
        try:
            text = redis.call(lambda client: client.get(self._key(login)))
        except RedisUnavailable:
            text = self._in_file(login)
        try:
            content = json.loads(text) if text else None
            return content and AccessToken(content["value"], datetime.fromisoformat(content["expires_at"]))
        except (ValueError, KeyError, TypeError):
            return None

    def save(self, login: str, token: AccessToken) -> None:
        text = json.dumps({"value": token.value, "expires_at": token.expires_at.isoformat()})
        self._try_to(lambda client: client.set(self._key(login), text))
        with suppress(OSError):
            self._file(login).parent.mkdir(mode=0o700, exist_ok=True)
            write_private(self._file(login), text)

    def forget(self, login: str) -> None:
        self._try_to(lambda client: client.delete(self._key(login)))
        with suppress(OSError):
            self._file(login).unlink(missing_ok=True)

    @contextmanager
    def lock(self, login: str) -> Iterator[None]:
        key, mark = f"{self._key(login)}:lock", secrets.token_hex(8)
        # An alert waits for its answer: who cannot have the lock soon goes on without it.
        has_turn = self._threads.acquire(timeout=WAIT_S)
        try:
            give_up_at = time.monotonic() + WAIT_S
            while time.monotonic() < give_up_at:
                try:
                    if redis.call(lambda client: client.set(key, mark, nx=True, px=LOCK_MS)):
                        break
                except RedisUnavailable:
                    break
                time.sleep(RETRY_S)
            try:
                yield
            finally:
                self._try_to(lambda client: client.register_script(UNLOCK)([key], [mark]))
        finally:
            if has_turn:
                self._threads.release()

    def _in_file(self, login: str) -> str | None:
        try:
            return self._file(login).read_text()
        except OSError:
            return None

    @staticmethod
    def _file(login: str) -> Path:
        return Path(settings.VAR_DIR) / f"login-{hashlib.sha256(login.encode()).hexdigest()[:16]}.json"

    @staticmethod
    def _key(login: str) -> str:
        return f"tradedesk:login:{login}"

    @staticmethod
    def _try_to(act: redis.Act) -> None:
        try:
            redis.call(act)
        except RedisUnavailable:
            return
