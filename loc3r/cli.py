"""The ``loc3r`` command: one verb a step. Verbs are imported only when they run, so ``--help`` is instant."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from loc3r.errors import Loc3RError

VERBS: dict[str, tuple[str, str]] = {
    "synth": (
        "loc3r.synth.cousins.command:synth",
        "Furnish rooms, walk through them, render video, write annotations.",
    ),
    "data": ("loc3r.scenes.command:data", "Check scene folders and explain every fault."),
    "prepare": ("loc3r.scenes.command:prepare", "Frames, patch targets and camera tokens into shards."),
    "fetch": ("loc3r.fetch.command:fetch", "Bring published backbones and priors, after saying what, how big, whose."),
    "prior": ("loc3r.priors.command:prior", "Train or measure the laptop's pose prior; convert CUT3R's weights."),
    "tower": ("loc3r.tower.command:tower", "Teach a model's small vision tower what things in rooms look like."),
    "train": ("loc3r.train.command:train", "Train a recipe with DeepSpeed, here or on Kubernetes; resumable."),
    "jobs": ("loc3r.cluster.command:jobs", "List, follow or stop the trainings on a cluster."),
    "evaluate": ("loc3r.evaluate.command:evaluate", "Score a model beside its baselines; write a report."),
    "calibrate": ("loc3r.evaluate.calibrate_command:calibrate", "Fit how sure a model says it is on held-out rooms."),
    "ablate": ("loc3r.ablate.command:ablate", "Take the model apart: what is each part worth?"),
    "score": ("loc3r.score.command:score", "Score predictions as each community's own script does."),
    "results": ("loc3r.results.command:results", "Write every recorded score into the results page."),
    "gate": ("loc3r.tracking.command:gate", "Register a model; make it champion only if it is better."),
    "rollback": ("loc3r.tracking.command:rollback", "Give the champion alias back to the version before."),
    "up": ("loc3r.services.command:up", "Start the embedded MLflow and S3 servers."),
    "down": ("loc3r.services.command:down", "Stop the embedded servers."),
    "export": ("serving.command:export", "Write a Triton model repository from a model."),
    "serve": ("serving.command:serve", "Run Triton over an exported repository."),
    "deploy": (
        "serving.command:deploy",
        "Package a model, load it beside the one that serves, ask it, change over or go back.",
    ),
    "ask": ("loc3r.client.command:ask", "Ask a running server about a video; draw the map."),
    "pipeline": ("pipelines.command:pipeline", "Compile the Kubeflow pipeline, or run it on this machine."),
    "recipe": (
        "loc3r.recipe_command:recipe",
        "Show a recipe with its defaults, or the recipes' JSON Schema.",
    ),
    "demo": ("pipelines.demo:demo", "The whole life of a model on this machine, in minutes."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs, in the order that data flows"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="loc3r")
def loc3r() -> None:
    """Find the speaker on a room's bird's-eye map, from a video and a sentence.

    Start with "make demo". Every verb has --help with an example.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a known error is printed without a traceback and exits with 1."""
    try:
        return loc3r.main(args=arguments, prog_name="loc3r")
    except Loc3RError as error:
        click.secho(f"error[{error.code}]: {error}", fg="red", err=True)
        sys.exit(1)
