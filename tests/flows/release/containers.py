"""The running copies of functions: the stored package, unpacked and kept warm as Lambda keeps it."""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.flows.functions import Function
from tests.flows.packages import unpack


class Containers:
    """One warm copy of each function. When its code or its variables change, the old copy ends first."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, Function]] = {}

    def invoke(self, name: str, code: bytes, environ: Mapping[str, str], event: Mapping[str, Any]) -> Any:
        """Return what a function answers to an event; `{"errorType": …}` where it ends with an error."""
        key = hashlib.sha256(code + repr(sorted(environ.items())).encode()).hexdigest()[:16]
        with self._lock:
            kept, function = self._running.get(name, ("", None))
            if function is None or kept != key:
                if function:
                    function.stop()
                function = self._start(name, code, environ)
                self._running[name] = key, function
            return function.invoke(event)

    def stop(self) -> None:
        for _, function in self._running.values():
            function.stop()

    def _start(self, name: str, code: bytes, environ: Mapping[str, str]) -> Function:
        folder = self._root / hashlib.sha256(code).hexdigest()[:16]
        if not folder.exists():
            folder.mkdir()
            package = folder / "package.zip"
            package.write_bytes(code)
            unpack(package, folder)
        return Function(folder / "task", folder / "runtime", environ, self._root / f"{name}.log")
