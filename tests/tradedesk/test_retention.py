import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from tests.builders import (
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_incident,
    make_notice,
    make_order,
    make_rejected_alert,
)
from tests.fakes import START, FakeClock
from tests.posting import Teller
from tests.telling import BLUE, DOWN, IN_LONG, said, state_of
from tradedesk import tasks
from tradedesk.models import (
    Alert,
    AuditEntry,
    Bot,
    Decision,
    Fill,
    Incident,
    Notice,
    Order,
    OrderPurpose,
    OrderStatus,
)
from tradedesk.services import retention
from tradedesk.services.desk import Desk
from tradedesk.services.retention import TooYoung, prune

DAY = timedelta(days=1)
OLD, YOUNG = START - 31 * DAY, START - 29 * DAY


def prune_30(desk: Desk) -> dict[str, int]:
    return prune(desk.now(), 30, desk.event_window)


def make_story(bot: Bot, **order: object) -> Alert:
    """Return an alert from before the limit with all that came of it."""
    alert = make_alert(bot.strategy, fired_at=OLD)
    make_fill(make_order(bot, decision=make_decision(alert, bot), **{"created_at": OLD, **order}))
    return alert


def left() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in (Alert, Decision, Order, Fill)}


def test_old_story_goes_whole_and_a_young_one_stays(bot: Bot, desk: Desk) -> None:
    make_story(bot)
    young = make_alert(bot.strategy, fired_at=YOUNG)
    make_fill(make_order(bot, decision=make_decision(young, bot), created_at=YOUNG))

    assert prune_30(desk) == {"fills": 1, "orders": 1, "decisions": 1, "alerts": 1}

    assert Alert.objects.get() == young
    assert left() == {"Alert": 1, "Decision": 1, "Order": 1, "Fill": 1}


def test_alert_of_exactly_the_limit_stays(bot: Bot, desk: Desk) -> None:
    make_alert(bot.strategy, fired_at=START - 30 * DAY)

    assert prune_30(desk) == {}


def test_story_with_an_order_without_an_end_stays(bot: Bot, desk: Desk) -> None:
    make_story(bot, status=OrderStatus.UNCONFIRMED, settled_at=None)

    assert prune_30(desk) == {}

    assert left() == {"Alert": 1, "Decision": 1, "Order": 1, "Fill": 1}


def test_flattening_order_and_rejected_alert_go_too(bot: Bot, desk: Desk) -> None:
    make_fill(make_order(bot, created_at=OLD, purpose=OrderPurpose.FLATTEN))
    make_order(bot, created_at=OLD, status=OrderStatus.WORKING, purpose=OrderPurpose.FLATTEN)
    make_rejected_alert(bot.strategy, received_at=OLD)

    assert prune_30(desk) == {"fills": 1, "orders": 1, "alerts": 1}

    assert Order.objects.get().status == OrderStatus.WORKING


def test_open_incident_waiting_notice_and_audit_stay(bot: Bot, desk: Desk) -> None:
    make_incident(bot, subject="open", opened_at=OLD)
    make_incident(bot, subject="closed", opened_at=OLD, closed_at=OLD)
    make_notice(subject="sent", created_at=OLD, sent_at=OLD)
    make_notice(subject="given up", created_at=OLD, given_up_at=OLD)
    make_notice(subject="waiting", created_at=OLD)
    AuditEntry.objects.create(by="ada", action="flatten", subject="all", created_at=OLD)

    assert prune_30(desk) == {"incidents": 1, "notices": 2}

    assert (Incident.objects.get().subject, Notice.objects.get().subject) == ("open", "waiting")
    assert AuditEntry.objects.count() == 1


def test_pruned_bot_trades_on(bot: Bot, tell: Teller, desk: Desk, clock: FakeClock) -> None:
    tell(BLUE)
    clock.advance(31 * DAY.total_seconds())
    assert prune_30(desk) == {"fills": 1, "orders": 1, "decisions": 1, "alerts": 1}
    assert state_of(bot) == IN_LONG

    assert said(tell(DOWN, 31 * 24 * 60)) == ("EXIT", "DI_DOWN")


def test_one_call_ends_somewhere_and_the_next_goes_on(
    bot: Bot, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST_BATCHES", 2)
    for number in range(5):
        make_rejected_alert(bot.strategy, received_at=OLD + timedelta(minutes=number))

    assert prune_30(desk) == {"alerts": 4}
    assert prune_30(desk) == {"alerts": 1}
    assert prune_30(desk) == {}


@pytest.mark.parametrize(("days", "window"), [(6, 1), (0, 1), (-1, 1), (7, 7), (8, 9)])
def test_less_than_a_week_or_the_window_of_events_is_refused(desk: Desk, days: int, window: int) -> None:
    with pytest.raises(TooYoung):
        prune(START, days, window * DAY)


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("prune", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_command_deletes_and_says_what(desk: Desk, settings: Settings) -> None:
    make_story(make_bot())
    settings.KEEP_HISTORY_DAYS = 0

    assert run()[0] == 2
    assert run("--keep-days", "3") == (2, str(TooYoung.__doc__))
    assert run("--keep-days", "30") == (
        0,
        "1 fills, 1 orders, 1 decisions, 1 alerts\nDeleted 4 rows older than 30 days.\n",
    )


def test_task_deletes_nothing_unless_it_was_set(desk: Desk, settings: Settings) -> None:
    make_story(make_bot())

    settings.KEEP_HISTORY_DAYS = 0
    tasks.prune()
    assert Alert.objects.count() == 1
    settings.KEEP_HISTORY_DAYS = 30
    tasks.prune()
    assert Alert.objects.count() == 0
