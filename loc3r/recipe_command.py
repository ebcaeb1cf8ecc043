"""``loc3r recipe``: look at recipes."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def recipe() -> None:
    """Show a recipe with every default filled in, or the JSON Schema of all recipes."""


@recipe.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="SECTION.FIELD=VALUE", help="Change one value.")
def show(path: Path, overrides: tuple[str, ...]) -> None:
    """Print PATH with every default, and its hash.

    Example: loc3r recipe show recipes/rooms-tiny.yaml --set train.steps=10
    """
    from loc3r.recipe import load_recipe

    loaded = load_recipe(path, overrides)
    click.echo(f"# recipe hash {loaded.hash}")
    click.echo(loaded.to_yaml(), nl=False)


@recipe.command()
def schema() -> None:
    """Print JSON Schema, for editors: keys, types, defaults and what each does.

    Example: loc3r recipe schema > recipe.schema.json
    """
    from loc3r.recipe import Recipe

    click.echo(json.dumps(Recipe.model_json_schema(), indent=2))
