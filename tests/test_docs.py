"""What the pages say to type exists: commands, flags, targets of make, and pages that they link to."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# What is typed stands in a code span, or in a line of a block.
TYPED = re.compile(
    r"`([^`\n]+)`|^( *(?:[A-Z_]+=\S+ )*(?:\./)?(?:manage\.py|manage|make|docker compose exec web) .+)$", re.M
)
COMMAND = re.compile(r"(?:^|(?<!zappa)\s)(?:(?:\./|python )?manage\.py|manage) (\w[^|]*)")
MAKE = re.compile(r"(?:^|\s)make ([a-z][\w-]*)(?=\s|$)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]+)?\)")
PAGES_BY_NAME = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES_BY_NAME)
def test_what_a_page_says_to_type_exists(page: Path) -> None:
    assert list(unknown(page.read_text())) == []


@pytest.mark.parametrize("page", PAGES_BY_NAME)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text()

    assert [link for link, _ in LINK.findall(text) if not (page.parent / link).exists()] == []
    assert [
        mark for link, mark in LINK.findall(text) if mark and mark[1:] not in marks(page.parent / link)
    ] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`./manage.py doctr`", "doctr"),
        ("`./manage.py kill_switch on --forever`", "kill_switch --forever"),
        ("```\nmanage lease steal --reason x\n```", "lease steal"),
        ("run `make haste`", "make haste"),
    ],
)
def test_what_does_not_exist_is_found(text: str, found: str) -> None:
    assert list(unknown(text)) == [found]


def unknown(text: str) -> Iterator[str]:
    """Yield what a page tells people to type that is not there."""
    for match in TYPED.finditer(text):
        typed = match[1] or match[2]
        for target in MAKE.findall(typed):
            if target not in TARGETS:
                yield f"make {target}"
        for said in COMMAND.findall(typed):
            yield from _unknown_of_command(said)


def _unknown_of_command(said: str) -> Iterator[str]:
    plain = re.sub(r"[\[\]\\]", " ", said.partition("#")[0])
    words = shlex.split(plain, posix=False)
    name, arguments = words[0], words[1:]
    if name not in get_commands():
        yield name
        return
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    flags = parser._option_string_actions
    choices = [action.choices for action in parser._actions if not action.option_strings and action.choices]
    for word in arguments:
        flag = word.split("=")[0]
        if word.startswith("--") and flag not in flags:
            yield f"{name} {flag}"
    if choices and arguments and arguments[0].isalpha() and arguments[0] not in choices[0]:
        yield f"{name} {arguments[0]}"


def marks(page: Path) -> set[str]:
    """Return the marks of a page's headings, as they are made on GitHub."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
