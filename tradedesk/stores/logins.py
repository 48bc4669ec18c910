import json
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from broker.base import BrokerNotReached
from broker.logins import AccessToken, Pause, Share, later
from tradedesk.stores import budget, login_files, redis
from tradedesk.stores.redis import RedisUnavailable

# A turn is over in the time it was asked for, but for what no time-out bounds, such as looking up a host.
LEASE_MARGIN_S = 5.0
RETRY_S = 0.02
# No pause is longer than a day.
PAUSES_LAST_S = 90_000

# KEYS: lock, token. ARGV: the lock's mark, token. Who was too long about it changes nothing.
SAVE = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""
# KEYS: pauses. ARGV: name, pause, its end, seconds to keep them. Ends are UTC and equally long texts.
PAUSE = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
local ends = known and string.match(known, '"until": "([^"]*)"')
if not ends or ends <= ARGV[3] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class SharedLogins:
    """What all processes of the desk know of a broker login, kept in Redis.

    Files that only this user can read hold it too, for the processes of one machine while Redis is away:
    each login of its own would push out another's session.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._threads: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._marks: dict[str, str] = {}

    def load(self, login: str) -> AccessToken | None:
        """Return the token that lasts longest of those in Redis and on this machine."""
        found = [_token(login_files.read(login, "token"))]
        with suppress(RedisUnavailable):
            found.append(_token(_decoded(redis.call(lambda client: client.get(_key(login))))))
        return max(filter(None, found), key=lambda token: token.expires_at, default=None)

    def save(self, login: str, token: AccessToken) -> None:
        content = _content(token)
        keys = [_key(login, "lock"), _key(login)]
        arguments = [self._marks.get(login, ""), json.dumps(content)]
        if _try_to(lambda client: client.register_script(SAVE)(keys, arguments)) != 0:
            login_files.write(login, "token", content)

    def forget(self, login: str) -> None:
        _try_to(lambda client: client.delete(_key(login)))
        login_files.write(login, "token", {})

    @contextmanager
    def lock(self, login: str, *, within_s: float) -> Iterator[None]:
        """Hold off threads, the machine's processes, and through Redis those of other machines."""
        deadline = self._monotonic() + within_s
        if not self._threads[login].acquire(timeout=within_s):
            raise BrokerNotReached("no token in time")
        try:
            with (
                login_files.lock(login, deadline - self._monotonic(), self._monotonic, self._sleep),
                self._lock_in_redis(login, deadline),
            ):
                yield
        finally:
            self._threads[login].release()

    def pauses(self, login: str) -> Mapping[str, Pause]:
        found = _pauses(login_files.read(login, "pauses"))
        with suppress(RedisUnavailable):
            shared = _pauses(redis.call(lambda client: client.hgetall(_key(login, "pauses"))))
            found |= {name: later(pause, found.get(name, pause)) for name, pause in shared.items()}
        return found

    def pause(self, login: str, name: str, pause: Pause) -> None:
        content = _content(pause)
        arguments = [name, json.dumps(content), content["until"], PAUSES_LAST_S]
        _try_to(lambda client: client.register_script(PAUSE)([_key(login, "pauses")], arguments))
        kept = {
            other: told
            for other, told in _pauses(login_files.read(login, "pauses")).items()
            if pause.until - told.until < timedelta(seconds=PAUSES_LAST_S)
        }
        kept[name] = later(pause, kept.get(name, pause))
        login_files.write(
            login, "pauses", {other: json.dumps(_content(told)) for other, told in kept.items()}
        )

    def end_pause(self, login: str, name: str) -> bool:
        here = login_files.read(login, "pauses")
        was_here = here.pop(name, None) is not None
        if was_here:
            login_files.write(login, "pauses", here)
        try:
            return bool(redis.call(lambda client: client.hdel(_key(login, "pauses"), name)))
        except RedisUnavailable:
            return was_here

    def take_requests(self, login: str, share: Share, count: int) -> bool:
        return budget.take(login, share, count)

    @contextmanager
    def _lock_in_redis(self, login: str, deadline: float) -> Iterator[None]:
        key, mark = _key(login, "lock"), secrets.token_hex(8)
        is_locked = self._take(key, mark, deadline)
        if is_locked:
            self._marks[login] = mark
        try:
            yield
        finally:
            if is_locked:
                del self._marks[login]
                _try_to(lambda client: client.register_script(UNLOCK)([key], [mark]))

    def _take(self, key: str, mark: str, deadline: float) -> bool:
        """Tell whether the lock is held; with Redis away it is not, and the machine's own must do."""
        while True:
            lease_ms = int((deadline - self._monotonic() + LEASE_MARGIN_S) * 1000)
            try:
                if redis.call(lambda client: client.set(key, mark, nx=True, px=lease_ms)):  # noqa: B023
                    return True
            except RedisUnavailable:
                return False
            if self._monotonic() + RETRY_S > deadline:
                raise BrokerNotReached("no token in time")
            self._sleep(RETRY_S)


def _content(of: AccessToken | Pause) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for name, value in asdict(of).items()
        if value not in (None, "")
    }


def _token(content: dict[str, Any]) -> AccessToken | None:
    try:
        since = content.get("session_since")
        return AccessToken(
            value=content["value"],
            expires_at=datetime.fromisoformat(content["expires_at"]),
            user_id=content.get("user_id"),
            session_since=datetime.fromisoformat(since) if since else None,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _pause(content: dict[str, Any]) -> Pause | None:
    try:
        return Pause(**{**content, "until": datetime.fromisoformat(content["until"])})
    except (ValueError, KeyError, TypeError):
        return None


def _pauses(found: Mapping[Any, Any]) -> dict[str, Pause]:
    read = {_text(name): _pause(_decoded(text)) for name, text in found.items()}
    return {name: pause for name, pause in read.items() if pause}


def _decoded(text: str | bytes | None) -> dict[str, Any]:
    try:
        content = json.loads(text) if text else {}
    except (ValueError, TypeError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _key(login: str, part: str = "") -> str:
    return f"tradedesk:login:{login}:{part}" if part else f"tradedesk:login:{login}"


def _try_to(act: redis.Act) -> Any:
    try:
        return redis.call(act)
    except RedisUnavailable:
        return None
