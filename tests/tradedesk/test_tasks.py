import inspect

import pytest
from django.conf import settings

from broker.base import BrokerNotReached
from tests.builders import make_account, make_alert, make_bot
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk import tasks
from tradedesk.models import Account, Decision
from tradedesk.services.desk import Desk

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
]


def test_schedule_names_the_tasks() -> None:
    names = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert names == {task.name for task in TASKS}


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
