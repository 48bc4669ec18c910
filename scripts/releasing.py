"""The way of a release, and the way back. Each step is proved by the digest of the code that Lambda runs."""

from botocore.exceptions import BotoCoreError, ClientError
from lambda_function import CommandFailed, NotReady, Version, newest_of, released_before
from smoke import Said, ask, wait_until_well
from stage import Package, Refused, Stage, build_in, say

DONE, NOT_DONE, ROLLED_BACK, NEEDS_A_PERSON = 0, 1, 3, 4


class Unwell(Exception):
    """The function is not as it should be after a step. The text says what is wrong."""


def release(stage: Stage, package: Package) -> int:
    """Put a package in the place of what runs, go back when it is not well; return an exit code.

    Raises Refused.
    """
    before = stage.function.digest()
    was = _ask(stage)
    say(f"Runs now: {was.title() if before else 'nothing, this is the first deploy'}")
    say(f"To release: commit {package.build['commit']}")
    if before == package.digest:
        say("This very package runs already: settings and schedules are written anew, the code stays.")
    try:
        _put(stage, package, is_first=before is None)
        _migrate(stage)
        _look(stage, package.build, set(was.failing))
    except (Unwell, NotReady, BotoCoreError, ClientError) as trouble:
        # Whether a call that AWS did not answer did anything is not known; the code before bears both.
        say(f"NOT WELL: {trouble}")
        return _undo(stage, package, before, was)
    say(f"Released: {stage.function.name} runs commit {package.build['commit']}.")
    return DONE


def roll_back(stage: Stage) -> int:
    """Go back to the code that was released before the one that runs; return an exit code. Raises Refused."""
    runs = stage.function.digest()
    if runs is None:
        raise Refused(f"there is no function {stage.function.name}.")
    versions = stage.function.versions()
    target = released_before(versions, runs)
    if target is None:
        raise Refused(f"none of the {len(versions)} kept versions was released before the code that runs.")
    was = _ask(stage)
    say(f"Runs now: {was.title()}")
    return _go_back(stage, target, set(was.failing))


def _ask(stage: Stage) -> Said:
    """Return what the desk says before a change. Raises Refused where nobody could look afterwards."""
    was = ask(stage.base_url)
    if was.is_refused:
        raise Refused(f"{stage.base_url} refuses this machine: add its address to panel_addresses in infra/.")
    return was


def _put(stage: Stage, package: Package, *, is_first: bool) -> None:
    command = "deploy" if is_first else "update"
    say(f"zappa {command}: sending {package.path.stat().st_size / 1e6:.1f} MB")
    code = stage.zappa(command, "--zip", str(package.path))
    stage.function.wait_until_ready(say)
    runs = stage.function.digest()
    if runs != package.digest:
        raise Unwell(f"Zappa ended with {code}, and Lambda runs other code than was sent.")
    if code:
        raise Unwell(f"Zappa ended with {code}: the code was sent, settings and schedules may not be.")


def _migrate(stage: Stage) -> None:
    say("manage.py migrate, inside the function")
    try:
        said = stage.function.manage("migrate --noinput")
    except CommandFailed as error:
        raise Unwell(f"The migrations failed. {error}") from None
    for line in said.splitlines():
        say(f"    {line}")


def _look(stage: Stage, build: dict[str, str], excused: set[str]) -> None:
    """Ask the desk itself. Parts that were not ready before the change are not held against it."""
    say(f"Asking {stage.base_url} for healthz and readyz")
    if found := wait_until_well(stage.base_url, build, excused, stage.within_s, say):
        raise Unwell("; ".join(found))


def _undo(stage: Stage, package: Package, before: str | None, was: Said) -> int:
    """Bring back the code that ran before a release that went wrong."""
    runs = stage.function.digest()
    if runs == before != package.digest:
        say("The release did not begin: what ran before still runs.")
        return NOT_DONE
    if before is None:
        say("This was the first release, so there is none to go back to: repair it and deploy again.")
        return NEEDS_A_PERSON
    if runs == before:
        say("The code is what ran before, so to go back would change nothing: look at settings and services.")
        return NEEDS_A_PERSON
    if was.trouble:
        say("What ran before did not answer either, so it is not brought back; make rollback would do it.")
        return NEEDS_A_PERSON
    target = newest_of(stage.function.versions(), before)
    if target is None:
        say("Lambda keeps no version of the code that ran before: deploy its package again.")
        return NEEDS_A_PERSON
    code = _go_back(stage, target, set(was.failing))
    return ROLLED_BACK if code == DONE else code


def _go_back(stage: Stage, target: Version, excused: set[str]) -> int:
    """Have Zappa publish an older version anew, and prove that its code runs and is well."""
    try:
        build = build_in(stage.function.package(target))
        say(f"Rolling back to version {target.number}, commit {build.get('commit', 'unknown')}")
        # Zappa counts from the newest version, and does not tell whether it did anything.
        steps = stage.function.versions().index(target)
        say(f"zappa rollback: {steps} back")
        code = stage.zappa("rollback", "-n", str(steps))
        stage.function.wait_until_ready(say)
        if stage.function.digest() != target.digest:
            raise Unwell(f"Zappa ended with {code}, and the code is not that of version {target.number}.")
        _look(stage, build, excused)
    except (Unwell, NotReady) as trouble:
        say(f"NOT WELL: {trouble}")
        say("The rollback did not help. Stop trading, and deploy a package that is known to work.")
        return NEEDS_A_PERSON
    say(f"Rolled back: {stage.function.name} runs commit {build.get('commit', 'unknown')}.")
    say("Code alone went back. Settings, schedules and schema are those of the later release.")
    return DONE
