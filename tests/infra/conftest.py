import pytest

from tests.infra.terraform import Terraform, find

FOUND = find()
NOT_RUN = "infra/: terraform or its AWS provider is not on this machine: fmt, init and plan were NOT run"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Terraform where there is none; the summary says so."""
    if FOUND:
        return
    left_out = [item for item in items if "terraform" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was not run."""
    if not FOUND:
        terminalreporter.write_sep("!", NOT_RUN, red=True, bold=True)


@pytest.fixture(scope="session")
def terraform() -> Terraform:
    """Return Terraform; tests that ask for it are left out where there is none."""
    assert FOUND
    return FOUND
