"""The running copies of functions: the stored package, unpacked and kept warm as Lambda keeps it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUNTIME = Path(__file__).with_name("runtime.py")
# What Lambda's own Python brings along.
BROUGHT = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")


class Container:
    """A copy of a function in a fresh interpreter, with nothing but its package and Lambda's boto3."""

    def __init__(self, folder: Path, handler: str, environ: Mapping[str, str], said: Path) -> None:
        self._lock = threading.Lock()
        self._said = said.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", RUNTIME, handler, folder, brought()],
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"result": …}` or `{"error": TEXT}`; one event at a time."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(event) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "Runtime exited"}
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            assert pipe
            pipe.close()


class Containers:
    """One warm copy of each function. Another code or other variables: the old copy ends first."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, Container]] = {}

    def get(self, name: str, code: bytes, handler: str, environ: Mapping[str, str]) -> Container:
        """Return the running copy of a function, started where there is none of this code."""
        key = hashlib.sha256(code + json.dumps(environ, sort_keys=True).encode()).hexdigest()
        with self._lock:
            kept, container = self._running.get(name, ("", None))
            if container and kept != key:
                container.stop()
            if not container or kept != key:
                container = Container(self._unpack(code), handler, environ, self._root / f"{name}.log")
                self._running[name] = key, container
            return container

    def stop(self) -> None:
        for _, container in self._running.values():
            container.stop()

    def _unpack(self, code: bytes) -> Path:
        folder = self._root / hashlib.sha256(code).hexdigest()[:16]
        if not folder.exists():
            with zipfile.ZipFile(io.BytesIO(code)) as package:
                package.extractall(folder)
        return folder


def brought() -> Path:
    """Return a folder with what Lambda's Python has of its own."""
    import boto3

    source = Path(boto3.__file__).parents[1]
    folder = Path(tempfile.gettempdir()) / f"lambda-python-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    for name in BROUGHT:
        if not (folder / name).exists():
            (folder / name).symlink_to(source / name)
    return folder
