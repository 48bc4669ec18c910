import getpass
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from broker.base import BrokerNotReached
from tests.builders import make_bot, make_incident, set_held
from tests.fakes import FakeBroker, FakeLinks
from tradedesk.models import AuditEntry, IncidentKind, TradingState
from tradedesk.services.desk import Desk

pytestmark = pytest.mark.usefixtures("desk")


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code of `kill_switch` and what it printed."""
    out = io.StringIO()
    try:
        call_command("kill_switch", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def mode_of(scope: str) -> str:
    return TradingState.objects.get(scope=scope).mode


def test_on_halts_and_says_who_it_was() -> None:
    code, text = run("on", "--reason", "odd fills")

    assert (code, mode_of("all")) == (0, "HALTED")
    assert text == (
        "all: Halted (HALTED)\n"
        f"Switch of this scope engaged, mode halt by {getpass.getuser()} at 2026-11-23T15:00:00Z: odd fills\n"
    )
    assert AuditEntry.objects.get().by == getpass.getuser()


def test_on_needs_no_redis(settings: Settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}

    assert run("on")[0] == 0
    assert mode_of("all") == "HALTED"


def test_on_for_one_account_leaves_the_rest() -> None:
    make_bot()

    run("on", "--scope", "account:paper", "--mode", "reduce")

    assert (mode_of("all"), mode_of("account:paper")) == ("ACTIVE", "REDUCING")


def test_mode_flatten_closes_and_needs_no_redis(broker: FakeBroker, settings: Settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    set_held(make_bot(), 1)
    broker.hold("MESZ6", 1)

    code, text = run("on", "--mode", "flatten", "--json")

    answer: dict[str, Any] = json.loads(text)
    assert (code, answer["flat"], answer["mode"], len(answer["orders"])) == (0, True, "halt", 1)
    assert (broker.held(), mode_of("all")) == (0, "HALTED")


def test_mode_flatten_that_is_not_flat_exits_1_and_stays_halted(links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")

    code, text = run("on", "--mode", "flatten")

    assert (code, mode_of("all")) == (1, "HALTED")
    assert "NOT FLAT" in text
    assert "  paper: connection refused\n" in text


def test_status_tells_narrower_halts_and_flattens_that_go_on(links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")
    call_command_quietly("flatten", "--scope", "account:paper")
    run("on", "--scope", "bot:mes-paper", "--reason", "odd fills")

    code, text = run("status")
    _, as_json = run("status", "--json")

    assert code == 0
    assert text == (
        "all: Trading on (ACTIVE)\n"
        "Within it, account:paper is on its own: Entries blocked (REDUCING)\n"
        "Within it, bot:mes-paper is on its own: Halted (HALTED)\n"
        f"Flattening account:paper since 2026-11-23T15:00:00Z, by {getpass.getuser()}: try 1, "
        "last look 2026-11-23T15:00:09.500000Z: paper: connection refused\n"
    )
    answer = json.loads(as_json)
    assert [within["scope"] for within in answer["within"]] == ["account:paper", "bot:mes-paper"]
    assert [wish["tries"] for wish in answer["flattening"]] == [1]


def test_flatten_that_goes_on_is_cancelled_once(links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")
    assert call_command_quietly("flatten") == 1

    assert call_command_quietly("flatten", "--cancel", "--reason", "closed by hand") == 0
    assert call_command_quietly("flatten", "--cancel") == 1
    assert mode_of("all") == "REDUCING"


def call_command_quietly(*arguments: str) -> int:
    """Return the exit code of a command."""
    try:
        call_command(*arguments, stdout=io.StringIO())
    except SystemExit as end:
        return int(end.code or 0)
    except CommandError as error:
        return error.returncode
    return 0


def test_off_without_a_reason_is_wrong_use() -> None:
    run("on")

    code, text = run("off")

    assert (code, text) == (2, 'Say why trading may go on: --reason "…"')
    assert mode_of("all") == "HALTED"


def test_off_on_clean_books_lets_trading_go_on() -> None:
    make_bot()
    run("on")

    code, text = run("off", "--reason", "fixed")

    assert (code, mode_of("all")) == (0, "ACTIVE")
    assert text.startswith("all: Trading on (ACTIVE)\n")


def test_off_with_a_difference_exits_1_and_shows_it(broker: FakeBroker) -> None:
    bot = make_bot()
    make_incident(bot, IncidentKind.AMBIGUOUS_EVENTS)
    broker.hold("MESZ6", 1)
    run("on")

    code, text = run("off", "--reason", "fixed")

    assert (code, mode_of("all")) == (1, "HALTED")
    assert text == (
        "The broker and the desk disagree, or an incident is open. Trading stays off.\n"
        "difference         subject    contract  broker  booked\n"
        "POSITION_MISMATCH  mes-paper  MESZ6     1       0\n"
        "Two opposite events of one indicator have the same time: mes-paper. "
        "Look at the account at the broker.\n"
    )


def test_off_that_is_not_clean_says_so_in_json(broker: FakeBroker) -> None:
    make_bot()
    broker.hold("MESZ6", 1)
    run("on")

    code, text = run("off", "--reason", "fixed", "--json")

    answer = json.loads(text)
    assert (code, answer["code"], len(answer["differences"])) == (1, "NOT_CLEAN", 1)


def test_off_without_the_brokers_word_exits_1(links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")
    run("on")

    code, text = run("off", "--reason", "fixed")

    assert (code, mode_of("all")) == (1, "HALTED")
    assert "trading stays off: paper: connection refused" in text


def test_status_exits_0_while_trading_is_on() -> None:
    code, text = run("status", "--json")

    assert (code, json.loads(text)["trading_state"]) == (0, "ACTIVE")


@pytest.mark.parametrize("mode", ["halt", "reduce"])
def test_status_exits_1_while_trading_is_not_on(mode: str) -> None:
    run("on", "--mode", mode)

    assert run("status")[0] == 1


def test_status_of_a_bot_exits_1_under_a_wider_switch() -> None:
    make_bot()
    run("on")

    code, text = run("status", "--scope", "bot:mes-paper")

    assert code == 1
    assert text == (
        "bot:mes-paper: Halted (HALTED)\nA wider switch is engaged; see --scope all or the account's.\n"
    )


@pytest.mark.parametrize("act", ["on", "off", "status"])
def test_unknown_scope_is_wrong_use(act: str) -> None:
    code, text = run(act, "--scope", "bot:nobody", "--reason", "x")

    assert (code, text) == (2, "There is no scope “bot:nobody”. It is all, account:NAME or bot:SLUG.")


def test_engaging_in_the_command_shows_in_the_desk(desk: Desk) -> None:
    run("on", "--reason", "x" * 600)

    assert len(TradingState.objects.get(scope="all").reason) == 500
