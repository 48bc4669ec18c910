"""Puts the desk on AWS Lambda, looks whether it is well there, and goes back when it is not."""

import argparse
import subprocess
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from releasing import NEEDS_A_PERSON, NOT_DONE, release, roll_back
from smoke import WELL_WITHIN_S
from stage import ROOT, Refused, read_package, read_stage, say

EXIT_CODES = """\
exit codes:
  0  done: the code answers at the desk's own address and is well
  1  not done: what ran before still runs
  2  wrong arguments
  3  not well, so rolled back: what ran before runs again and is well
  4  a person is needed: the last lines say what runs and what to do
"""


def main() -> int:
    """Deploy or roll back, return an exit code."""
    options = arguments().parse_args()
    try:
        stage = read_stage(options.stage, options.settings, options.within)
        if options.command == "rollback":
            return roll_back(stage)
        path = options.package or checked_and_packed(options.stage)
        return release(stage, read_package(path))
    except Refused as refusal:
        say(f"Not done: {refusal}")
        return NOT_DONE
    except (BotoCoreError, ClientError) as error:
        say(f"AWS: {error}")
        say("Look which code runs before you go on: the last step may or may not have been done.")
    except KeyboardInterrupt:
        say("Interrupted. Look which code runs before you go on.")
    return NEEDS_A_PERSON


def arguments() -> argparse.ArgumentParser:
    """Return what the command line may hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    deploy = commands.add_parser("deploy", help="check, pack and release; roll back when it is not well")
    rollback = commands.add_parser("rollback", help="go back to the code that was released before")
    deploy.add_argument("--package", type=Path, help="release this package, built and checked before")
    for command in (deploy, rollback):
        command.add_argument("stage")
        command.add_argument("--settings", type=Path, help="default: zappa_settings.STAGE.json")
        command.add_argument(
            "--within", type=float, default=WELL_WITHIN_S, metavar="S", help="seconds it may take to be well"
        )
    return parser


def checked_and_packed(stage: str) -> Path:
    """Return the package of what is committed, once the checks are green. Raises Refused."""
    changed = subprocess.check_output(["git", "status", "--porcelain"], cwd=ROOT, text=True)  # noqa: S607
    if changed:
        raise Refused(f"commit first, a package says which commit it holds:\n{changed.rstrip()}")
    say("Running make check")
    if subprocess.run(["make", "check"], cwd=ROOT, check=False).returncode:  # noqa: S607
        raise Refused("the checks are not green.")
    say("Packing")
    if subprocess.run([ROOT / "scripts" / "setup", "lambda"], cwd=ROOT, check=False).returncode:
        raise Refused("the packages to pack with were not installed.")
    python, script = ROOT / ".venv-lambda" / "bin" / "python", ROOT / "scripts" / "package.py"
    packed = subprocess.run([python, script, stage], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if packed.returncode:
        raise Refused("the package was not built.")
    return Path(packed.stdout.splitlines()[0])


if __name__ == "__main__":
    sys.exit(main())
