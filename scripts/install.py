"""Brings .venv in step with a lock file, `local`, `server` or `dev`; or .venv-lambda, for `lambda`."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Zappa packs all of its environment, so that one lies apart.
VENVS = dict.fromkeys(("local", "server", "dev"), ROOT / ".venv") | {"lambda": ROOT / ".venv-lambda"}
STAMP = "installed.json"
# Present while pip works: an environment left half-way is made anew.
UNFINISHED = "unfinished"
# What each install satisfies: the packages of `dev` include those of `local`.
COVERS = {"local": ["local"], "dev": ["local", "dev"], "server": ["server"], "lambda": ["lambda"]}
TELL_EVERY = 10
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Install what the named lock file asks for, unless it is installed already."""
    if len(sys.argv) != 2 or sys.argv[1] not in COVERS:
        say("usage: scripts/setup local|server|dev|lambda")
        return 2
    try:
        with alone():
            code = bring_in_step(sys.argv[1])
            if code == 0 and sys.argv[1] == "dev":
                provide_chromium()
            return code
    except KeyboardInterrupt:
        say("Interrupted. The same command goes on from here.")
        return 130


def bring_in_step(which: str) -> int:
    """Make the environment where there is none, install, note what was installed; return an exit code."""
    venv = VENVS[which]
    if is_current(which):
        return 0
    if not is_usable(venv):
        say(f"Making {venv.name} with Python {sys.version.split()[0]}")
        base = getattr(sys, "_base_executable", sys.executable)
        if subprocess.run([base, "-m", "venv", "--clear", venv], check=False).returncode:
            say(f"{base} could not make a virtual environment in {venv}.")
            return 1
    (venv / UNFINISHED).touch()
    (venv / STAMP).unlink(missing_ok=True)
    if not install(lock_file(which), venv):
        return 1
    (venv / UNFINISHED).unlink()
    unsaved = venv / f"{STAMP}.new"
    unsaved.write_text(json.dumps({name: digest(name) for name in COVERS[which]}))
    unsaved.replace(venv / STAMP)
    return 0


def provide_chromium() -> None:
    """Install the browser that the panel is tested in, where apt may; the tests say when it is missing."""
    apt = shutil.which("apt-get")
    if any(map(shutil.which, BROWSERS)) or not apt or os.geteuid() != 0:
        return
    say("Installing Chromium for the tests of the panel")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        if subprocess.run([apt, *command], check=False, stdout=subprocess.DEVNULL, env=quiet).returncode:
            say("apt-get could not install chromium.")
            return


def is_current(which: str) -> bool:
    """Tell whether the lock file as it is now was installed here to the end."""
    venv = VENVS[which]
    if not is_usable(venv):
        return False
    try:
        installed = json.loads((venv / STAMP).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(installed.get(which) == digest(which))


def is_usable(venv: Path) -> bool:
    """Tell whether an environment has this Python, with pip, and no install was broken off in it."""
    if (venv / UNFINISHED).exists() or not (venv / "bin" / "python").exists():
        return False
    try:
        asked = subprocess.run(
            [
                venv / "bin" / "python",
                "-c",
                "import sys, importlib.util as u; print(u.find_spec('pip') and sys.version_info[:2])",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return asked.stdout.strip() == str(sys.version_info[:2])


def install(lock: Path, venv: Path) -> bool:
    """Install a lock file with pip, as the user has configured it, and tell how far it is."""
    total = sum(line[:1].isalnum() for line in lock.read_text().splitlines())
    say(f"Installing {total} packages from {lock.name}")
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--require-hashes"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "-r", str(lock)]
    pip = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
    )
    said = list(followed(pip, total))
    if pip.wait():
        say("".join(line for line in said[-40:] if "WARNING" not in line))
        say(f"pip could not install {lock.name}. The same command tries again.")
        return False
    return True


def followed(pip: subprocess.Popen[str], total: int) -> Iterator[str]:
    """Yield pip's lines and tell now and then how many packages it has."""
    count = 0
    for line in pip.stdout or ():
        yield line
        if line.startswith(("Collecting ", "Processing ")):
            count += 1
            if count % TELL_EVERY == 0:
                say(f"  {count} of {total} fetched")
        elif line.startswith("Installing collected packages"):
            say("  writing them")


@contextmanager
def alone() -> Iterator[None]:
    """Hold off another install in the same checkout until this one is over."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def lock_file(which: str) -> Path:
    """Return the lock file of a name."""
    return ROOT / f"requirements-{which}.txt"


def digest(which: str) -> str:
    """Return what tells one version of a lock file, installed under one Python, from another."""
    content = hashlib.sha256(lock_file(which).read_bytes()).hexdigest()
    return f"{sys.version_info[0]}.{sys.version_info[1]} {content}"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
