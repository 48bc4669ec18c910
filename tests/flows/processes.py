"""Processes that a flow test starts: the web server, and commands of manage.py."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path

from tests.waiting import until

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 60.0


class Web:
    """A granian server with some workers, in a process group of its own; its output goes to `said`.

    It runs the code in `root`.
    `command` is the command to use in place of the usual one; only its port is changed.
    """

    def __init__(
        self,
        port: int,
        environ: Mapping[str, str],
        said: Path,
        *,
        workers: int = 1,
        threads: int = 8,
        root: Path = ROOT,
        command: Sequence[str] = (),
    ) -> None:
        self.port = port
        self.said = said
        self._root = root
        self._workers = workers
        self._environ = {**os.environ, **environ}
        self._command = _with_port(command, port) or [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads)),
            *("--no-ws", "--http", "1", "--no-access-log", "tradedesk.wsgi:application"),
        ]
        self.start_again()

    def start_again(self) -> None:
        """Start it, on the port that it had."""
        self._starts_before = self._starts()
        with self.said.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._root,
                env=self._environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_loaded(self) -> None:
        """Return once every worker has the application and takes requests."""
        until(self._is_loaded, START_WITHIN_S, f"{self._workers} workers of granian\n{self.text()}")

    def text(self) -> str:
        """Return all that the server's processes have said."""
        return self.said.read_text()

    def kill(self) -> None:
        """Kill the server and its workers at once, in the middle of what they do."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the server in good order; what it leaves behind is killed."""
        stop(self.process)
        self.kill()

    def _is_loaded(self) -> bool:
        assert self.process.poll() is None, self.text()
        if self._starts() < self._starts_before + self._workers:
            return False
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _starts(self) -> int:
        return self.text().count("Started worker-") if self.said.exists() else 0


def _with_port(command: Sequence[str], port: int) -> list[str]:
    return [
        str(port) if before == "--port" else word
        for before, word in zip(["", *command], command, strict=False)
    ]


class Program:
    """A process of the desk that listens nowhere, such as its worker; its output goes to `said`."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], said: Path) -> None:
        self.said = said
        self._command = command
        self._environ = {**os.environ, **environ}
        self.start_again()

    def start_again(self) -> None:
        with self.said.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdout=output, stderr=output
            )

    def kill(self) -> None:
        """Kill it at once, in the middle of what it does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        stop(self.process)


class Shell:
    """A process with Django loaded that runs one command of manage.py after another."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.shell"],
            cwd=ROOT,
            env={**os.environ, **environ, "LOG_LEVEL": "ERROR"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Return what a command prints on standard output."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        said: str = json.loads(self.process.stdout.readline())
        return said

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        stop(self.process)


def stop(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """End a process with SIGTERM, and with SIGKILL if it does not heed that."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def manage(environ: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of manage.py to its end, on the desk that the environment describes."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
