from datetime import timedelta

import pytest

from tests.builders import make_bot, make_token
from tests.fakes import START, FakeClock
from tests.tradedesk.test_doctor import report
from tradedesk import tasks
from tradedesk.models import TaskRun
from tradedesk.services.desk import Desk
from tradedesk.services.task_runs import note_failure, note_success, trouble_with


def test_task_writes_down_its_last_success(desk: Desk, clock: FakeClock) -> None:
    tasks.recover()
    clock.advance(29)
    tasks.recover()
    assert TaskRun.objects.get().succeeded_at == START
    clock.advance(2)
    tasks.recover()

    run = TaskRun.objects.get()
    assert (run.name, run.succeeded_at, run.failed_at) == ("recover", START + timedelta(seconds=31), None)


def test_task_that_fails_writes_down_the_kind_of_error_and_fails_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("hidden detail")

    with monkeypatch.context() as patch:
        patch.setattr("tradedesk.services.alerts.alert_stream.watch", fail)
        with pytest.raises(LookupError):
            tasks.watch_alerts()
    run = TaskRun.objects.get()
    assert (run.succeeded_at, run.failed_at, run.error) == (None, START, "LookupError")

    clock.advance(1)
    tasks.watch_alerts()
    assert trouble_with(TaskRun.objects.get(), 60, clock.now()) == ""


def test_success_after_a_failure_is_written_at_once(db: None) -> None:
    note_success("recover", START)
    note_failure("recover", "LookupError", START + timedelta(seconds=1))
    note_success("recover", START + timedelta(seconds=2))

    assert TaskRun.objects.get().succeeded_at == START + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("period_s", "minutes", "expected"),
    [
        (15.0, 5, ""),
        (15.0, 5.1, "late: is the worker running?"),
        (3600.0, 180, ""),
        (3600.0, 181, "late: is the worker running?"),
    ],
)
def test_task_is_late_after_three_of_its_periods(period_s: float, minutes: float, expected: str) -> None:
    run = TaskRun(name="recover", succeeded_at=START)

    assert trouble_with(run, period_s, START + timedelta(minutes=minutes)) == expected


def test_doctor_shows_the_tasks(desk: Desk, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    make_token(make_bot().strategy)
    note_success("recover", START)
    note_failure("flat_by", "DatabaseError", START)
    note_success("a task of an older version", START)

    code, table = report(capsys)

    assert code == 1
    assert table["task recover"] == "ok last success 2026-11-23 15:00:00 UTC"
    assert table["task flat_by"] == (
        "TROUBLE no success yet, failed 2026-11-23 15:00:00 UTC with DatabaseError"
    )
    assert len([part for part in table if part.startswith("task ")]) == 2
