import getpass
import io

import pytest
from django.core.management import CommandError, call_command

from broker.base import BrokerNotReached
from tests.fakes import FakeBroker, FakeLinks
from tests.rolling import DUE, ROLLED
from tests.telling import open_incidents, sent, set_mode
from tradedesk.models import AuditEntry, Bot, Incident, TradingMode

WHY = ("--reason", "Volume has moved.")


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code of `roll` and what it printed."""
    out = io.StringIO()
    try:
        call_command("roll", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_roll_moves_the_position_and_says_who_asked(due: Incident, broker: FakeBroker) -> None:
    assert run("mes-paper", *WHY) == (0, "The old month is closed; the opening in MESH7 is filled.\n")

    assert (sent(broker), open_incidents()) == (ROLLED, [])
    entry = AuditEntry.objects.get(action="roll")
    assert (entry.by, entry.reason) == (getpass.getuser(), "Volume has moved.")


def test_roll_that_the_gate_refuses_exits_1_and_says_why(due: Incident, broker: FakeBroker) -> None:
    set_mode(TradingMode.REDUCING)

    code, text = run("mes-paper", *WHY)

    assert (code, broker.held(), open_incidents()) == (1, 1, DUE)
    assert text.startswith("Nothing was closed, for the opening would be refused: ")


def test_roll_without_the_brokers_word_exits_1(due: Incident, links: FakeLinks) -> None:
    links.down["paper"] = BrokerNotReached("no route")

    assert run("mes-paper", *WHY) == (1, "Look at the bot, then ask again: no route")


def test_bot_with_nothing_to_be_left_is_not_rolled(bot: Bot) -> None:
    assert run("mes-paper", *WHY) == (1, "No incident says that mes-paper holds a month to be left.")


@pytest.mark.parametrize("arguments", [("no-such-bot", *WHY), ("mes-paper", "--reason", " "), ("mes-paper",)])
def test_roll_of_no_bot_or_without_a_reason_is_wrong_use(bot: Bot, arguments: tuple[str, ...]) -> None:
    code, _ = run(*arguments)

    assert code == 2
