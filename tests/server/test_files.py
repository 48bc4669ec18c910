"""The files for a server: they can be read, name what exists, and agree with one another."""

import ast
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from tests.server.files import INSTALLED, ROOT, SERVER, SERVICES, command, compose, here, unit, variables

ANALYZE = shutil.which("systemd-analyze")
KNOWN = variables(ROOT / ".env.example")
# The desk's own processes in the compose file. The others are programs of others.
OURS = {
    name: service
    for name, service in compose()["services"].items()
    if "tradedesk:" in str(service.get("image"))
}
STARTED = ["web", "worker", "beat", "follower"]


@pytest.mark.parametrize("service", SERVICES)
def test_unit_runs_as_its_own_user_and_starts_again(service: str) -> None:
    section = unit(SERVICES[service])["Service"]

    assert (section["User"], section["EnvironmentFile"]) == ("tradedesk", "/etc/tradedesk/desk.env")
    assert (section["NoNewPrivileges"], section["ProtectSystem"]) == ("true", "strict")
    assert section.get("Type") == "oneshot" or section["Restart"] == "always"


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "backup"])
def test_command_of_a_unit_exists(service: str) -> None:
    python, *words = shlex.split(unit(SERVICES[service])["Service"]["ExecStart"])

    assert python == f"{INSTALLED}/.venv/bin/python"
    if words[0] == "-m":
        assert find_spec(words[1]) is not None
    else:
        assert words[0] == "manage.py"
        assert words[1] in get_commands()


@pytest.mark.parametrize("path", sorted(SERVER.glob("tradedesk*")), ids=lambda path: path.name)
def test_systemd_has_nothing_to_say_against_a_unit(path: Path, tmp_path: Path) -> None:
    """Where there is no systemd, only that the file can be read is proven."""
    for other in SERVER.glob("tradedesk*"):
        (tmp_path / other.name).write_text(here(other.read_text()))

    assert unit(path).sections()[0] == "Unit"
    if ANALYZE:
        verify = [ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / path.name)]
        said = subprocess.run(verify, capture_output=True, text=True, check=False, timeout=60)
        assert (said.returncode, said.stderr) == (0, "")


def test_target_wants_every_unit_but_the_paper_broker() -> None:
    wanted = re.findall(r"tradedesk-[a-z]+\.\w+", (SERVER / "tradedesk.target").read_text())

    assert set(wanted) == {*(f"tradedesk-{name}.service" for name in STARTED), "tradedesk-backup.timer"}


def test_compose_starts_the_same_commands_as_systemd() -> None:
    by_unit = {name: ["python", *command(name)[1:]] for name in STARTED}
    by_unit["web"][by_unit["web"].index("127.0.0.1")] = "0.0.0.0"

    assert {name: OURS[name]["command"] for name in STARTED} == by_unit
    assert set(OURS) == {*STARTED, "migrate"}


def test_image_starts_the_web_server_of_the_compose_file() -> None:
    (line,) = re.findall(r"^CMD (\[.*\])$", (SERVER / "Dockerfile").read_text(), re.MULTILINE)

    assert ast.literal_eval(line) == OURS["web"]["command"]


def test_image_is_built_from_the_lock_file_and_runs_without_rights() -> None:
    text = (SERVER / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY ([\w./-]+) ", text, re.MULTILINE))
    let_in = {
        line[1:] for line in (SERVER / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }

    assert "--require-hashes -r requirements-server.txt" in text
    assert text.index("\nUSER tradedesk\n") < text.index("\nHEALTHCHECK ")
    assert copied == let_in
    assert all((ROOT / name).exists() for name in let_in)


def test_compose_names_only_services_files_and_volumes_that_it_has() -> None:
    content = compose()
    services = content["services"]

    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_backups = source == "./backups"
            assert is_backups or source in content["volumes"] or (SERVER / source).is_file(), volume
        assert service.get("logging", {"options": {"max-size": "50m"}})["options"]["max-size"] == "50m"


def test_files_set_only_variables_of_the_desk() -> None:
    set_by_compose = {name for service in OURS.values() for name in service["environment"]}

    assert set_by_compose <= set(KNOWN)
    assert set(variables(SERVER / "desk.env.example")) <= set(KNOWN)
    assert {service.get("env_file") for service in OURS.values()} == {"desk.env"}


def test_redis_keeps_what_it_is_told_and_never_forgets_on_its_own() -> None:
    lines = (SERVER / "redis.conf").read_text().splitlines()
    words = " ".join(compose()["services"]["redis"]["command"])

    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(lines)
    assert "--appendonly yes" in words
    assert "--maxmemory-policy noeviction" in words


def test_proxy_lets_in_the_addresses_that_the_desk_knows() -> None:
    (listed,) = re.findall(r"not remote_ip (.+)$", (SERVER / "Caddyfile").read_text(), re.MULTILINE)

    assert listed.split() == settings.TRADINGVIEW_ADDRESSES


def test_proxy_holds_a_request_back_until_it_is_whole() -> None:
    text = (SERVER / "Caddyfile").read_text()

    assert re.findall(r"(request_buffers|max_size) (\w+)", text) == [
        ("max_size", "256KB"),
        ("request_buffers", "256KB"),
    ]
