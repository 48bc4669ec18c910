"""Names that expressions use: each must exist, and each name must be used."""

import re
from collections.abc import Iterator

from tests.infra.files import Config, is_expression, texts_in, used
from tests.infra.schema import known

REFERENCE = re.compile(r"(?<![\w.])(data\.)?(aws_\w+)\.(\w+)(\[[^\]]*\])?(?:\.(\w+))?")


def findings(config: Config) -> Iterator[str]:
    """Return references to nothing, and variables and locals that nothing uses."""
    for kind, declared in (("var", set(config.variables)), ("local", set(config.locals))):
        names = used(config, kind)
        yield from (f"{kind}.{name}: not declared" for name in sorted(names - declared))
        yield from (f"{kind}.{name}: not used" for name in sorted(declared - names))
    yield from sorted(set(_resources(config)))


def _resources(config: Config) -> Iterator[str]:
    schema = known()
    for part in config.everything():
        for text in filter(is_expression, texts_in(part)):
            for data, kind, name, index, attribute in REFERENCE.findall(text):
                body = (config.data if data else config.resources).get((kind, name))
                if body is None:
                    yield f"{data}{kind}.{name}: not declared"
                    continue
                block = schema["data" if data else "resource"].get(kind, {"arguments": {}, "blocks": {}})
                if attribute and attribute not in block["arguments"] | block["blocks"]:
                    yield f"{data}{kind}.{name}: no attribute {attribute}"
                if attribute and bool(index) != bool({"count", "for_each"} & body.keys()):
                    yield f"{data}{kind}.{name}: {'is one, not many' if index else 'is many: which one?'}"
