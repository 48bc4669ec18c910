"""What a released desk says of itself at its own address."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

# Time for a cold start, and for a schedule of one minute to reconcile the accounts.
WELL_WITHIN_S, ASK_EVERY_S, TELL_EVERY_S = 150.0, 2.0, 20.0


@dataclass(frozen=True)
class Said:
    """What /readyz said: the build that answered, and what is not ready. Where none answered, why."""

    release: dict[str, Any] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    is_refused: bool = False

    @property
    def build(self) -> dict[str, Any]:
        """The content of the package's build.json, empty where none was said."""
        return self.release.get("build") or {}

    def title(self) -> str:
        """Return the release that answered, in words."""
        if self.trouble:
            return f"nothing that answers ({self.trouble})"
        return f"{self.release.get('version', '?')}, commit {self.build.get('commit', '?')}"


def ask(base_url: str) -> Said:
    """Return what the desk at an address says at this moment."""
    try:
        with httpx.Client(base_url=base_url, timeout=20) as client:
            lives = client.get("healthz")
            if lives.status_code != 200:
                trouble = f"/healthz answered {lives.status_code}"
                return Said(trouble=trouble, is_refused=lives.status_code == 403)
            answer = client.get("readyz")
            body = answer.json()
            failing = {name: part["detail"] for name, part in body["checks"].items() if not part["ok"]}
            return Said(body.get("release", {}), failing)
    except httpx.HTTPError as error:
        return Said(trouble=f"{type(error).__name__} from {base_url}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Said(trouble=f"/readyz answered {answer.status_code} in no form that is known")


def faults(said: Said, build: dict[str, Any], excused: set[str]) -> list[str]:
    """Return what is wrong with a release, empty when nothing is.

    `build` must be the one that answers. Parts in `excused` were not ready before it either, so that a
    broker that is down undoes no release.
    """
    if said.trouble:
        return [said.trouble]
    if said.build != build:
        return [f"Another build answers: {said.build or 'one without a build.json'}"]
    return [f"{name}: {detail}" for name, detail in said.failing.items() if name not in excused]


def wait_until_well(
    base_url: str, build: dict[str, Any], excused: set[str], within_s: float, say: Callable[[str], None]
) -> list[str]:
    """Ask until nothing is wrong, for so many seconds at most, and return what still is.

    Says what is not ready, and how long it has waited.
    """
    started = told = time.monotonic()
    while found := faults(said := ask(base_url), build, excused):
        now = time.monotonic()
        if now - started > within_s:
            return found
        if now - told >= TELL_EVERY_S:
            say(f"    waited {now - started:.0f} s: {found[0]}")
            told = now
        time.sleep(ASK_EVERY_S)
    for name, detail in said.failing.items():
        say(f"    NOT READY, as before: {name}: {detail}")
    return []
