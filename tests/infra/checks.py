"""All checks of infra/ that need no Terraform."""

from collections.abc import Mapping

from lark.exceptions import LarkError

from tests.infra import references, schema
from tests.infra.files import parse
from tests.infra.rules import gateway, network, regions, rights, stores, watching

CHECKS = (schema, references, network, stores, rights, gateway, watching, regions)


def findings(texts: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the files, empty when nothing is."""
    try:
        config = parse(texts)
    except LarkError:
        return ["syntax error"]
    return [finding for check in CHECKS for finding in check.findings(config)]
