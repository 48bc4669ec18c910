import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tradedesk import desk_file
from tradedesk.management.launcher.supervisor import Trouble
from tradedesk.services.alerts.tokens import new_token

HOST = "127.0.0.1"
USUAL_PORT = 8000
# Below the ports that systems hand out for outgoing connections: such a one could be busy at the next start.
INNER_PORTS = range(20_000, 30_000)
FREED_WITHIN_S = 5.0


@dataclass(frozen=True)
class Plan:
    """Where the desk runs and what it needs. The ports of programs that are not started here are None."""

    var: Path
    port: int
    redis_port: int | None
    paper_port: int | None
    desk: dict[str, Any]

    @property
    def file(self) -> Path:
        return self.var / "desk.json"

    @property
    def on_sqlite(self) -> bool:
        return str(self.desk["database_url"]).startswith("sqlite")

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the desk's processes."""
        return {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "tradedesk.settings",
            "DESK_LOCAL": "true",
            "DESK_VAR": str(self.var),
            "DATABASE_URL": self.desk["database_url"],
            "REDIS_URL": self.desk["redis_url"],
            "PAPER_BROKER_URL": self.desk["paper_broker_url"],
            "PYTHONUNBUFFERED": "1",
        }


def make_plan(var: Path, given: Mapping[str, str]) -> Plan:
    """Return the plan of this start: what the environment gives, what the last start chose, or a new choice.

    Raises Trouble where a port is taken or none.
    """
    before = desk_file.read(var / "desk.json")
    port = _web_port(given.get("PORT", ""), before)
    redis_url, redis_port = given.get("REDIS_URL", ""), None
    if not redis_url:
        redis_url, redis_port = _inner(before.get("redis_url"), "the embedded Redis", "redis_url", _redis_url)
    paper_url, paper_port = given.get("PAPER_BROKER_URL", ""), None
    if not paper_url:
        paper_url, paper_port = _inner(
            before.get("paper_broker_url"), "the paper broker", "paper_broker_url", _paper_url
        )
    token = before.get("webhook_token") or new_token()
    base_url = f"http://{HOST}:{port}"
    desk: dict[str, Any] = {
        "base_url": base_url,
        "webhook_url": f"{base_url}/webhooks/tradingview/{token}/",
        "webhook_token": token,
        "admin_user": before.get("admin_user") or "admin",
        "admin_password": before.get("admin_password") or secrets.token_urlsafe(15),
        "api_token": before.get("api_token") or secrets.token_hex(32),
        "paper_broker_url": paper_url,
        "redis_url": redis_url,
        "database_url": given.get("DATABASE_URL", "") or f"sqlite:///{var / 'desk.sqlite3'}",
        "pids": {},
    }
    return Plan(var, port, redis_port, paper_port, desk)


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _web_port(given: str, before: Mapping[str, Any]) -> int:
    remembered = urlsplit(before.get("base_url", "")).port
    if given and not (given.isdecimal() and 0 < int(given) < 65_536):
        raise Trouble(f"PORT={given} is no port; give a number from 1 to 65535.")
    port = int(given) if given else remembered or USUAL_PORT
    if not _is_freed(port, before):
        why = "" if given or not remembered else ", where this desk ran before,"
        raise Trouble(
            f"Port {port}{why} is taken by another program. "
            f"Stop that one, or choose: PORT={port + 1} make run"
        )
    return port


def _inner(remembered: str | None, program: str, key: str, address: Callable[[int], str]) -> tuple[str, int]:
    """Return the address and the port of a program that this desk starts for itself."""
    port = urlsplit(remembered or "").port
    if not (remembered and port and urlsplit(remembered).hostname == HOST and port in INNER_PORTS):
        port = next(port for port in _shuffled(INNER_PORTS) if is_free(port))
        return address(port), port
    if not _is_freed(port, {"pids": True}):
        raise Trouble(
            f"Port {port}, where {program} of this desk ran before, is taken by another program. "
            f"Stop that one, or take {key} out of var/desk.json to have another port chosen."
        )
    return remembered, port


def _is_freed(port: int, before: Mapping[str, Any]) -> bool:
    """Tell whether a port is free, after a wait for what a launcher that was killed has left behind."""
    give_up_at = time.monotonic() + (FREED_WITHIN_S if before.get("pids") else 0)
    while not is_free(port):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(0.1)
    return True


def _shuffled(ports: range) -> list[int]:
    return secrets.SystemRandom().sample(ports, len(ports))


def _redis_url(port: int) -> str:
    return f"redis://:{secrets.token_urlsafe(18)}@{HOST}:{port}/0"


def _paper_url(port: int) -> str:
    return f"http://{HOST}:{port}/v1"
