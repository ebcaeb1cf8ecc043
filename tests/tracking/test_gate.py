"""``loc3r evaluate``, ``gate`` and ``rollback`` as users type them, on a real MLflow server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from guesses import write_guesses
from small_rooms import write_model, write_rooms

from loc3r.cli import loc3r
from loc3r.errors import DataError
from loc3r.evaluate.run import Evaluation
from loc3r.files import read_json, write_json
from loc3r.scenes.shards import PreparedData
from loc3r.services.mlflow import MlflowServer
from loc3r.tracking.gate import settle
from loc3r.tracking.lineage import model_hash
from loc3r.tracking.registry import Registry
from loc3r.tracking.runs import run_of_model

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("tracking")]


@pytest.fixture
def registry(
    server: MlflowServer, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """The registry that the commands find through the environment; the commands run in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOC3R_TRACKING_URI", server.url)
    monkeypatch.setenv("LOC3R_REGISTERED_MODEL", request.node.name)
    monkeypatch.setenv("LOC3R_EXPERIMENT", request.node.name)
    return Registry(server.url, request.node.name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(loc3r, arguments, catch_exceptions=False)


def candidate(name: str, skill: float, data: Path) -> list[str]:
    """A checkpoint and an evaluation of it that is right with probability ``skill``; the gate's arguments."""
    model, folder = Path(name), Path(f"{name}-evaluation")
    model.mkdir()
    for file in ("model.safetensors", "loc3r_config.json", "tokenizer.json"):
        (model / file).write_text(name)
    data_hash = PreparedData(data).data_hash
    write_json(folder / "evaluation.json", asdict(Evaluation(model_hash(model), data_hash, None, 8)))
    write_json(
        folder / "scores.json",
        {"label": "T0: unseen synthetic rooms", "bootstrap": {"samples": 300, "confidence": 0.95, "seed": 0}},
    )
    write_guesses(folder / "predictions.jsonl", skill, seed=len(name))
    write_guesses(folder / "trivial.jsonl", 0.3, seed=99)
    return ["gate", "--model", name, "--evaluation", str(folder), "--data", str(data), "--decision", f"{name}.json"]


def test_the_gates_whole_story(registry: Registry) -> None:
    data = write_rooms(Path("rooms"), scenes=8)
    poor, fair = candidate("poor", 0.2, data), candidate("fair", 0.6, data)
    worse, best = candidate("worse", 0.4, data), candidate("best", 0.95, data)

    told = run(*poor)
    assert "not promoted" in told.output and "trivial guesses" in told.output
    assert "nobody yet" in told.output
    assert read_json(Path("poor.json"))["promoted"] is False

    assert "promoted: Better" in run(*fair).output
    assert "already" in run(*fair).output  # again: it is the champion
    assert "registered before" in run(*poor).output

    told = run(*worse)
    assert "not promoted: Not shown to be better: -" in told.output
    assert f"the champion models:/{registry.name}/2" in told.output
    decision = read_json(Path("worse.json"))
    assert (decision["promoted"], decision["version"], decision["champion"]) == (False, "3", "2")
    assert decision["evidence"]["scenes"] == 12

    run(*best)
    champion = registry.champion()
    assert champion and champion.number == 4
    assert champion.tags["loc3r.gate.decision"] == "promoted"
    assert "+" in champion.tags["loc3r.gate.reason"]

    assert f"champion: models:/{registry.name}/2 (was models:/{registry.name}/4)" in run("rollback").output
    assert "Rolled back" in run(*best).output  # the pipeline's next run does not undo what people did
    assert "promoted: Better" in run(*best, "--again").output


def test_somebody_may_have_to_serve_even_if_no_model_beats_a_guess(registry: Registry) -> None:
    data = write_rooms(Path("rooms"), scenes=2)
    poor, fair = candidate("poor", 0.2, data), candidate("fair", 0.6, data)
    assert "promoted: The first model" in run(*poor, "--accept-first").output
    assert "against the champion" in run(*fair, "--accept-first").output
    champion = registry.champion()
    assert champion and champion.number == 2


def test_the_champion_is_asked_when_it_never_saw_the_questions(registry: Registry) -> None:
    rooms, training = write_rooms(Path("rooms"), scenes=9), write_rooms(Path("train"), "train", scenes=3, first=50)
    champion, challenger = write_model(Path("first"), seed=0), write_model(Path("second"), seed=1)
    version = registry.register(champion, run_of_model(registry.uri, registry.name, champion), {})

    class Trusted:
        better, reason, against, evidence = True, "somebody said so", "nobody", {}

    settle(registry, version, Trusted(), None)
    told = run(
        "evaluate", "--model", "second", "--data", str(rooms), "--train-data", str(training), "--out", "evaluation"
    )
    assert "T0: unseen synthetic rooms" in told.output and "Acc@1.0 m" in told.output
    told = run("gate", "--model", str(challenger), "--evaluation", "evaluation", "--data", str(rooms))
    assert "asking it now" in told.output
    assert "against the champion" in told.output
    told = run("gate", "--model", str(challenger), "--evaluation", "evaluation", "--data", str(rooms))
    assert "asking it now" not in told.output  # its answers are kept with it

    tracked = run_of_model(registry.uri, registry.name, challenger)
    metrics = tracked.client.get_run(tracked.run_id).data.metrics
    assert metrics["test/acc_1.0m"] == read_json(Path("evaluation/scores.json"))["metrics"]["acc_1.0m"]["value"]
    assert {"test/primary.low", "test/answer_em/counting"} <= metrics.keys()
    protocol = Evaluation.read(Path("evaluation")).protocol
    names = {item.path for item in tracked.client.list_artifacts(tracked.run_id, f"evaluation/{protocol}")}
    assert f"evaluation/{protocol}/report.html" in names

    told = run(
        "evaluate", "--model", "second", "--data", str(rooms), "--train-data", str(training), "--out", "evaluation"
    )
    assert "nothing was run" in told.output
    assert len(tracked.client.get_metric_history(tracked.run_id, "test/acc_1.0m")) == 1


def test_an_evaluation_of_something_else_is_refused(registry: Registry) -> None:
    data = write_rooms(Path("rooms"), scenes=2)
    arguments = candidate("one", 0.5, data)
    (Path("one") / "model.safetensors").write_text("trained on")
    with pytest.raises(DataError, match="not a finished evaluation"):
        run(*arguments)
    assert registry.champion() is None
