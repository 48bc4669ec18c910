import pytest

COUNTS: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many operations were held against the official document."""
    for line in COUNTS:
        terminalreporter.write_line(line)
