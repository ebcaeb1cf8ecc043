"""What an API server in strict mode refuses: unknown fields, wrong types, doubled list keys, broken CEL rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

VERSION = "1.36"
SCHEMAS = Path(__file__).parent / "k8s/schemas"
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class CustomKind:
    """One of our neighbours' kinds."""

    api_version: str
    scope: str
    schema: dict[str, Any]
    validator: jsonschema.Draft202012Validator


@cache
def custom_kinds() -> dict[str, CustomKind]:
    """By kind."""
    found = {}
    for path in SCHEMAS.glob("*.json"):
        content = json.loads(path.read_text())
        validator = jsonschema.Draft202012Validator(content["schema"])
        version = f"{content['group']}/{content['version']}"
        found[content["kind"]] = CustomKind(version, content["scope"], content["schema"], validator)
    return found


def problems(each: dict[str, Any]) -> list[str]:
    """Why the object would be refused; empty when it would not."""
    kind = custom_kinds().get(each["kind"])
    if kind is None:
        return _core_problems(each)
    if each["apiVersion"] != kind.api_version:
        return [f"apiVersion {each['apiVersion']}, not {kind.api_version}"]
    found = [f"{error.json_path}: {error.message[:300]}" for error in kind.validator.iter_errors(each)]
    return found + list(_walk(each, kind.schema, kind.schema, ()))


def _core_problems(each: dict[str, Any]) -> list[str]:
    try:
        kubernetes_validate.validate(each, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)[:500]]
    return []


def _walk(value: Any, schema: dict[str, Any], root: dict[str, Any], path: Path_) -> Iterator[str]:
    """Doubled keys of list maps and CEL rules, over the value and its schema."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys and isinstance(value, list):
        seen = [tuple(item.get(key) for key in keys) for item in value]
        if len(set(seen)) < len(seen):
            yield f"{path}: doubled {keys}"
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):  # oldSelf: updates only
            yield f"{path}: {rule.get('message', rule['rule'])}"
    for name, part, below in _parts(value, schema):
        yield from _walk(part, below, root, (*path, name))


def _parts(value: Any, schema: dict[str, Any]) -> Iterator[tuple[str | int, Any, dict[str, Any]]]:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    if isinstance(value, dict):
        named = ((name, part, fields.get(name, others)) for name, part in value.items())
        yield from ((name, part, below) for name, part, below in named if isinstance(below, dict))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        yield from ((number, part, schema["items"]) for number, part in enumerate(value))


def _holds(rule: str, value: Any) -> bool:
    import celpy

    return bool(_program(rule).evaluate({"self": celpy.json_to_cel(value)}))


@cache
def _program(rule: str) -> Any:
    environment = _environment()
    return environment.program(environment.compile(rule))


@cache
def _environment() -> Any:
    import celpy

    return celpy.Environment()  # parses its grammar: once is enough
