import re

import hcl2
import pytest

from tests.infra.checks import findings
from tests.infra.fault import Fault
from tests.infra.faults import FAULTS
from tests.infra.files import INFRA, parse, read

SECRET = {"secret_key", "database_password", "redis_token"}


def test_files_have_no_fault() -> None:
    assert findings(read()) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_planted_fault_is_found(fault: Fault) -> None:
    found = findings(fault.plant(read()))

    assert any(finding.startswith(fault.finding) for finding in found), found


def test_example_sets_known_variables_and_no_secret() -> None:
    example = hcl2.loads((INFRA / "terraform.tfvars.example").read_text()).keys() - {"__comments__"}
    variables = parse(read()).variables

    assert example <= variables.keys()
    assert {name for name, body in variables.items() if "default" not in body} == {*SECRET, *example} - {
        "logins",
        "redis_node_type",
    }


def test_page_names_outputs_that_exist() -> None:
    table = re.findall(
        r"^\| `[^|]*\| `(\w+)` \|$", (INFRA.parent / "docs" / "aws.md").read_text(), re.MULTILINE
    )

    assert len(table) == 9
    assert set(table) <= parse(read()).outputs.keys()
