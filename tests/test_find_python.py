import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "find-python"


def program(path: Path, line: str) -> Path:
    """Return a program of one shell line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def find(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the search with nothing of this machine in sight but its system folders."""
    environment = {"HOME": str(home), "PATH": f"{home / 'bin'}{os.pathsep}/usr/bin:/bin", **more}
    return subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def version_of(interpreter: str) -> tuple[int, ...]:
    command = [interpreter, "-c", "import sys; print(*sys.version_info[:2])"]
    return tuple(map(int, subprocess.check_output(command, text=True).split()))


def test_shim_that_refuses_is_passed_over_for_one_beside_it(tmp_path: Path) -> None:
    minor = sys.version_info[1]
    program(tmp_path / "bin" / f"python3.{minor}", "echo 'pyenv: command not found' >&2; exit 127")
    program(tmp_path / "bin" / "python3", "exit 127")
    beside = tmp_path / ".pyenv" / "versions" / f"3.{minor}.9" / "bin" / f"python3.{minor}"
    program(beside, f'exec {sys.executable} "$@"')

    found = find(tmp_path)

    assert found.returncode == 0, found.stderr
    assert version_of(found.stdout.strip()) >= (3, 12)


def test_named_interpreter_decides(tmp_path: Path) -> None:
    named = program(tmp_path / "odd place" / "python", f'exec {sys.executable} "$@"')

    found = find(tmp_path, PYTHON=str(named))

    assert version_of(found.stdout.strip()) == sys.version_info[:2]


def test_named_interpreter_that_does_not_do_is_refused(tmp_path: Path) -> None:
    named = program(tmp_path / "python", "exit 1")

    found = find(tmp_path, PYTHON=str(named))

    assert found.returncode == 1
    assert f"PYTHON={named} is no CPython 3.12 or newer" in found.stderr
