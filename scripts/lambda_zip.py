"""Finishes the zip that Zappa made: what runs, compiled for Lambda, and the same bytes for the same input."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# package.py writes it; a folder without it may hold databases, secrets and tests.
BUILD = "build.json"
# What packs and deploys, and what only a Celery worker needs. Lambda has its own boto3 and all that it needs.
LEFT_OUT = {
    *(
        "_distutils_hack",
        "argcomplete",
        "boto3",
        "botocore",
        "cfn_clean",
        "cfn_flip",
        "cfn_tools",
        "dateutil",
    ),
    *(
        "hjson",
        "jmespath",
        "pip",
        "pkg_resources",
        "placebo",
        "python_dateutil",
        "python_slugify",
        "s3transfer",
    ),
    *("scripts", "setuptools", "slugify", "text_unidecode", "toml", "tqdm", "troposphere", "wheel"),
    *("amqp", "billiard", "celery", "click", "click_didyoumean", "click_plugins", "click_repl", "kombu"),
    *("prompt_toolkit", "tzlocal", "vine", "wcwidth"),
}
# What differs from one packing to the next, and what nothing reads there: languages, geography, pictures.
NO_USE = re.compile(
    r"package_info\.json|zappa_settings\.json|.*\.(?:map|po|pth|pyc|pyi)|(?:.*/)?__pycache__/.*"
    r"|.*\.dist-info/(?:RECORD|INSTALLER|REQUESTED)|.*/locale/(?!en/)[^/]+/.*"
    r"|django/contrib/gis/.*|drf_spectacular_sidecar/.*/redoc/.*|apprise/assets/themes/.*"
)
TASK_FOLDER = "/var/task"
LARGEST_ZIP, LARGEST_FOLDER = 50_000_000, 250_000_000
# Amazon Linux 2023 has this one.
NEWEST_GLIBC = (2, 34)
GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


class Unfit(Exception):
    """The package would not run on Lambda. The text says why."""


class Cli(Protocol):
    """What Zappa calls the hook with."""

    zip_path: str


def finish(cli: Cli) -> None:
    """Write Zappa's zip anew. Raises Unfit."""
    path = Path(cli.zip_path)
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name) / "task"
        with ZipFile(path) as packed:
            names = packed.namelist()
            if BUILD not in names:
                raise Unfit("Zappa was run in a folder that is not for packing: use make package STAGE=…")
            packed.extractall(folder, [name for name in names if belongs(name)])
        compile_all(folder)
        check_libraries(folder)
        write(folder, path)
    check_size(path)


def belongs(name: str) -> bool:
    """Tell whether a file of the zip is of use on Lambda."""
    top = name.split("/", maxsplit=1)[0].removesuffix(".py")
    package = top.split("-")[0] if top.endswith(".dist-info") else top
    return not (package in LEFT_OUT or NO_USE.fullmatch(name))


def compile_all(folder: Path) -> None:
    """Compile every module once for all: the files of a zip are of 1980, and nothing compiled fits that."""
    command = [sys.executable, "-m", "compileall", "-qq", "-f", "-j", "1"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", TASK_FOLDER, str(folder)]
    # What a process did before, and its hash seed, may show in what it compiles.
    if subprocess.run(command, env={"PYTHONHASHSEED": "0"}, check=False).returncode:
        raise Unfit("A module does not compile.")


def check_libraries(folder: Path) -> None:
    """Look that no library asks for a newer C library than Lambda has. Raises Unfit."""
    for path in folder.rglob("*.so*"):
        needed = max((tuple(map(int, match)) for match in GLIBC.findall(path.read_bytes())), default=(0, 0))
        if needed > NEWEST_GLIBC:
            raise Unfit(f"{path.relative_to(folder)} needs glibc {'.'.join(map(str, needed))}.")


def write(folder: Path, path: Path) -> None:
    """Write a folder as zip whose bytes depend on names and contents alone."""
    files = sorted(
        (file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file()
    )
    unsaved = path.with_name(f"{path.name}.new")
    with ZipFile(unsaved, "w", ZIP_DEFLATED) as packed:
        for name, file in files:
            entry = ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (0o755 if ".so" in file.suffixes else 0o644) << 16
            packed.writestr(entry, file.read_bytes(), ZIP_DEFLATED)
    os.replace(unsaved, path)


def check_size(path: Path) -> None:
    """Look that Lambda takes the zip when it is sent directly. Raises Unfit."""
    with ZipFile(path) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    if path.stat().st_size > LARGEST_ZIP or unpacked > LARGEST_FOLDER:
        raise Unfit(f"{path.stat().st_size} bytes, {unpacked} unpacked, are too many.")
