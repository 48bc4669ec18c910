from datetime import datetime, timedelta

from django.db.models import F, Q

from tradedesk.models import TaskRun

# A success within this time of the last one written down is not written down again.
WRITTEN_EACH = timedelta(seconds=30)
LATE_AFTER_PERIODS, LATE_AT_LEAST = 3, timedelta(minutes=5)


def note_success(name: str, now: datetime) -> None:
    """Write down that a task ended well, twice a minute at most."""
    if TaskRun.objects.get_or_create(name=name, defaults={"succeeded_at": now})[1]:
        return
    is_old = (
        Q(succeeded_at=None) | Q(succeeded_at__lt=now - WRITTEN_EACH) | Q(failed_at__gt=F("succeeded_at"))
    )
    TaskRun.objects.filter(is_old, name=name).update(succeeded_at=now)


def note_failure(name: str, error: str, now: datetime) -> None:
    """Write down that a task failed, and with which kind of error."""
    TaskRun.objects.update_or_create(name=name, defaults={"failed_at": now, "error": error[:120]})


def trouble_with(run: TaskRun, period_s: float, now: datetime) -> str:
    """Return what is wrong with a task that runs each `period_s` seconds, "" when nothing is."""
    if run.failed_at is not None and (run.succeeded_at is None or run.failed_at >= run.succeeded_at):
        return f"failed {run.failed_at:%Y-%m-%d %H:%M:%S} UTC with {run.error}"
    late_after = max(LATE_AFTER_PERIODS * timedelta(seconds=period_s), LATE_AT_LEAST)
    if run.succeeded_at is not None and now - run.succeeded_at > late_after:
        return "late: is the worker running?"
    return ""
