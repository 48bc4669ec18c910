"""The files in infra/, parsed without Terraform."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions

INFRA = Path(__file__).resolve().parents[2] / "infra"

type Body = dict[str, Any]
type Named = tuple[str, str]

OPTIONS = SerializationOptions(with_comments=False, strip_string_quotes=True)


@dataclass
class Config:
    """Blocks by type and name. A literal is a plain value, an expression is text in ${…}."""

    resources: dict[Named, Body] = field(default_factory=dict)
    data: dict[Named, Body] = field(default_factory=dict)
    variables: dict[str, Body] = field(default_factory=dict)
    outputs: dict[str, Body] = field(default_factory=dict)
    locals: Body = field(default_factory=dict)
    settings: list[Body] = field(default_factory=list)

    def of_type(self, kind: str) -> dict[str, Body]:
        """Return the resources of a type by name."""
        return {name: body for (other, name), body in self.resources.items() if other == kind}

    def resource(self, kind: str, name: str) -> Body:
        """Return a resource's body, empty when there is none."""
        return self.resources.get((kind, name), {})

    def policy(self, name: str) -> list[Body]:
        """Return the statements of a policy document, none when it does not exist."""
        return blocks(self.data.get(("aws_iam_policy_document", name), {}), "statement")

    def everything(self) -> Iterator[Any]:
        """Return every block's content."""
        for group in (self.resources, self.data, self.variables, self.outputs):
            yield from group.values()
        yield self.locals
        yield from self.settings


def read() -> dict[str, str]:
    """Return the text of each file."""
    return {path.name: path.read_text() for path in sorted(INFRA.glob("*.tf"))}


def parse(texts: Mapping[str, str]) -> Config:
    """Return the content of files; the parser's own errors escape."""
    config = Config()
    for text in texts.values():
        content = _content(text)
        for kind in ("resource", "data"):
            group = config.resources if kind == "resource" else config.data
            for block in content.get(kind, []):
                for type_, named in block.items():
                    group.update({(type_, name): body for name, body in named.items()})
        for block in content.get("variable", []):
            config.variables.update(block)
        for block in content.get("output", []):
            config.outputs.update(block)
        for block in content.get("locals", []):
            config.locals.update({key: value for key, value in block.items() if key != "__is_block__"})
        config.settings += content.get("terraform", []) + content.get("provider", [])
    return config


@cache
def _content(text: str) -> Body:
    return hcl2.loads(text, serialization_options=OPTIONS)


def blocks(body: Body, name: str) -> list[Body]:
    """Return the nested blocks of a name."""
    found: list[Body] = body.get(name, [])
    return found


def block(body: Body, name: str) -> Body:
    """Return the only nested block of a name, empty when there is none."""
    found = blocks(body, name)
    return found[0] if found else {}


def texts_in(value: Any) -> Iterator[str]:
    """Return every string in a value, however deep, keys of objects included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def is_expression(value: Any) -> bool:
    """Tell whether a value is known only to Terraform."""
    return isinstance(value, str) and "${" in value


def is_block(value: Any) -> bool:
    """Tell whether a value is nested blocks rather than an argument."""
    return isinstance(value, list) and any(
        isinstance(part, dict) and "__is_block__" in part for part in value
    )


def used(config: Config, kind: str) -> set[str]:
    """Return the names after `var.` or `local.` that any expression uses."""
    pattern = re.compile(rf"(?<![\w.]){kind}\.(\w+)")
    return {
        name
        for part in config.everything()
        for text in texts_in(part)
        if is_expression(text)
        for name in pattern.findall(text)
    }
