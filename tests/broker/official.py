"""What the official document says of an operation, and in what a request or a reply differs from it.

A difference is written as `subject: pointer: rule`, such as `/order/placeorder: bracket1.text: maxLength`.
Pointers name no positions of an array, so that a table of known differences stays short.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

PATH = Path(__file__).parents[1] / "data" / "tradovate-openapi.json"
DOCUMENT: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]

type Schema = Mapping[str, Any]

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@FORMATS.checks("date-time", raises=ValueError)
def _is_utc_time(value: object) -> bool:
    return not isinstance(value, str) or (
        value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    )


@dataclass(frozen=True)
class Operation:
    """One operation of the document. `body` and `query` are None and empty where it takes none."""

    path: str
    method: str
    query: Mapping[str, Schema]
    body: Schema | None
    reply: Schema

    def request_differences(self, query: Mapping[str, Any], body: Any) -> set[str]:
        """Return in what a request differs; a field or parameter that is not in the document counts."""
        found = set(_differences({name: self._readable(name, query[name]) for name in query}, self._query()))
        if self.body is None:
            found |= {"body: unexpected"} if body is not None else set()
        else:
            found |= set(_differences(body, closed(self.body)))
        return {f"{self.path}: {difference}" for difference in found}

    def reply_differences(self, reply: Any) -> set[str]:
        """Return in what a reply differs; fields that are not in the document are welcome."""
        return {f"{self.path}: {difference}" for difference in _differences(reply, self.reply)}

    def _query(self) -> Schema:
        return {
            "type": "object",
            "properties": self.query,
            "required": list(self.query),
            "additionalProperties": False,
        }

    def _readable(self, name: str, text: str) -> Any:
        schema = self.query.get(name, {})
        if schema.get("type") == "array":
            return [int(word) if _is_whole(word) else word for word in text.split(",")]
        return int(text) if schema.get("type") == "integer" and _is_whole(text) else text


def operations() -> dict[str, Operation]:
    """Return every operation of the document by its path; none has two methods."""
    found = {}
    for path, methods in DOCUMENT["paths"].items():
        ((method, words),) = methods.items()
        body = words.get("requestBody")
        found[path] = Operation(
            path,
            method.upper(),
            {parameter["name"]: parameter["schema"] for parameter in words.get("parameters", ())},
            _schema_of(body) if body else None,
            _schema_of(words["responses"]["200"]),
        )
    return found


def entity_differences(entity_type: str, entity: Any) -> set[str]:
    """Return in what a row as the socket sends it differs; `entity_type` is lower camel case."""
    name = entity_type[:1].upper() + entity_type[1:]
    if name not in SCHEMAS:
        return {f"{entity_type}: not in the document"}
    found = _differences(entity, {"$ref": f"#/components/schemas/{name}"})
    return {f"{entity_type}: {difference}" for difference in found}


def closed(schema: Any) -> Any:
    """Return a schema whose objects, inner ones included, take no field but those of the document."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return closed(SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]])
    inner = {key: closed(value) for key, value in schema.items()}
    return inner | {"additionalProperties": False} if schema.get("type") == "object" else inner


def _differences(value: Any, schema: Schema) -> Iterable[str]:
    for error in _validator(json.dumps(schema, sort_keys=True)).iter_errors(value):
        pointer = [str(part) for part in error.absolute_path if isinstance(part, str)]
        for name in _names(error):
            yield f"{'.'.join([*pointer, *name]) or 'it'}: {error.validator}"


def _names(error: Any) -> list[list[str]]:
    """Return the fields that an error is about, where it is said of the object around them."""
    if error.validator == "additionalProperties":
        return [[name] for name in error.instance if name not in error.schema.get("properties", {})]
    if error.validator == "required":
        return [[name] for name in error.validator_value if name not in error.instance]
    return [[]]


@cache
def _validator(schema: str) -> Any:
    whole = json.loads(schema) | {"components": DOCUMENT["components"]}
    # OpenAPI 3.0 writes `exclusiveMinimum` as draft 4 does.
    return jsonschema.Draft4Validator(whole, format_checker=FORMATS)


def _schema_of(words: Mapping[str, Any]) -> Schema:
    schema: Schema = words["content"]["application/json"]["schema"]
    return schema


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
