"""Write the schemas that tests/k8s checks manifests against, from the CustomResourceDefinitions of their projects.

    python scripts/compact_crds.py ../shared/schemas --out tests/k8s/schemas

A definition is megabytes, most of it the pod template again and again. Here descriptions go, the newest version stays,
equal parts are written once (``$defs``), and an object with known fields refuses others, as an API server in strict
mode does. CEL rules (``x-kubernetes-validations``) and list keys are kept for the tests to apply.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import yaml

Schema = dict[str, Any]
DROPPED = ("description", "default", "format", "x-kubernetes-map-type", "x-kubernetes-list-type")
SMALLEST = 80
"""Parts of fewer characters are not worth a name."""


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(source: Path, out: Path) -> None:
    """Compact every definition in SOURCE."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.yaml")):
        definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
        version = next(each for each in reversed(definition["versions"]) if each["served"])
        kind = {"group": definition["group"], "version": version["name"], "kind": definition["names"]["kind"]}
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        text = json.dumps({**kind, "scope": definition["scope"], "schema": shared(schema)}, separators=(",", ":"))
        target = out / f"{kind['kind'].lower()}.json"
        target.write_text(text + "\n")
        click.echo(f"{path.stat().st_size >> 10:5} KiB -> {len(text) >> 10:3} KiB  {target}")


def strict(schema: Schema) -> Schema:
    """JSON Schema of one OpenAPI part: no prose, no unknown fields."""
    plain = {key: value for key, value in schema.items() if key not in DROPPED}
    if plain.pop("x-kubernetes-int-or-string", False):
        return {"type": ["integer", "string"]}
    opened = plain.pop("x-kubernetes-preserve-unknown-fields", False)
    if plain.pop("x-kubernetes-embedded-resource", False) or plain.pop("nullable", False):
        opened = True
    if "properties" in plain:
        plain["properties"] = {name: strict(part) for name, part in plain["properties"].items()}
        if not opened:
            plain["additionalProperties"] = False
    elif isinstance(plain.get("additionalProperties"), dict):
        plain["additionalProperties"] = strict(plain["additionalProperties"])
    if isinstance(plain.get("items"), dict):
        plain["items"] = strict(plain["items"])
    return plain


def shared(schema: Schema) -> Schema:
    """The same schema with each part that occurs twice written once, under ``$defs``."""
    counts: Counter[str] = Counter()
    _count(schema, counts)
    names = {text: f"d{number}" for number, (text, times) in enumerate(counts.items()) if times > 1}
    defs = {name: _named(json.loads(text), names, top=True) for text, name in names.items()}
    return {**_named(schema, names, top=True), "$defs": defs}


def _parts(schema: Schema) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    found |= {key: schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)}
    return found


def _count(schema: Schema, counts: Counter[str]) -> None:
    text = json.dumps(schema, sort_keys=True)
    if len(text) >= SMALLEST:
        counts[text] += 1
        if counts[text] > 1:  # its parts were counted with its first occurrence
            return
    for part in _parts(schema).values():
        _count(part, counts)


def _named(schema: Schema, names: dict[str, str], top: bool = False) -> Schema:
    name = None if top else names.get(json.dumps(schema, sort_keys=True))
    if name:
        return {"$ref": f"#/$defs/{name}"}
    copy = dict(schema)
    if "properties" in copy:
        copy["properties"] = {key: _named(part, names) for key, part in copy["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(copy.get(key), dict):
            copy[key] = _named(copy[key], names)
    return copy


if __name__ == "__main__":
    main()
