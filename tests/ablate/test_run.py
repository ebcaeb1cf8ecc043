"""A whole ablation of real, tiny trainings: recorded, killed, resumed, extended."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from loc3r.ablate.plan import Plan
from loc3r.ablate.run import run_ablation
from loc3r.errors import CheckpointError, DataError
from loc3r.files import read_json
from loc3r.results.page import ABLATION
from loc3r.train.job import hash_weights
from loc3r.train.trainer import Stopped


@pytest.mark.timeout(1500)
def test_a_killed_ablation_goes_on_and_is_recorded_in_mlflow(
    make_plan: Callable[..., Plan], train, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    plan = make_plan("coordinates-as-text", "+layout", tracking_uri=uri)
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n\n{ABLATION.begin}\nnothing yet\n{ABLATION.end}\n\n## More\n")
    told = Console(file=io.StringIO(), width=100)

    train.stop_at = 4  # before the second step of the second child
    with pytest.raises(Stopped):
        run_ablation(plan, train, told, page)
    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "loc3r"]
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()  # not where the program was started
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`loc3r.kind` = 'ablation'")
    assert parent.info.status == "FAILED"
    assert json.loads((plan.out / "ablation.json").read_text())["children_missing"] == 1
    assert "children are missing" in page.read_text()

    record = run_ablation(plan, train, told, page)
    assert [Path(out).relative_to(plan.out).parts for out in train.trained] == [
        ("coordinates-as-text", "seed_0"), ("+layout", "seed_0"),
    ]  # fmt: skip
    assert "[1/2] coordinates-as-text, seed 0" in told.file.getvalue()  # type: ignore[attr-defined]
    assert record["children_missing"] == 0 and not list(plan.out.glob("*/*/checkpoints"))

    (parent,) = client.search_runs([experiment.experiment_id], "tags.`loc3r.kind` = 'ablation'")
    assert parent.info.status == "FINISHED" and parent.data.tags["loc3r.verdict"] == record["verdict"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"ablation.json", "ablation.md"}
    children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    by_variant = {run.data.params["variant"]: run for run in children}
    assert set(by_variant) == {"coordinates-as-text", "+layout"} and len(children) == 2
    names = []
    for variant, run in by_variant.items():
        assert run.info.status == "FINISHED"
        assert run.data.params["seed"] == "0" and run.data.tags["loc3r.variant"] == variant
        assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]
        names.append({name for name in run.data.metrics if name.startswith(("test/acc", "test/answer"))})
    assert names[0] == names[1] and "test/acc_1.0m" in names[0]
    assert "train/layout" in by_variant["+layout"].data.metrics
    assert "train/layout" not in by_variant["coordinates-as-text"].data.metrics

    section = page.read_text()
    assert section.startswith("# Results\n") and section.endswith("## More\n") and "nothing yet" not in section
    assert (plan.out / "ablation.md").read_text().strip() in section

    run_ablation(plan, train, told, page)
    assert len(train.trained) == 2, "a finished child was trained again"


@pytest.mark.timeout(600)
def test_children_begin_with_one_backbone_and_heads_of_their_own(
    make_plan: Callable[..., Plan], train, tmp_path: Path
) -> None:
    first = replace(make_plan("situation"), out=tmp_path / "first")
    run_ablation(first, train, Console(quiet=True))
    init = first.children()[0].job.model
    begun = replace(make_plan("situation", "+dense-grounding"), init=init, overrides=("train.keep_heads=false",))
    assert begun.key != replace(begun, init=None).key

    run_ablation(begun, train, Console(quiet=True))  # +dense-grounding has a wider heading head than situation
    for child in begun.children():
        assert read_json(child.job.model / "lineage.json")["init"] == hash_weights(init)
    assert "from random weights" in (first.out / "ablation.md").read_text()
    assert re.search(
        r"from the backbone of `.+` \(`\w+`, \d+ situations\) with new heads", (begun.out / "ablation.md").read_text()
    )
    with pytest.raises(CheckpointError, match="of another shape"):
        run_ablation(replace(begun, overrides=(), out=tmp_path / "kept"), train, Console(quiet=True))


def test_a_page_without_a_place_is_refused_before_the_work(
    make_plan: Callable[..., Plan], train, tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text("# Results\n")
    with pytest.raises(DataError, match="no place for loc3r ablate"):
        run_ablation(make_plan("situation", "+layout"), train, Console(quiet=True), tmp_path / "page.md")
    assert not train.trained
