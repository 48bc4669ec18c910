import io
import json

import pytest
from django.core.management import CommandError, call_command

from broker.base import BrokerNotReached, BrokerOutcomeUnknown
from tests.builders import make_account, make_alert, make_bot, make_order, set_held
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk.models import Account, Decision, Instrument, Order

pytestmark = pytest.mark.usefixtures("desk")


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code of a command and what it printed."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_flatten_closes_what_is_held(broker: FakeBroker) -> None:
    set_held(make_bot(), 2)
    broker.hold("MESZ6", 2)

    code, text = run("flatten", "--reason", "roll")

    assert (code, broker.held()) == (0, 0)
    assert text == (
        "order  contract  quantity  status\n"
        "SELL   MESZ6     2         filled\n"
        "Flat: the broker showed nothing held or working, twice.\n"
    )


def test_flatten_in_json_has_the_shape_of_the_api() -> None:
    make_bot()

    code, text = run("flatten", "--scope", "bot:mes-paper", "--json")

    assert (code, json.loads(text)) == (0, {"flat": True, "positions": [], "orders": []})


def test_flatten_that_does_not_come_through_exits_1(broker: FakeBroker) -> None:
    set_held(make_bot(), 1)
    broker.hold("MESZ6", 1)
    broker.fills_at_once = False
    broker.fail("cancel", BrokerOutcomeUnknown("time-out"), times=100)

    code, text = run("flatten")

    assert code == 1
    assert "NOT FLAT" in text


def test_flatten_of_unknown_scope_is_wrong_use() -> None:
    assert run("flatten", "--scope", "bot:nobody")[0] == 2


def test_reconcile_of_equal_books_exits_0() -> None:
    make_bot()

    assert run("reconcile") == (0, "Clean: 1 account compared, no difference.\n")


def test_reconcile_with_a_difference_exits_1(broker: FakeBroker) -> None:
    make_bot()
    broker.hold("MESZ6", -1)

    code, text = run("reconcile", "--account", "paper")

    assert code == 1
    assert text == ("difference         subject    broker  booked\nPOSITION_MISMATCH  mes-paper  -1      0\n")


def test_reconcile_goes_on_after_an_account_that_does_not_answer(links: FakeLinks, clock: FakeClock) -> None:
    make_account("first")
    make_account("second")
    links.down["first"] = BrokerNotReached("connection refused")
    clock.advance(60)

    code, text = run("reconcile", "--json")

    assert code == 1
    assert json.loads(text) == {
        "clean": False,
        "differences": [],
        "incidents": [],
        "unread": {"first": "connection refused"},
    }
    assert Account.objects.get(name="second").reconciled_at == clock.now()


def test_reconcile_of_unknown_account_is_wrong_use() -> None:
    assert run("reconcile", "--account", "nobody") == (2, "There is no account “nobody”.")


def test_recover_with_nothing_left_behind_exits_0() -> None:
    assert run("recover") == (0, "Nothing was left behind.\n")


def test_recover_decides_an_alert_that_was_left_behind(clock: FakeClock, broker: FakeBroker) -> None:
    make_alert(make_bot().strategy)
    clock.advance(30)

    code, text = run("recover")

    assert code == 0
    assert Decision.objects.get().action == "ENTER_LONG"
    assert "ENTER_LONG TREND_BLUE" in text
    assert broker.held() == 1


def test_recover_waits_and_exits_1_while_an_order_stays_open(clock: FakeClock) -> None:
    make_order(make_bot(), status="unconfirmed", broker_order_id=None, client_order_id="td-lost")
    clock.advance(10)
    before = clock.monotonic()

    code, text = run("recover", "--wait", "20")

    assert code == 1
    assert "BUY 1 MESZ6 td-lost" in text
    assert text.splitlines()[0].split() == ["what", "subject", "outcome"]
    assert text.rstrip().endswith("open")
    assert clock.monotonic() - before == 20


def test_recover_in_json_counts_what_is_open(clock: FakeClock) -> None:
    order = make_order(make_bot(), status="unconfirmed", broker_order_id=None)
    clock.advance(10)

    code, text = run("recover", "--wait", "0", "--json")

    answer = json.loads(text)
    assert (code, answer["open"], len(answer["rows"])) == (1, 1, 1)
    assert answer["rows"][0]["subject"] == f"BUY 1 MESZ6 {order.client_order_id}"
    assert Order.objects.get().status == "unconfirmed"


@pytest.mark.parametrize("command", ["kill_switch", "flatten", "reconcile", "recover"])
def test_help_teaches_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call_command(command, "--help")

    text = capsys.readouterr().out
    assert end.value.code == 0
    assert f"examples:\n  manage.py {command}" in text
    assert "Exit codes\n0  " in text


def test_refresh_costs_writes_fee_and_margin_down(broker: FakeBroker) -> None:
    make_bot()

    assert run("refresh_costs") == (0, "MES      fee 0.8500, margin 2398.00\n")

    broker.fail("costs", BrokerNotReached("connection refused"))
    Instrument.objects.update(fee=None)
    assert run("refresh_costs") == (1, "MES      fee not known, margin 2398.00\n1 could not be read.\n")
