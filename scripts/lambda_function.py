"""A function on AWS Lambda: which code runs, which versions are kept, which of them was released before."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

# A first deploy waits for network interfaces, which takes minutes.
READY_WITHIN_S, LOOK_EVERY_S, TELL_EVERY_S = 600.0, 2.0, 20.0


# Asked once: a command that is slow must not run a second time beside the first.
ONCE = Config(read_timeout=120, retries={"total_max_attempts": 1})


class NotReady(Exception):
    """The function cannot be invoked or changed. The text says what Lambda says of it."""


class CommandFailed(Exception):
    """A command inside the function ended with an error. The text is the error's."""


@dataclass(frozen=True)
class Version:
    """A published version: its number and base64(sha256) of its package."""

    number: int
    digest: str


class Function:
    """One function by name. Errors of AWS escape as botocore's, but for a function that does not exist."""

    def __init__(self, name: str, region: str) -> None:
        self.name = name
        self._client: Any = boto3.client("lambda", region_name=region)
        self._invoker: Any = boto3.client("lambda", region_name=region, config=ONCE)

    def digest(self) -> str | None:
        """Return base64(sha256) of the package that runs; None where there is no function."""
        configuration = self._configuration()
        return str(configuration["CodeSha256"]) if configuration else None

    def versions(self) -> list[Version]:
        """Return the published versions that are kept, newest first."""
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self.name)
        rows = [row for page in pages for row in page["Versions"] if row["Version"] != "$LATEST"]
        found = [Version(int(row["Version"]), row["CodeSha256"]) for row in rows]
        return sorted(found, key=lambda version: -version.number)

    def package(self, version: Version) -> bytes:
        """Return the package of a version, as Lambda keeps it. Raises NotReady."""
        found = self._client.get_function(FunctionName=self.name, Qualifier=str(version.number))
        try:
            return httpx.get(found["Code"]["Location"], timeout=120).raise_for_status().content
        except httpx.HTTPError as error:
            raise NotReady(f"Lambda does not hand out version {version.number}: {error}") from None

    def manage(self, words: str) -> str:
        """Run a command of manage.py inside the function, return the end of its log. Raises CommandFailed."""
        payload = json.dumps({"manage": words})
        answer = self._invoker.invoke(FunctionName=self.name, Payload=payload, LogType="Tail")
        if "FunctionError" in answer:
            error = json.loads(answer["Payload"].read())
            raise CommandFailed(f"{error.get('errorType', 'Error')}: {error.get('errorMessage')}")
        return base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")

    def wait_until_ready(self, say: Callable[[str], None]) -> None:
        """Return once the function takes events and its last change is done. Raises NotReady."""
        started = told = time.monotonic()
        while (state := self._state()) != ("Active", "Successful"):
            now = time.monotonic()
            if "Failed" in state or now - started > READY_WITHIN_S:
                raise NotReady(f"{self.name} is {state[0]}, its last change {state[1]}.")
            if now - told >= TELL_EVERY_S:
                say(f"{self.name} is {state[0]}, its last change {state[1]}; waited {now - started:.0f} s")
                told = now
            time.sleep(LOOK_EVERY_S)

    def _state(self) -> tuple[str, str]:
        configuration = self._configuration()
        if configuration is None:
            raise NotReady(f"{self.name} does not exist.")
        return configuration["State"], configuration["LastUpdateStatus"]

    def _configuration(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get_function_configuration(FunctionName=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        return found


def newest_of(versions: Sequence[Version], digest: str) -> Version | None:
    """Return the newest version with this code, None when none is kept."""
    return next((version for version in versions if version.digest == digest), None)


def released_before(versions: Sequence[Version], digest: str) -> Version | None:
    """Return the newest version of other code that was published before the code with this digest first was.

    One published after it was released later and rolled back: to go there would be to go forward again. The
    same code in a row, as two versions of one release, counts once. None when nothing else is kept.
    """
    first = min((version.number for version in versions if version.digest == digest), default=None)
    earlier = (version for version in versions if version.digest != digest)
    return next((version for version in earlier if first is None or version.number < first), None)
