"""What the AWS provider takes: a cut of its schema, so that the check needs no Terraform.

`python -m tests.infra.schema < SCHEMA` writes the cut anew from `terraform providers schema -json`.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.files import Body, Config, is_block, is_expression, parse, read

CUT = Path(__file__).with_name("schema.json")
PROVIDER = "registry.terraform.io/hashicorp/aws"
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "__is_block__"}
LITERALS: dict[str, type | tuple[type, ...]] = {
    "string": (str, int, float, bool),
    "number": (int, float),
    "bool": bool,
    "list": list,
    "set": list,
    "map": dict,
}


def cut(block: Body) -> Body:
    """Return a block's arguments as "required|optional|computed TYPE", and its nested blocks."""
    return {
        "arguments": {
            name: f"{_need(attribute)} {_kind(attribute['type'])}"
            for name, attribute in block.get("attributes", {}).items()
        },
        "blocks": {
            name: {"min": nested.get("min_items", 0), **cut(nested["block"])}
            for name, nested in block.get("block_types", {}).items()
        },
    }


def _need(attribute: Body) -> str:
    return next((need for need in ("required", "optional") if attribute.get(need)), "computed")


def _kind(type_: Any) -> str:
    return type_ if isinstance(type_, str) else type_[0]


@cache
def known() -> Body:
    """Return the cut: arguments and blocks by "resource" or "data" and type."""
    content: Body = json.loads(CUT.read_text())
    return content


def findings(config: Config) -> Iterator[str]:
    """Return what the provider would not take: names, missing arguments, literals of another type."""
    schema = known()
    for group, blocks in (("resource", config.resources), ("data", config.data)):
        for (kind, name), body in blocks.items():
            if kind in schema[group]:
                yield from _block(f"{kind}.{name}", body, schema[group][kind])
            else:
                yield f"{kind}.{name}: type not in {CUT.name}"


def _block(place: str, body: Body, schema: Body) -> Iterator[str]:
    arguments, nested = schema["arguments"], schema["blocks"]
    for name, value in body.items():
        if name in META:
            continue
        if name in nested and is_block(value):
            for part in value:
                yield from _block(f"{place}.{name}", part, nested[name])
        elif name not in arguments or arguments[name].startswith("computed"):
            yield f"{place}: no argument {name}"
        elif not _fits(value, arguments[name].split()[1]):
            yield f"{place}: {name} takes a {arguments[name].split()[1]}"
    needed = [name for name, argument in arguments.items() if argument.startswith("required")]
    needed += [name for name, part in nested.items() if part["min"]]
    for name in needed:
        if name not in body:
            yield f"{place}: {name} missing"


def _fits(value: Any, kind: str) -> bool:
    if value is None or is_expression(value):
        return True
    if isinstance(value, bool) and kind == "number":
        return False
    return isinstance(value, LITERALS[kind])


def main() -> None:
    """Write the cut for the types in use."""
    whole = json.load(sys.stdin)["provider_schemas"][PROVIDER]
    config = parse(read())
    parts = (("resource", "resource_schemas", config.resources), ("data", "data_source_schemas", config.data))
    result = {
        group: {kind: cut(whole[key][kind]["block"]) for kind in sorted({kind for kind, _ in blocks})}
        for group, key, blocks in parts
    }
    lines = [
        f'"{group}": {{\n'
        + ",\n".join(f'"{kind}": {json.dumps(part, sort_keys=True)}' for kind, part in types.items())
        + "\n}"
        for group, types in result.items()
    ]
    CUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
