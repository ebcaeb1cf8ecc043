"""Where a model comes from: code commit, data revision, recipe, parent; and the card that says it in words."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

import loc3r
from loc3r.priors.base import allows_commercial_use
from loc3r.recipe import Recipe
from loc3r.tracking.lineage import read_lineage
from loc3r.train.job import Identity

LINEAGE_FILE = "lineage.json"


def code_commit() -> str:
    """The commit of this code, "-dirty" when files differ from it; outside of Git, the package's version."""
    root = Path(loc3r.__file__).resolve().parents[1]
    if (root / ".git").exists():  # else Git would name a repository that merely contains the environment
        described = _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
        if described:
            return described
    return f"loc3r-{version('loc3r')}"


def data_revision(data: Path) -> str | None:
    """DVC's hash of a folder that a ``dvc.lock`` above it made, or that a ``.dvc`` file beside it names; else None."""
    folder = data.resolve()
    tracked = folder.with_name(f"{folder.name}.dvc")
    if tracked.is_file():
        (out,) = yaml.safe_load(tracked.read_text())["outs"]
        return str(out["md5"])
    for root in folder.parents:
        lock = root / "dvc.lock"
        if lock.is_file():
            return locked_revisions(lock.read_text()).get(str(folder.relative_to(root)))
    return None


def locked_revisions(lock: str) -> dict[str, str]:
    """DVC's hash of each output in the text of a ``dvc.lock``."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {}).values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", []) if "md5" in out}


def lineage_of(
    *,
    recipe: Recipe,
    identity: Identity,
    data: Path,
    init: Path | None,
    prior: dict[str, Any],
    mixture: dict[str, Any] | None,
    situations: int,
    ranks: int,
) -> dict[str, Any]:
    """The ``lineage.json`` of a finished model; ``situations`` are this training's, its ancestors' are added.

    ``mixture`` is the data manifest's record of what was drawn of which data set, where it was drawn.
    """
    parent = read_lineage(init) if init else {}
    return {
        "name": recipe.name,
        "recipe_hash": identity.recipe_hash,
        "data_hash": identity.data_hash,
        "init": identity.init,
        "data_revision": data_revision(data),
        "code_commit": code_commit(),
        "seed": recipe.seed,
        "prior": prior,
        "earlier_priors": {n: said for n, said in prior_licences(parent).items() if n != prior["name"]} or None,
        "mixture": mixture,
        "tower": parent.get("tower"),
        "parent": identity.init,
        "parent_recipe_hash": parent.get("recipe_hash"),
        "steps": recipe.train.last_step,
        "situations_seen": situations + int(parent.get("situations_seen", 0)),
        "ranks": ranks,
    }


def prior_licences(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Name to licence of every pose prior that a model or an ancestor of it was trained on: all of them bind it."""
    prior = lineage.get("prior")
    own = {prior["name"]: prior["licence"]} if isinstance(prior, dict) else {}
    return {**(lineage.get("earlier_priors") or {}), **own}


def forbidden_commercially(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Those of ``prior_licences`` that keep a model from commercial use."""
    return {name: said for name, said in prior_licences(lineage).items() if not allows_commercial_use(name)}


def model_card(recipe: Recipe, lineage: dict[str, Any], loss: float, parameters: int) -> str:
    """A README.md in the model-card convention: front matter, then what, how, and how to use it."""
    taught = lineage.get("tower")
    tower = f"| vision tower | taught on {taught['rooms']} rooms, {taught['frames_seen']} frames |\n" if taught else ""
    start = f"the checkpoint {lineage['parent']}" if lineage["parent"] else "random weights"
    prior, earlier = lineage["prior"], lineage.get("earlier_priors") or {}
    binding = next(iter(forbidden_commercially(lineage).values()), prior["licence"])
    before = "".join(f"; its ancestors: {name}, {licence}" for name, licence in earlier.items())
    return f"""---
library_name: loc3r
license: {_hub_licence(binding)}
pipeline_tag: visual-question-answering
---
# {recipe.name}

Finds the speaker on a room's bird's-eye map and answers questions, from a video and a sentence.
{parameters / 1e6:.1f} M parameters; {recipe.data.frames} frames of {recipe.data.frame_size_px} px.

Trained for {lineage["steps"]} steps from {start}; {lineage["situations_seen"]} situations seen, ancestors included.
Loss of the last step: {loss:.4f}. `scores.json` appears here once `loc3r evaluate` has run.

| | |
|---|---|
| recipe | `{lineage["recipe_hash"]}` (`recipe.yaml`) |
| data | `{lineage["data_hash"]}` |
| pose prior | {prior["name"]} `{prior["fingerprint"]}`, {prior["licence"]}{before} |
{tower}| code | `{lineage["code_commit"]}` |
| seed | {lineage["seed"]} |

    loc3r evaluate --model . --data PREPARED --out REPORT
"""


def _hub_licence(prior: str) -> str:
    """The card's licence: the code's, unless the prior's weights bind what was trained on their tokens."""
    return prior.lower() if " " not in prior else f"other\nlicense_name: {prior.lower().replace(' ', '-')}"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
