import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django_redis import get_redis_connection
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from strategy.machine import memory_of
from strategy.types import Direction, Memory
from tests import embedded
from tests.builders import at, set_held
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.strategy.builders import blue, down, flatten, red, up
from tests.telling import BLUE, DOWN, RED, UP
from tradedesk.models import Bot, BotState
from tradedesk.stores import positions, redis
from tradedesk.stores.positions import Busy, Seat, Snapshot, Unreadable, seat, stored
from tradedesk.stores.redis import RedisUnavailable


def client() -> "Redis":
    connection = get_redis_connection("default")
    assert isinstance(connection, Redis)
    return connection


def state_key(bot: Bot) -> str:
    return f"tradedesk:bot:{bot.id}:state"


def lock_key(bot: Bot) -> str:
    return f"tradedesk:bot:{bot.id}:lock"


def in_redis(bot: Bot) -> dict[str, Any]:
    content = json.loads(client().get(state_key(bot)) or b"")
    assert isinstance(content, dict)
    return content


@pytest.fixture
def another_process() -> None:
    """Forget what this process remembers of the bots, as another one would not know it."""
    positions._latest.clear()


def no_sleep(_: float) -> None:
    return None


# --- what Redis holds ---


def test_redis_holds_the_four_fields_the_target_and_the_version(bot: Bot, tell: Teller) -> None:
    tell(BLUE)
    tell(DOWN, 15)

    content = in_redis(bot)
    assert {name: content[name] for name in content if name != "memory"} == {
        "schema": 1,
        "version": stored(bot.id).version,
        "current_position": "NONE",
        "trend_color": "BLUE",
        "waiting_for_reentry": "YES",
        "last_updated": "2026-11-23T15:15:00Z",
        "target": "NONE",
        "quantity": 0,
        "average_price": None,
        "contract": "",
    }
    assert [entry["v"] for entry in content["memory"]["entries"]] == ["BLUE", "DOWN"]


def test_state_never_expires_and_the_lock_is_given_back(bot: Bot, tell: Teller) -> None:
    tell(BLUE)

    assert client().ttl(state_key(bot)) == -1
    assert client().exists(lock_key(bot)) == 0


def test_redis_and_the_database_agree_after_every_event(bot: Bot, tell: Teller) -> None:
    for number, event in enumerate([BLUE, DOWN, UP, RED, UP, BLUE, BLUE]):
        tell(event, 20 * number)
        assert Snapshot.from_json(bot.id, client().get(state_key(bot)) or b"") == stored(bot.id)


# --- an older version never wins ---


def leave(bot: Bot, snapshot: Snapshot) -> None:
    """Let a worker that took its seat long ago leave it with this snapshot."""
    positions._write_and_unlock(bot.id, "some-token", Seat(snapshot, None))


@pytest.mark.parametrize(
    ("first", "second", "wins"), [(5, 4, 5), (5, 5, 5), (5, 6, 6), (9, 10, 10), (10, 9, 10)]
)
def test_older_version_does_not_replace_a_newer_one(bot: Bot, first: int, second: int, wins: int) -> None:
    leave(bot, Snapshot(bot.id, version=first, quantity=first))
    leave(bot, Snapshot(bot.id, version=second, quantity=second))

    assert (in_redis(bot)["version"], in_redis(bot)["quantity"]) == (wins, wins)


def test_leaving_gives_back_only_the_own_lock(bot: Bot) -> None:
    client().set(lock_key(bot), "somebody-else")

    leave(bot, Snapshot(bot.id, version=1))

    assert client().get(lock_key(bot)) == b"somebody-else"


def test_older_copy_in_redis_costs_a_second_look_and_nothing_else(
    bot: Bot, tell: Teller, broker: FakeBroker, another_process: None
) -> None:
    tell(BLUE)
    old = client().get(state_key(bot))
    tell(DOWN, 15)
    assert old is not None
    client().set(state_key(bot), old)
    positions._latest.clear()

    answer = tell(UP, 30)

    assert answer.decision["action"] == "REENTER_LONG"
    assert in_redis(bot)["version"] == stored(bot.id).version
    assert broker.held() == 1


def test_version_beyond_the_database_is_not_believed(
    bot: Bot, tell: Teller, broker: FakeBroker, another_process: None
) -> None:
    tell(BLUE)
    positions._latest.clear()
    client().set(state_key(bot), Snapshot(bot.id, version=900, quantity=-7, contract="MESZ6").to_json())

    answer = tell(DOWN, 15)

    assert answer.decision["action"] == "EXIT"
    assert (stored(bot.id).quantity, broker.held()) == (0, 0)
    assert in_redis(bot)["version"] == stored(bot.id).version < 900


# --- Redis forgets, or holds nonsense ---


def test_flushed_redis_is_rebuilt_from_the_database(
    bot: Bot, tell: Teller, broker: FakeBroker, another_process: None
) -> None:
    tell(BLUE)
    client().flushdb()
    positions._latest.clear()

    answer = tell(DOWN, 15)

    assert (answer.decision["action"], broker.held()) == ("EXIT", 0)
    assert in_redis(bot)["waiting_for_reentry"] == "YES"


def test_absent_state_never_means_flat(
    bot: Bot, tell: Teller, broker: FakeBroker, another_process: None
) -> None:
    set_held(bot, 1, memory=memory_of([blue(-20)]))
    broker.hold("MESZ6", 1)

    assert tell(DOWN, 0).decision["action"] == "EXIT"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"nonsense",
        b"\xff\xfe\x00",
        b"5",
        b"-1",
        b"null",
        b"true",
        b'"text"',
        b"[]",
        b"[1]",
        b"{}",
        b'{"schema":1}',
        b'{"schema":2,"version":3}',
        b'{"version":"abc"}',
        b'{"version":[]}',
        b'{"version":null}',
        b'{"version":1e999}',
        b"[" * 100_000,
        b'{"schema":1,"version":"2","quantity":"1","average_price":null,"contract":"","last_updated":null,'
        b'"memory":{"v":1,"base":{"p":"NONE","c":null,"w":false},"entries":[]}}',
        b'{"schema":1,"version":2,"quantity":true,"average_price":"NaN","contract":5,"last_updated":null,'
        b'"memory":{"v":1,"base":{"p":"NONE","c":null,"w":false},"entries":[]}}',
        b'{"schema":1,"version":2,"quantity":1,"average_price":null,"contract":"","last_updated":null,'
        b'"memory":{"v":1,"base":{"p":"LONG","c":"RED","w":false},"entries":[]}}',
    ],
    ids=range(21),
)
def test_nonsense_in_redis_is_ignored_and_healed(
    bot: Bot, tell: Teller, broker: FakeBroker, another_process: None, nonsense: bytes
) -> None:
    tell(BLUE)
    client().set(state_key(bot), nonsense)
    positions._latest.clear()

    answer = tell(DOWN, 15)

    assert (answer.decision["action"], broker.held()) == ("EXIT", 0)
    assert in_redis(bot)["version"] == stored(bot.id).version
    assert client().exists(lock_key(bot)) == 0
    assert redis._paused_until == 0.0


@pytest.mark.parametrize("kind", ["list", "hash", "set"])
def test_state_of_another_redis_type_does_not_stop_trading(
    bot: Bot, tell: Teller, broker: FakeBroker, kind: str
) -> None:
    if kind == "list":
        client().rpush(state_key(bot), "x")
    elif kind == "hash":
        client().hset(state_key(bot), "x", "y")
    else:
        client().sadd(state_key(bot), "x")

    assert tell(BLUE).decision["order"]["status"] == "filled"
    assert stored(bot.id).quantity == 1


# --- Redis goes away ---


@pytest.fixture
def doomed(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a Redis of its own that the desk uses; kill it to see the desk go on without."""
    port = embedded.free_port()
    process = embedded.start_valkey(port)
    own = Redis(port=port, socket_timeout=0.5, socket_connect_timeout=0.3)
    monkeypatch.setattr(redis, "get_redis_connection", lambda _: own)
    yield process
    process.kill()
    process.wait()
    own.close()


def kill(process: Any) -> None:
    process.kill()
    process.wait()


def test_redis_that_dies_in_the_middle_changes_no_decision(
    bot: Bot, tell: Teller, broker: FakeBroker, doomed: Any
) -> None:
    events = [(BLUE, 0), (DOWN, 15), (UP, 30), (RED, 40), (UP, 45), (BLUE, 50)]
    actions = []
    for number, (event, minute) in enumerate(events):
        if number == 2:
            kill(doomed)
        actions.append(tell(event, minute).decision["action"])

    assert actions == ["ENTER_LONG", "EXIT", "REENTER_LONG", "REVERSE_TO_SHORT", "EXIT", "ENTER_LONG"]
    assert (broker.held(), stored(bot.id).quantity) == (1, 1)


def test_redis_that_dies_while_an_order_is_on_its_way_changes_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker, doomed: Any
) -> None:
    broker.before_submit = lambda _: kill(doomed)

    answer = tell(BLUE)

    assert answer.decision["order"]["status"] == "filled"
    assert (stored(bot.id).quantity, len(broker.submits)) == (1, 1)


def test_copy_that_a_dead_redis_kept_loses_against_the_database(
    bot: Bot, tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch, another_process: None
) -> None:
    tell(BLUE)

    def refuse(_: str) -> None:
        raise RedisConnectionError("gone")

    with monkeypatch.context() as away:
        away.setattr(redis, "get_redis_connection", refuse)
        tell(DOWN, 15)
    assert in_redis(bot)["current_position"] == "LONG"
    redis._paused_until = 0.0
    positions._latest.clear()

    assert tell(UP, 30).decision["action"] == "REENTER_LONG"
    assert in_redis(bot)["current_position"] == "LONG"
    assert in_redis(bot)["version"] == stored(bot.id).version


def test_failed_redis_is_left_alone_for_a_while(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(alias: str) -> None:
        asked.append(alias)
        raise RedisConnectionError("gone")

    monkeypatch.setattr(redis, "get_redis_connection", refuse)

    for _ in range(3):
        with pytest.raises(RedisUnavailable):
            redis.call(lambda c: c.ping())

    assert len(asked) == 1


# --- one at a time on a bot ---


def test_lock_of_a_dead_process_that_lapses_lets_the_next_one_in(
    bot: Bot, tell: Teller, clock: FakeClock
) -> None:
    client().set(lock_key(bot), "a-dead-process")

    def lapse() -> None:
        client().delete(lock_key(bot))

    clock.during_sleep = lapse

    assert tell(BLUE).decision["action"] == "ENTER_LONG"


def test_lock_lapses_before_recovery_gives_up(bot: Bot) -> None:
    with seat(bot.id, wait_s=1, sleep=no_sleep):
        left_ms = client().pttl(lock_key(bot))

    assert 0 < left_ms <= 4_000


def test_bot_that_another_process_works_on_is_busy(bot: Bot) -> None:
    client().set(lock_key(bot), "another")

    with pytest.raises(Busy), seat(bot.id, wait_s=0, sleep=no_sleep):
        pass

    assert client().get(lock_key(bot)) == b"another"


def test_bot_that_is_busy_in_redis_is_free_again_in_this_process(bot: Bot) -> None:
    client().set(lock_key(bot), "another")
    with pytest.raises(Busy), seat(bot.id, wait_s=0, sleep=no_sleep):
        pass
    client().delete(lock_key(bot))

    with seat(bot.id, wait_s=0, sleep=no_sleep) as taken:
        assert taken.snapshot.bot_id == bot.id


def test_bot_that_another_thread_works_on_is_busy(bot: Bot) -> None:
    is_in, may_leave = threading.Event(), threading.Event()

    def work() -> None:
        with positions._in_process[bot.id]:
            is_in.set()
            may_leave.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    is_in.wait(10)
    try:
        with pytest.raises(Busy), seat(bot.id, wait_s=0, sleep=no_sleep):
            pass
    finally:
        may_leave.set()
        thread.join()


def test_alert_of_a_busy_bot_is_not_reached(
    bot: Bot, tell: Teller, broker: FakeBroker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client().set(lock_key(bot), "another")
    # The seat waits by the real clock: let it stand, and jump when somebody sleeps.
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_time() -> None:
        now[0] += 1

    clock.during_sleep = pass_time

    answer = tell(BLUE)

    assert (answer.decision["reason"], broker.submits) == ("NOT_REACHED", [])


def test_seat_left_after_an_error_keeps_what_was_committed(bot: Bot) -> None:
    before = stored(bot.id)

    def commit_and_fail() -> None:
        with seat(bot.id, wait_s=1, sleep=no_sleep) as taken:
            taken.snapshot = before.changed(START, quantity=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commit_and_fail()

    assert in_redis(bot)["version"] == before.version + 1
    assert client().exists(lock_key(bot)) == 0


# --- snapshots as text and as rows ---

ENTRIES = [blue(0), down(15), up(30), red(40), up(45), down(60), flatten(61), blue(70)]
BOT_ID = UUID("01a21099-9d66-7e9c-b716-3e806f0d999d")


@given(
    version=st.integers(0, positions.LARGEST_VERSION),
    quantity=st.integers(-500, 500),
    price=st.none() | st.decimals(-10_000, 10_000, places=8),
    contract=st.sampled_from(["", "MESZ6"]),
    entries=st.sets(st.sampled_from(ENTRIES)),
    minute=st.none() | st.floats(0, 1e6),
)
def test_snapshot_comes_back_from_its_text(
    version: int,
    quantity: int,
    price: Decimal | None,
    contract: str,
    entries: set[Any],
    minute: float | None,
) -> None:
    snapshot = Snapshot(
        bot_id=uuid4(),
        version=version,
        quantity=quantity,
        average_price=price,
        contract=contract,
        memory=memory_of(entries),
        updated_at=None if minute is None else START + timedelta(minutes=minute),
    )

    assert Snapshot.from_json(snapshot.bot_id, snapshot.to_json()) == snapshot
    assert Snapshot.from_json(snapshot.bot_id, snapshot.to_json().encode()) == snapshot


def test_next_version_counts_on_and_keeps_the_rest() -> None:
    before = Snapshot(BOT_ID, 7, 1, Decimal("6842.25"), "MESZ6", memory_of([blue(0)]), at(0))

    after = before.changed(at(1), quantity=-1)

    assert after == Snapshot(BOT_ID, 8, -1, Decimal("6842.25"), "MESZ6", memory_of([blue(0)]), at(1))
    assert before.version == 7


def test_changed_memory_changes_the_state_and_the_text() -> None:
    before = Snapshot(BOT_ID, memory=memory_of([blue(0)]))
    assert (before.state.position, "BLUE" in before.memory_json) == (Direction.LONG, True)

    after = before.changed(at(10), memory=memory_of([blue(0), red(10)]))

    assert after.state.position is Direction.SHORT
    assert "RED" in after.memory_json


def test_row_of_a_new_bot_is_flat_and_remembers_nothing(bot: Bot) -> None:
    assert stored(bot.id) == Snapshot(bot.id, version=0, memory=Memory())


def test_unreadable_memory_in_the_database_is_an_error_and_not_flat(bot: Bot) -> None:
    BotState.objects.filter(bot=bot).update(memory='{"v": 99}')

    with pytest.raises(Unreadable, match=str(bot.id)):
        stored(bot.id)
