"""A stage on the emulator: its function, its address, and the release script run on it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

from tests.flows.release.aws import DUMMY, REGION

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Emulator:
    """AWS on this machine, by its address."""

    url: str

    def client(self, service: str) -> Any:
        """Return a client of boto3."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )

    def expire_links(self, function: str, *, after: int) -> None:
        """Let the links to packages end after so many downloads; Lambda's end after ten minutes."""
        httpx.get(f"{self.url}/links/{function}/{after}").raise_for_status()

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a program that takes this for AWS."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, **DUMMY, "AWS_ENDPOINT_URL": self.url}


@dataclass(frozen=True)
class Ended:
    """How a program ended, and all that it said."""

    code: int
    said: str


@dataclass(frozen=True)
class Stage:
    """The stage demo of a project."""

    emulator: Emulator
    project: str
    settings: Path
    role: str

    @property
    def function(self) -> str:
        return f"{self.project}-demo"

    @property
    def address(self) -> str:
        return f"{self.emulator.url}/gateway/{self.function}"

    def release(self, *words: str | Path) -> Ended:
        """Run scripts/release.py: a command and what follows the stage."""
        command, *more = words
        return run(
            [
                sys.executable,
                ROOT / "scripts" / "release.py",
                command,
                "demo",
                "--settings",
                self.settings,
                *more,
            ],
            self.emulator.environ,
        )

    def zappa(self, command: str, *words: str) -> Ended:
        """Run a command of Zappa."""
        program = ROOT / ".venv-lambda" / "bin" / "zappa"
        return run([program, command, "demo", "-s", self.settings, *words], self.emulator.environ)

    def seed(self, *packages: Path) -> None:
        """Publish packages one after another, without Zappa."""
        client = self.emulator.client("lambda")
        first, *others = packages
        client.create_function(
            FunctionName=self.function,
            Role=self.role,
            Handler="handler.lambda_handler",
            Runtime="python3.13",
            Code={"ZipFile": first.read_bytes()},
            Publish=True,
        )
        for package in others:
            client.update_function_code(
                FunctionName=self.function, ZipFile=package.read_bytes(), Publish=True
            )

    def digests(self) -> list[str]:
        """Return the digests of the published versions, oldest first."""
        versions = self.emulator.client("lambda").list_versions_by_function(FunctionName=self.function)
        return [row["CodeSha256"] for row in versions["Versions"] if row["Version"] != "$LATEST"]

    def digest(self) -> str:
        """Return the digest of the code that runs."""
        found = self.emulator.client("lambda").get_function_configuration(FunctionName=self.function)
        return str(found["CodeSha256"])

    def running(self) -> dict[str, Any]:
        """Return what the desk says it runs, asked through the gateway."""
        release: dict[str, Any] = httpx.get(f"{self.address}/readyz", timeout=30).json()["release"]
        return release

    def commit(self) -> str:
        """Return the commit that the desk says it runs."""
        return str(self.running()["build"]["commit"])


def run(command: list[Any], environ: dict[str, str], cwd: Path = ROOT) -> Ended:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout)


def written(path: Path, content: Any) -> Path:
    """Return the path of a JSON file with this content."""
    path.write_text(json.dumps(content))
    return path
