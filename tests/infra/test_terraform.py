import shutil
from pathlib import Path

import pytest

from tests.infra.fault import Fault
from tests.infra.faults import FAULTS
from tests.infra.files import parse, read
from tests.infra.terraform import Outcome, Terraform, finish, planned

UNFORMATTED = Fault("logs.tf", 'worker" {\n  name ', 'worker" {\n     name ', "")
# Faults that Terraform, too, has a word for, all in one run.
SAID = {
    "unknown resource": 'A managed resource "aws_db_subnet_group" "main" has not been declared',
    "unknown attribute": 'no argument, nested block, or exported attribute named "urn"',
    "one of many": 'Because aws_nat_gateway.desk has "count" set',
    "required argument missing": 'The argument "family" is required',
    "required block missing": 'Blocks of type "image_scan" are not expected here',
}
PLAN = ("plan", "-json", "-input=false")
CHOICES = ("-var", "nat=instance", "-var", "worker_tag=1")
NAT_GATEWAY = {"aws_nat_gateway.desk[0]", "aws_route.gateway[0]"}
CHOSEN = (
    "aws_ecr_repository.worker[0]",
    "aws_ecs_service.worker[0]",
    "aws_instance.nat[0]",
    "aws_route.instance[0]",
)


@pytest.fixture(scope="module")
def outcomes(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Return what came of init, then of two plans and of validating faults, run side by side."""
    folder = tmp_path_factory.mktemp("infra")
    sound, choices, faulty = folder / "sound", folder / "choices", folder / "faulty"
    terraform.lay(sound, read())
    init = finish(terraform.start(sound, "init", "-input=false", "-no-color"))
    for other in (choices, faulty):
        shutil.copytree(sound, other, symlinks=True)
    texts = read()
    for name in SAID:
        texts = FAULTS[name].plant(texts)
    terraform.lay(faulty, texts)
    running = {
        "plan": terraform.start(sound, *PLAN),
        "choices": terraform.start(choices, *PLAN, *CHOICES),
        "faults": terraform.start(faulty, "validate", "-no-color"),
    }
    return {"init": init, **{name: finish(process) for name, process in running.items()}}


def test_files_are_formatted(terraform: Terraform, tmp_path: Path) -> None:
    terraform.lay(tmp_path, read())

    assert finish(terraform.start(tmp_path, "fmt", "-check", "-no-color")) == Outcome(0, "")


def test_unformatted_file_is_found(terraform: Terraform, tmp_path: Path) -> None:
    terraform.lay(tmp_path, UNFORMATTED.plant(read()))

    assert finish(terraform.start(tmp_path, "fmt", "-check", "-no-color")) == Outcome(3, "logs.tf\n")


def test_provider_in_use_is_one_that_the_files_allow(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["init"].code == 0, outcomes["init"].output
    assert "hashicorp/aws v5." in outcomes["init"].output


def test_plan_makes_every_resource_but_those_of_choices(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["plan"].code == 0, outcomes["plan"].output
    addresses = planned(outcomes["plan"].output)

    assert addresses >= NAT_GATEWAY
    assert addresses.isdisjoint(CHOSEN)


def test_choices_replace_the_gateway_and_add_the_worker(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["choices"].code == 0, outcomes["choices"].output
    addresses = planned(outcomes["choices"].output)

    assert addresses >= set(CHOSEN)
    assert addresses.isdisjoint(NAT_GATEWAY)


def test_every_resource_is_planned_by_default_or_by_choice(outcomes: dict[str, Outcome]) -> None:
    addresses = planned(outcomes["plan"].output) | planned(outcomes["choices"].output)

    kinds = {".".join(part) for part in parse(read()).resources}
    assert {address.split("[")[0] for address in addresses} == kinds


@pytest.mark.parametrize("name", SAID)
def test_terraform_finds_the_fault_too(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes["faults"].code == 1
    assert SAID[name] in " ".join(outcomes["faults"].output.split())
