"""A process of an older version that a deploy left running beside the new one."""

import shutil
from pathlib import Path

from tests import embedded
from tests.flows.conftest import OpenDesk
from tests.flows.databases import Row
from tests.flows.desks import Desk
from tests.flows.processes import ROOT, Web
from tests.waiting import until
from tradedesk.settings import VERSION

OLDER = "0.0.9"
SWITCH = "/api/v1/kill-switch/"
RELEASE = {"engaged": False, "scope": "all", "reason": "the old one is gone"}


def older_checkout(folder: Path) -> Path:
    """Return a copy of the desk's code that is of an older version."""
    for part in ("broker", "strategy", "tradedesk", "templates"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    settings = folder / "tradedesk" / "settings.py"
    settings.write_text(settings.read_text().replace(f'VERSION = "{VERSION}"', f'VERSION = "{OLDER}"'))
    return folder


def trading_state(desk: Desk) -> str:
    (row,) = desk.database.rows("SELECT mode FROM tradedesk_tradingstate WHERE scope = 'all'")
    return str(row["mode"])


def open_mismatches(desk: Desk) -> list[Row]:
    return desk.database.rows(
        "SELECT subject FROM tradedesk_incident WHERE kind = 'VERSION_MISMATCH' AND closed_at IS NULL"
    )


def let_it_be_dead_for_half_a_minute(desk: Desk, version: str) -> None:
    """Make the last sign of life of a version so much older."""
    older = "seen_at = seen_at - interval '30 seconds'"
    assert desk.database.rows(
        f"UPDATE tradedesk_runningprocess SET {older} WHERE version = %s RETURNING 1", version
    )


def test_older_process_beside_a_new_one_stops_openings_until_it_is_gone_and_a_person_releases(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    with open_desk() as desk:
        bot = desk.next_bot()
        assert desk.send(bot, "blue", "09:00").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
        older = older_checkout(tmp_path / "older")
        old = Web(embedded.free_port(), desk.environ, tmp_path / "older.log", root=older)
        desk.webs.append(old)
        old.wait_until_loaded()

        until(lambda: trading_state(desk) == "REDUCING", 45, "REDUCING")
        told = desk.database.rows("SELECT text FROM tradedesk_notice WHERE kind = 'trading_state'")
        assert [(OLDER in row["text"], VERSION in row["text"]) for row in told] == [(True, True)]
        assert desk.send(bot, "red", "09:10").summary == ("EXIT", "VERSION_MISMATCH", "filled")
        refused = desk.api("POST", SWITCH, RELEASE)
        assert (refused.status, refused.body["code"]) == (409, "NOT_CLEAN")

        old.stop()
        let_it_be_dead_for_half_a_minute(desk, OLDER)
        until(lambda: not open_mismatches(desk), 30, "the end of the incidents")
        assert trading_state(desk) == "REDUCING"
        assert desk.api("POST", SWITCH, RELEASE).status == 200
        assert desk.send(bot, "blue", "09:20").summary == ("ENTER_LONG", "TREND_BLUE", "filled")
