import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings

from tests.builders import make_alert, make_bot, make_decision, make_fill, make_incident, make_order
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.receiver import Receiver, ReceiverServer
from tests.telling import BLUE, RED
from tradedesk import tasks
from tradedesk.models import (
    Bot,
    Cause,
    Fill,
    IncidentKind,
    Notice,
    NoticeKind,
    OrderStatus,
    Reason,
    TradingMode,
)
from tradedesk.models.ids import earlier, new_id
from tradedesk.services import incidents
from tradedesk.services.desk import Desk
from tradedesk.services.halting.trading_state import set_mode
from tradedesk.services.reports.channels import UnreadableAddress, channels_of
from tradedesk.services.reports.notices import tell, thing
from tradedesk.services.reports.sending import send_notices
from tradedesk.services.reports.telling import tell_what_happened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with ReceiverServer() as server:
        yield server.receiver


@pytest.fixture
def second() -> Iterator[Receiver]:
    with ReceiverServer() as server:
        yield server.receiver


def write(number: int = 1, kind: NoticeKind = NoticeKind.FILL) -> Notice:
    tell(kind, thing("test", number), f"subject {number}", f"text {number}", START)
    return Notice.objects.get(kind=kind, about=thing("test", number))


def send(desk: Desk, *receivers: Receiver) -> tuple[int, int]:
    done = send_notices(desk, channels_of([receiver.url for receiver in receivers]))
    return done.messages, done.failures


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("id").values_list("kind", "subject"))


def test_notice_reaches_the_receiver_once(desk: Desk, receiver: Receiver, clock: FakeClock) -> None:
    write()

    assert send(desk, receiver) == (1, 0)
    clock.advance(3600)
    assert send(desk, receiver) == (0, 0)

    assert [(m["title"], m["message"]) for m in receiver.messages] == [("subject 1", "text 1")]
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.tries, notice.last_error) == (START, 1, "")


def test_same_thing_is_told_once(desk: Desk) -> None:
    assert tell(NoticeKind.FILL, thing("a"), "first", "", START) is True
    assert tell(NoticeKind.FILL, thing("a"), "again", "", START) is False

    assert told() == [("fill", "first")]


def test_notice_is_gone_with_the_transaction_of_what_it_tells(desk: Desk) -> None:
    bot = make_bot()
    with transaction.atomic():
        incidents.open_incident(
            IncidentKind.POSITION_MISMATCH, account=bot.account, bot=bot, subject="x", seen={}, now=START
        )
        transaction.set_rollback(True)

    assert told() == []


def test_burst_becomes_one_summary(desk: Desk, receiver: Receiver) -> None:
    for number in range(1, 24):
        write(number)

    assert send(desk, receiver) == (1, 0)

    (message,) = receiver.messages
    assert message["title"] == "23 notices: fill"
    lines = message["message"].splitlines()
    every = {f"15:00:00 subject {number}" for number in range(1, 24)}
    assert len(every.intersection(lines[:20])) == 20
    assert lines[20:] == ["and 3 more"]
    assert Notice.objects.exclude(sent_at=None).count() == 23


def test_kind_that_sent_five_in_a_minute_waits(desk: Desk, receiver: Receiver, clock: FakeClock) -> None:
    for number in range(1, 6):
        write(number)
    assert send(desk, receiver) == (5, 0)
    write(6)
    write(6, NoticeKind.INCIDENT)

    clock.advance(30)
    assert send(desk, receiver) == (1, 0)
    assert receiver.subjects[-1] == "subject 6"
    assert Notice.objects.get(sent_at=None).kind == NoticeKind.FILL
    clock.advance(31)
    assert send(desk, receiver) == (1, 0)

    assert len(receiver.messages) == 7


def test_refused_message_is_tried_again_with_growing_pauses(
    desk: Desk, receiver: Receiver, clock: FakeClock
) -> None:
    receiver.statuses = [500, 500]
    write()

    assert send(desk, receiver) == (0, 1)
    assert Notice.objects.get().last_error == "JSON (1): HTTP 500"
    clock.advance(14)
    assert send(desk, receiver) == (0, 0)
    clock.advance(1)
    assert send(desk, receiver) == (0, 1)
    clock.advance(29)
    assert send(desk, receiver) == (0, 0)
    clock.advance(1)
    assert send(desk, receiver) == (1, 0)

    assert receiver.subjects == ["subject 1"]
    assert Notice.objects.get().tries == 3


def test_channel_that_took_it_does_not_get_it_again_for_another_ones_sake(
    desk: Desk, receiver: Receiver, second: Receiver, clock: FakeClock
) -> None:
    second.statuses = [503]
    write()

    assert send(desk, receiver, second) == (0, 1)
    clock.advance(15)
    assert send(desk, receiver, second) == (1, 0)

    assert (receiver.subjects, second.subjects) == (["subject 1"], ["subject 1"])


def test_address_nobody_listens_at_is_not_named(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    with ReceiverServer() as server:
        url = server.receiver.url
    write()

    assert send_notices(desk, channels_of([url])).failures == 1

    assert Notice.objects.get().last_error == "JSON (1): no connection, or refused"
    assert "hidden" not in "".join(capfd.readouterr()) + repr(channels_of([url]))
    stored = str(Notice.objects.values().get())
    assert "hidden" not in stored


def test_crash_before_it_is_written_down_sends_it_a_second_time(
    desk: Desk, receiver: Receiver, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise SystemExit

    write()
    with monkeypatch.context() as patch:
        patch.setattr("tradedesk.models.Notice.objects.bulk_update", crash)
        with pytest.raises(SystemExit):
            send(desk, receiver)

    assert send(desk, receiver) == (0, 0)
    clock.advance(120)
    assert send(desk, receiver) == (1, 0)

    assert receiver.subjects == ["subject 1", "subject 1"]


def test_day_old_notice_is_told_nobody(desk: Desk, receiver: Receiver, clock: FakeClock) -> None:
    write()
    clock.advance(timedelta(hours=24, seconds=1).total_seconds())

    assert send(desk, receiver) == (0, 0)

    assert receiver.messages == []
    assert Notice.objects.get().given_up_at == clock.now()


def test_without_an_address_nothing_waits_for_a_later_one(desk: Desk, receiver: Receiver) -> None:
    write()
    send_notices(desk, [])

    assert send(desk, receiver) == (0, 0)

    assert receiver.messages == []
    assert Notice.objects.get().last_error == "NOTIFY_URLS is empty."


def test_unreadable_address_is_named_by_its_place(receiver: Receiver) -> None:
    with pytest.raises(UnreadableAddress) as error:
        channels_of([receiver.url, "nothing://hidden"])

    assert str(error.value) == "Address 2 of NOTIFY_URLS is none that apprise knows."


def test_entry_is_told_by_the_sweep_and_not_by_the_request(tell: Teller, desk: Desk) -> None:
    tell(BLUE)
    assert told() == []

    assert tell_what_happened(desk.now()) == 1
    assert tell_what_happened(desk.now()) == 0

    assert told() == [("fill", "Bought 1 MESZ6 at 6842.25, mes-paper")]
    assert Notice.objects.get().text == "Account paper (paper)."


def test_fill_committed_late_with_an_earlier_id_is_told(bot: Bot, desk: Desk) -> None:
    order = make_order(bot)
    newest = new_id()
    make_fill(order, id=newest)
    tell_what_happened(desk.now())
    make_fill(order, id=earlier(newest, 300))

    assert tell_what_happened(desk.now()) == 1


def test_sweep_goes_on_where_it_stopped_when_there_is_much(
    bot: Bot, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradedesk.services.reports.telling.MOST_AT_ONCE", 2)
    order = make_order(bot)
    for _ in range(5):
        make_fill(order)

    assert [tell_what_happened(desk.now()) for _ in range(4)] == [2, 2, 1, 0]

    assert Fill.objects.count() == 5


def test_refusal_worth_knowing_is_told_with_its_remedy(bot: Bot, desk: Desk) -> None:
    late = make_decision(
        make_alert(bot.strategy),
        bot,
        action="NONE",
        reason=Reason.TOO_OLD,
        detail={"figures": "75.0 s old, at most 60 s"},
    )

    tell_what_happened(desk.now())

    notice = Notice.objects.get(about=late.pk)
    assert (notice.kind, notice.subject) == ("refusal", "mes-paper: LONG_ENTRY MES1! refused, TOO_OLD")
    assert notice.text.splitlines() == [
        "The event that calls for this opening is too old.",
        "75.0 s old, at most 60 s",
        "The next colour change enters. Look at TradingView's delay and MAX_ALERT_AGE_S.",
    ]


@pytest.mark.parametrize("reason", [Reason.HALTED, Reason.NOT_WAITING, Reason.SESSION_CLOSED, Reason.DI_UP])
def test_routine_is_not_told(bot: Bot, desk: Desk, reason: Reason) -> None:
    make_decision(make_alert(bot.strategy), bot, action="NONE", reason=reason)

    assert tell_what_happened(desk.now()) == 0


def test_rejected_order_is_told_in_the_brokers_words(tell: Teller, desk: Desk, broker: FakeBroker) -> None:
    broker.reject("MaxPosLimitReached")
    tell(BLUE)

    tell_what_happened(desk.now())

    assert told() == [("order", "Rejected: BUY 1 MESZ6, mes-paper")]
    assert "MaxPosLimitReached" in Notice.objects.get().text


def test_order_that_ends_later_is_told_then(bot: Bot, desk: Desk) -> None:
    old = make_order(bot, id=earlier(new_id(), 5000), status=OrderStatus.WORKING)
    make_order(bot)
    assert tell_what_happened(desk.now()) == 0
    old.status, old.settled_at = OrderStatus.CANCELLED, START
    old.save()

    assert tell_what_happened(desk.now()) == 1
    assert told() == [("order", "Cancelled: BUY 1 MESZ6, mes-paper")]


def test_incident_is_told_when_it_opens_and_when_it_is_over(bot: Bot) -> None:
    def see(held: int) -> None:
        incidents.open_incident(
            IncidentKind.POSITION_MISMATCH,
            account=bot.account,
            bot=bot,
            subject=bot.slug,
            seen={"broker": held, "booked": 0},
            now=START,
        )

    see(1)
    see(2)
    incidents.close_by_subject(IncidentKind.POSITION_MISMATCH, bot.slug, now=START, reason="It is gone.")
    incidents.close_by_subject(IncidentKind.POSITION_MISMATCH, bot.slug, now=START, reason="Again.")

    what = "The broker holds another position than the desk booked: mes-paper"
    assert sorted(told()) == [("incident", what), ("incident_closed", f"Over: {what}")]
    assert Notice.objects.get(kind="incident").text.startswith("broker 1, booked 0\nIt stops: openings of")


def test_closed_incident_is_not_told_twice(bot: Bot) -> None:
    incident = make_incident(bot)
    incidents.close(incident, now=START, reason="Settled.", by="ada")
    incidents.close(incident, now=START, reason="Settled.", by="ada")

    assert Notice.objects.get().text == "Settled. (ada)"


def test_kill_switch_is_told(bot: Bot) -> None:
    set_mode("all", TradingMode.HALTED, Cause.PERSON, "drill", "ada", START)

    assert told() == [("trading_state", "Halted: all")]
    assert Notice.objects.get().text == "By ada: drill"


def test_task_tells_and_sends(tell: Teller, receiver: Receiver, settings: Settings, clock: FakeClock) -> None:
    settings.NOTIFY_URLS = [receiver.url]
    tell(BLUE)
    tell(RED, 20)

    tasks.send_notices()

    assert sorted(receiver.subjects) == [
        "Bought 1 MESZ6 at 6842.25, mes-paper",
        "Sold 2 MESZ6 at 6842.25, mes-paper",
    ]


def notify(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("notify", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_command_sends_a_test_message(desk: Desk, receiver: Receiver, settings: Settings) -> None:
    settings.NOTIFY_URLS = [receiver.url]

    assert notify("--test") == (0, "channel   result\nJSON (1)  delivered\n")
    receiver.statuses = [401]
    assert notify("--test") == (1, "channel   result\nJSON (1)  NOT DELIVERED: JSON (1): HTTP 401\n")

    assert receiver.subjects == ["TradeDesk test"]


def test_command_sends_what_is_due(desk: Desk, receiver: Receiver, settings: Settings) -> None:
    settings.NOTIFY_URLS = [receiver.url]
    write()

    assert notify() == (0, "Delivered: 1. Not delivered: 0.\n")


def test_command_without_an_address_is_wrong_use(desk: Desk, settings: Settings) -> None:
    settings.NOTIFY_URLS = []

    assert notify("--test") == (2, "NOTIFY_URLS is empty.")


def test_list_shows_what_became_of_a_notice(panel: Client, desk: Desk) -> None:
    write()
    send_notices(desk, [])

    html = panel.get("/admin/tradedesk/notice/").content.decode()

    assert "subject 1" in html
    assert "not sent" in html
