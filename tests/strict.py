"""What an API server in strict mode refuses: unknown fields, wrong types, doubled list keys, broken CEL rules; and what
it checks beyond its schemas: names, labels, quantities, ports.
"""

from __future__ import annotations

import json
import re
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
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i?)?")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
LABELS = ("labels", "matchLabels", "nodeSelector", "nodeLabels")
UNIQUE = {
    "containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath",
    "ports": "name",
}  # fmt: skip
"""Lists whose items have one key each."""


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
        return [*_core_problems(each), *_own_name(each), *_beyond_schemas(each, ())]
    if each["apiVersion"] != kind.api_version:
        return [f"apiVersion {each['apiVersion']}, not {kind.api_version}"]
    found = [f"{error.json_path}: {error.message[:300]}" for error in kind.validator.iter_errors(each)]
    return [*found, *_walk(each, kind.schema, kind.schema, ()), *_own_name(each), *_beyond_schemas(each, ())]


def _core_problems(each: dict[str, Any]) -> list[str]:
    try:
        kubernetes_validate.validate(each, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)[:500]]
    return []


def _own_name(each: dict[str, Any]) -> Iterator[str]:
    """A DNS label, which every kind takes; a CronJob's leaves room for the names of its Jobs."""
    name = each["metadata"]["name"]
    if not NAME.fullmatch(name) or len(name) > (52 if each["kind"] == "CronJob" else 63):
        yield f"metadata.name: {name}"


def _beyond_schemas(value: Any, path: Path_) -> Iterator[str]:
    """Labels, quantities, names of ports, and doubles in lists, wherever they are."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _beyond_schemas(item, (*path, number))
    if not isinstance(value, dict):
        return
    for name, part in value.items():
        here = (*path, name)
        if name in LABELS and isinstance(part, dict):
            yield from (f"{here}: {k}={v}" for k, v in part.items() if not (KEY.fullmatch(k) and VALUE.fullmatch(v)))
        if name in ("requests", "limits") and isinstance(part, dict):
            yield from (f"{here}: {k}={v}" for k, v in part.items() if not QUANTITY.fullmatch(str(v)))
        if name in UNIQUE and isinstance(part, list):
            yield from (f"{here}: {problem}" for problem in _list_problems(name, part))
        yield from _beyond_schemas(part, here)


def _list_problems(name: str, items: list[dict[str, Any]]) -> Iterator[str]:
    keys = [item[UNIQUE[name]] for item in items if UNIQUE[name] in item]
    if len(set(keys)) < len(keys):
        yield f"doubled {UNIQUE[name]}"
    if name == "ports":
        yield from (f"port name {key}" for key in keys if not PORT_NAME.fullmatch(key) or len(key) > 15)
    elif UNIQUE[name] == "name" and name != "env":
        yield from (f"name {key}" for key in keys if not NAME.fullmatch(key) or len(key) > 63)


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
