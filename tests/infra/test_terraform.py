import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.infra.fault import Fault
from tests.infra.files import parse, read
from tests.infra.terraform import Outcome, Terraform, planned

UNFORMATTED = Fault("logs.tf", 'worker" {\n  name ', 'worker" {\n     name ', "")
PLAN = ("plan", "-json", "-input=false")
PAIR = {
    "domain": "desk.example.com",
    "zone_id": "Z0123456789ABCDEFGHIJ",
    "role": "SECONDARY",
    "database": "arn:aws:rds:us-west-2:123456789012:db:tradedesk-production",
    "key": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
}
CHOICES = ("-var", "nat=instance", "-var", "worker_tag=1", "-var", f"pair={json.dumps(PAIR)}")
NAT_GATEWAY = {"aws_nat_gateway.desk[0]", "aws_route.gateway[0]"}
CHOSEN = (
    "aws_ecr_repository.worker[0]",
    "aws_ecs_service.worker[0]",
    "aws_instance.nat[0]",
    "aws_route53_record.desk[0]",
    "aws_route.instance[0]",
)


@pytest.fixture(scope="module")
def outcomes(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Return what came of init, then of two plans side by side; a plan validates first."""
    defaults, choices = (tmp_path_factory.mktemp("infra") / name for name in ("defaults", "choices"))
    terraform.lay(defaults, read())
    init = terraform.run(defaults, "init", "-input=false", "-no-color")
    shutil.copytree(defaults, choices, symlinks=True)
    with ThreadPoolExecutor() as pool:
        plan = pool.submit(terraform.run, defaults, *PLAN)
        chosen = pool.submit(terraform.run, choices, *PLAN, *CHOICES)
        return {"init": init, "plan": plan.result(), "choices": chosen.result()}


def test_files_are_formatted(terraform: Terraform, tmp_path: Path) -> None:
    terraform.lay(tmp_path, read())

    assert terraform.run(tmp_path, "fmt", "-check", "-no-color") == Outcome(0, "")


def test_unformatted_file_is_found(terraform: Terraform, tmp_path: Path) -> None:
    terraform.lay(tmp_path, UNFORMATTED.plant(read()))

    assert terraform.run(tmp_path, "fmt", "-check", "-no-color") == Outcome(3, "logs.tf\n")


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
