"""What is in the package for Lambda, and what is not fit to be in one."""

import json
import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.flows.packages import PYTHON, packaged, stage_settings
from tests.flows.processes import ROOT

FINISH = "import sys, lambda_zip, types; lambda_zip.finish(types.SimpleNamespace(zip_path=sys.argv[1]))"
DEVELOPMENT = re.compile(
    r"(\.|tests?/|infra/|docs/|pine/|scripts/|var/|manage|Makefile|pyproject|requirements)"
    r"|(.*/)?(pytest|_pytest|moto|ruff|mypy|hypothesis|pip|setuptools|troposphere|celery|boto3|botocore)[/-]"
    r"|.*\.(sqlite3|env|pth|map|po|tf)$"
)


@pytest.fixture(scope="module")
def package() -> ZipFile:
    return ZipFile(packaged())


def finish(path: Path, files: dict[str, bytes]) -> subprocess.CompletedProcess[str]:
    """Write a zip with the files in the order given and run the hook on it, as Zappa does."""
    with ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    scripts = ROOT / "scripts"
    return subprocess.run(
        [PYTHON, "-B", "-c", FINISH, path], cwd=scripts, capture_output=True, text=True, check=False
    )


def test_package_is_small_and_holds_the_desk_alone(package: ZipFile) -> None:
    names = package.namelist()

    assert [name for name in names if DEVELOPMENT.match(name)] == []
    assert {"tradedesk/models/orders.py", "templates/halt.html", "handler.py"} <= set(names)
    assert packaged().stat().st_size < 30_000_000


def test_every_module_is_compiled_so_that_no_date_matters(package: ZipFile) -> None:
    names = package.namelist()
    sources = {name for name in names if name.endswith(".py")}
    compiled = {
        re.sub(r"__pycache__/([^.]+)\..*", r"\1.py", name): name for name in names if name.endswith(".pyc")
    }

    assert sources == compiled.keys()
    # Bit 0: valid by hash; bit 1 would have the source read and hashed.
    assert {package.read(name)[4:8] for name in compiled.values()} == {b"\x01\0\0\0"}


def test_package_tells_what_it_is(package: ZipFile) -> None:
    build = json.loads(package.read("build.json"))

    assert build.keys() == {"commit", "schema", "settings"}
    assert packaged().name == f"tradedesk-demo-{build['commit']}.zip"
    assert f"tradedesk/migrations/{build['schema']}.py" in package.namelist()


def test_bytes_depend_on_names_and_contents_alone(tmp_path: Path) -> None:
    files = {
        "build.json": b"{}",
        "a.py": b"X = frozenset({'a', 'b', 3})\n",
        "b/c.py": b"def f(): return {1, 2}\n",
    }
    extra = {"package_info.json": b"now", "b/__pycache__/c.cpython-313.pyc": b"old", "tqdm/x.py": b"x = 1\n"}
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"

    assert finish(one, files).returncode == 0
    assert finish(two, {**extra, **dict(reversed(files.items()))}).returncode == 0

    assert one.read_bytes() == two.read_bytes()
    assert len(ZipFile(one).namelist()) == 5


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("build.json", b"", ""),
        ("a.so", b"\0GLIBC_2.17\0GLIBC_2.34\0", ""),
        ("lib/a.so.1", b"\0GLIBC_2.9\0GLIBC_2.35\0", "lib/a.so.1 needs glibc 2.35."),
        ("a.py", b"def", "A module does not compile."),
    ],
)
def test_what_lambda_would_not_run_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    done = finish(tmp_path / "a.zip", {"build.json": b"{}", **{name: content}})

    assert done.stderr.endswith(f"lambda_zip.Unfit: {said}\n" if said else "")
    assert bool(done.returncode) == bool(said)


def test_folder_that_is_not_for_packing_is_refused(tmp_path: Path) -> None:
    done = finish(tmp_path / "a.zip", {".env": b"SECRET_KEY=x", "tradedesk/wsgi.py": b""})

    assert done.returncode == 1
    assert "use make package" in done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"runtime": "python3.9"}, "The function runs on python3.9 and .venv-lambda has python3."),
        ({"architecture": "arm64"}, "The function runs on Linux, arm64: pack it on such a machine."),
    ],
)
def test_machine_that_differs_from_lambda_is_refused(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"demo": {**stage_settings(), **changed}}))

    done = pack("demo", "--settings", str(settings), "--to", str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert list(tmp_path.iterdir()) == [settings]


def test_settings_that_were_not_filled_are_asked_for(tmp_path: Path) -> None:
    done = pack("demo", "--settings", str(tmp_path / "zappa_settings.demo.json"))

    said = "zappa_settings.demo.json is missing: make zappa-settings STAGE=demo writes it.\n"
    assert (done.returncode, done.stderr) == (1, said)


def pack(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), str(ROOT / "scripts" / "package.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
