import pytest

from tests.infra.checks import findings
from tests.infra.faults import FAULTS, Fault
from tests.infra.files import read


def test_files_have_no_fault() -> None:
    assert findings(read()) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_planted_fault_is_found(fault: Fault) -> None:
    found = findings(fault.plant(read()))

    assert any(finding.startswith(fault.finding) for finding in found), found
