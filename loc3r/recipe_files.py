"""Recipe files as plain values: YAML that says each thing once, on top of what it extends, under overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from loc3r.errors import RecipeError
from loc3r.files import merge_values


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that comes twice: YAML's readers keep the last one and forget the other silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                problem = f"the key {key.value!r} comes twice in one section"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return node


def read_values(path: Path, extended_by: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a recipe file, on top of those of the file that it ``extends`` (beside it).

    Args:
        extended_by: the files that led here.

    Raises:
        RecipeError: the file is missing, is no mapping in YAML, or extends itself.
    """
    if path.resolve() in extended_by:
        raise RecipeError(
            "recipes extend each other in a circle",
            received=" -> ".join(file.name for file in (*extended_by, path)),
            expected="a recipe at the end that extends none",
            fix="remove one of these extends",
        )
    values = _parsed(path, extended_by)
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise RecipeError(f"{path} extends one other recipe", received=f"extends: {base}", expected="a file's name")
    return merge_values(read_values(path.parent / base, (*extended_by, path.resolve())), values)


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put a ``section.field=value`` (value in YAML) into plain values.

    Raises:
        RecipeError: it has no value, reaches below one, or its value is not YAML.
    """
    key, separator, value = override.partition("=")
    if not separator:
        raise RecipeError("an override has no value", received=override, expected="section.field=value")
    *sections, field = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError("an override reaches below a value", received=override, expected="section.field=value")
    try:
        values[field] = yaml.load(value, _OnceLoader)
    except yaml.YAMLError as error:
        raise RecipeError(
            "an override's value is not YAML", received=override, expected=f"a value: {_where(error)}"
        ) from error


def _parsed(path: Path, extended_by: tuple[Path, ...]) -> dict[str, Any]:
    if not path.is_file():
        fix = f"{extended_by[-1]} extends it" if extended_by else "ls recipes/"
        raise RecipeError("no such recipe", received=path, expected="a YAML file", fix=fix)
    try:
        values = yaml.load(path.read_text("utf-8"), _OnceLoader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path} is not YAML", received=_where(error), fix="mend it there") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} is not a recipe", received=type(values).__name__, expected="keys and values")
    return values


def _where(error: Exception) -> str:
    """Line, column and problem, where YAML tells them."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]
