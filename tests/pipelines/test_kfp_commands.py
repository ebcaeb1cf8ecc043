"""Commands of the docs, the README and the examples, read by the parser of the real ``kfp`` command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from kfp.cli.cli import cli

from pipelines.pipeline import loc3r_pipeline

ROOT = Path(__file__).parents[2]
NIGHTLY = ROOT / "k8s/examples/retrain-nightly.sh"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
PARAMETERS = loc3r_pipeline.component_spec.inputs


def documented() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for command in re.findall(r"(?:^|`|&& |   )(kfp (?:--\S+ \S+ )*(?:run|recurring-run) [^`\n]+)", text, re.M):
            if " -" in command:  # else it is a mention
                yield page.name, command.partition("  #")[0]


def parsed(words: list[str], folder: Path) -> tuple[str, click.Context]:
    """Verb and values, as ``kfp`` reads them; raises on an option that it does not have."""
    (folder / "loc3r.yaml").touch()
    outer = cli.make_context("kfp", list(words[1:]))
    group = cli.get_command(outer, outer.protected_args[0])
    name, command, rest = group.resolve_command(click.Context(group), list(outer.args))
    return f"{group.name} {name}", command.make_context(name, list(rest), parent=outer)


@pytest.mark.parametrize(("page", "command"), list(documented()))
def test_a_documented_command_is_one_that_kfp_takes(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for word in shlex.split(command) if word != "…"]
    verb, context = parsed(words, tmp_path)
    given = {argument.partition("=")[0] for argument in context.params.get("args") or ()}
    assert given <= set(PARAMETERS), f"{page}: {command}"
    if verb.startswith("recurring-run"):  # it sends every value as text
        assert {PARAMETERS[name].type for name in given} <= {"String"}


@pytest.mark.parametrize("spelling", ["submit", "create"])
def test_both_spellings_are_documented_and_one_command(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [command for page, command in documented() if page == "cluster.md" and f" run {spelling} " in command]
    assert commands
    verb, context = parsed(shlex.split(commands[0]), tmp_path)
    assert verb == "run create"
    assert context.params["experiment_name"] == "loc3r" and context.params["package_file"] == "loc3r.yaml"
    assert any(argument.startswith("recipe=") for argument in context.params["args"])


def test_the_nightly_run_asks_for_what_its_comment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kfp = tmp_path / "kfp"
    kfp.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done > words\n')
    kfp.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", str(NIGHTLY), "recipe=recipes/loc3r-7b.yaml"], env=environment, check=True, timeout=60)
    verb, context = parsed(["kfp", *(tmp_path / "words").read_text().splitlines()], tmp_path)
    assert verb == "recurring-run create"
    values = context.params
    assert (values["cron_expression"], values["max_concurrency"], values["enabled"]) == ("0 0 2 * * *", 1, True)
    assert values["catchup"] is False
    assert values["args"] == ("recipe=recipes/loc3r-7b.yaml",)
    assert context.parent is not None and context.parent.params["namespace"] == "loc3r"
