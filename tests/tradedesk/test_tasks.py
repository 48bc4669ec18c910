import inspect
import json
import re
import threading
from datetime import timedelta

import pytest
from django.conf import settings

from broker.base import BrokerNotReached
from tests.builders import make_account, make_alert, make_bot
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk import tasks
from tradedesk.celery import app
from tradedesk.models import Account, Decision, TaskRun
from tradedesk.services.desk import Desk
from tradedesk.services.renewal import renew_tokens
from tradedesk.stores import redis, task_locks
from tradedesk.stores.task_locks import only_one

TASKS = [
    tasks.go_on_flattening,
    tasks.recover,
    tasks.reconcile,
    tasks.send_notices,
    tasks.flat_by,
    tasks.watch_alerts,
    tasks.prune,
    tasks.write_statements,
    tasks.watch_calendar,
    tasks.watch_rolls,
    tasks.refresh_costs,
    tasks.read_walls,
    tasks.renew_tokens,
]


def test_schedule_names_the_tasks() -> None:
    names = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert names == {f"tradedesk.tasks.{task.__name__}" for task in TASKS}


def test_lambda_runs_the_same_tasks_as_often_but_once_a_minute_at_most() -> None:
    events = json.loads((settings.BASE_DIR / "zappa_settings.json").read_text())["base"]["events"]
    minutes = {
        entry["task"]: max(1, round(float(str(entry["schedule"])) / 60))
        for entry in settings.CELERY_BEAT_SCHEDULE.values()
    }

    # A server is asked for its figures; Lambda writes them.
    minutes["tradedesk.tasks.measure"] = 1
    assert {event["function"]: minutes_of(event["expression"]) for event in events} == minutes
    # Zappa names a rule after the function's name and the task.
    assert max(len(f"tradedesk-demo-{event['function']}") for event in events) <= 64


def minutes_of(expression: str) -> int:
    """Return how far apart the runs are of a schedule such as rate(2 minutes)."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour)s?\)", expression)
    assert found, expression
    return int(found[1]) * {"minute": 1, "hour": 60}[found[2]]


def test_worker_knows_the_tasks_by_the_names_of_the_schedule() -> None:
    app.loader.import_default_modules()

    names = {name for name in app.tasks if name.startswith("tradedesk.")}
    assert names == {f"tradedesk.tasks.{task.__name__}" for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_task_is_a_function_without_arguments(task: object) -> None:
    assert callable(task)
    assert not inspect.signature(task).parameters


def test_recover_decides_what_was_left_behind(desk: Desk, clock: FakeClock) -> None:
    make_alert(make_bot().strategy)
    clock.advance(30)

    tasks.recover()

    assert Decision.objects.get().action == "ENTER_LONG"


def test_reconcile_reads_the_enabled_accounts(desk: Desk, clock: FakeClock, broker: FakeBroker) -> None:
    make_account(reconciled_at=None)
    make_account("off", reconciled_at=None, enabled=False)

    tasks.reconcile()

    assert Account.objects.get(name="paper").reconciled_at == clock.now()
    assert Account.objects.get(name="off").reconciled_at is None


def test_reconcile_survives_an_account_that_does_not_answer(desk: Desk, links: FakeLinks) -> None:
    make_account("first")
    make_account("second", reconciled_at=None)
    links.down["first"] = BrokerNotReached("connection refused")

    tasks.reconcile()

    assert Account.objects.get(name="second").reconciled_at is not None


@pytest.mark.parametrize(
    ("minutes", "not_renewed"), [(80, []), (15, []), (10, []), (9.9, ["paper"]), (-1, ["paper"])]
)
def test_token_must_last_ten_minutes(
    desk: Desk, clock: FakeClock, broker: FakeBroker, minutes: float, not_renewed: list[str]
) -> None:
    make_account()
    make_account("off", enabled=False)
    broker.token_until = clock.now() + timedelta(minutes=minutes)

    assert renew_tokens(desk) == not_renewed
    assert broker.calls["token_ends_at"] == 1


def test_login_that_does_not_answer_holds_up_no_other_renewal(
    desk: Desk, links: FakeLinks, broker: FakeBroker
) -> None:
    make_account("first")
    make_account("second")
    links.down["first"] = BrokerNotReached("connection refused")

    assert renew_tokens(desk) == ["first"]
    assert broker.calls["token_ends_at"] == 1


def test_task_that_runs_elsewhere_is_not_run_beside_it(desk: Desk) -> None:
    make_account(reconciled_at=None)

    with only_one("reconcile") as is_ours:
        assert is_ours
        tasks.reconcile()
        assert not TaskRun.objects.exists()
        tasks.recover()
        assert TaskRun.objects.get().name == "recover"
    tasks.reconcile()

    assert TaskRun.objects.count() == 2


def test_task_that_fails_gives_its_lock_back(desk: Desk) -> None:
    with pytest.raises(LookupError), only_one("recover"):
        raise LookupError

    with only_one("recover") as is_ours:
        assert is_ours


def test_task_runs_while_redis_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(act: redis.Act) -> None:
        raise redis.RedisUnavailable("connection refused")

    with only_one("recover"):
        monkeypatch.setattr(redis, "call", away)
        with only_one("recover") as is_ours:
            assert is_ours


class _Once(threading.Event):
    """An event that lets a loop go round once."""

    def wait(self, timeout: float | None = None) -> bool:
        was_set = self.is_set()
        self.set()
        return was_set


def test_lock_of_a_long_run_is_renewed_and_one_that_was_lost_stays_lost(desk: Desk) -> None:
    lock = redis.call(lambda client: task_locks._taken(client, "recover"))
    redis.call(lambda client: client.pexpire("tradedesk:task:recover", 500))
    task_locks._keep(lock, _Once())
    assert redis.call(lambda client: client.pttl("tradedesk:task:recover")) > 5000

    redis.call(lambda client: client.set("tradedesk:task:recover", "another"))
    task_locks._keep(lock, _Once())

    assert redis.call(lambda client: client.get("tradedesk:task:recover")) == b"another"
    redis.ping()


def test_no_message_is_delivered_again() -> None:
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["ack_emulation"] is False
    assert not settings.CELERY_TASK_ACKS_LATE
