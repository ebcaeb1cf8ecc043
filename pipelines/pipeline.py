"""The pipeline: pin the inputs, fetch, score the model we start from, train, score again, gate, deploy, report.

loc3r pipeline compile -o loc3r.yaml
kfp run submit -e loc3r -f loc3r.yaml recipe=recipes/rooms-demo.yaml
loc3r pipeline run            # the same steps on this machine, with Kubeflow's local runner

One package for both: what only a cluster has (``pipelines.platform``) is in the package's second document.
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from pipelines.components import (
    deploy_champion,
    evaluate_model,
    fetch_data,
    gate_model,
    import_model,
    is_served,
    pin_inputs,
    report_run,
    train_model,
)
from pipelines.platform import (
    MLFLOW,
    REPORT,
    S3,
    SIZES,
    Cluster,
    with_data_revision,
    with_fetch_script,
)


def define(cluster: Cluster, nodes: int = 1, gpus_per_node: int = 0) -> GraphComponent:
    """The pipeline, with its steps placed on a cluster and these defaults of its parameters."""
    place, size = cluster.place, cluster.size
    default_nodes, default_gpus = nodes, gpus_per_node

    @dsl.pipeline(name="loc3r", description="From a data revision and a recipe to a served champion.")
    def loc3r_pipeline(
        recipe: str = "recipes/rooms-demo.yaml",
        init: str = "checkpoints/rooms-tiny",
        train_data: str = "data/prepared/train",
        test_data: str = "data/prepared/test",
        nodes: int = default_nodes,
        gpus_per_node: int = default_gpus,
        queue: str = "",
    ) -> None:
        """Train ``recipe`` from ``init`` and serve the better of the two.

        Args:
            recipe: What to learn. A file of the checkout, of the work volume or of the image.
            init: Checkpoint folder to start from, found like the recipe. It is evaluated too, and is the first model
                to beat.
            train_data: Folder that DVC tracks, at the data revision of the cluster or of the checkout;
                rooms://<number> for synthetic rooms; or dvc://<hash>.dir.
            test_data: Held-out rooms that both models are scored on, said like train_data.
            nodes: Pods of the training. The number of ranks, which must divide the recipe's batch, is nodes times
                gpus_per_node; without a cluster all of them run on this machine.
            gpus_per_node: GPUs of each pod, with a rank each. 0 is one CPU rank.
            queue: LocalQueue of Kueue that the training waits in. Empty is none.
        """
        report = place(report_run(recipe=recipe), size.wait, MLFLOW, REPORT)
        with dsl.ExitHandler(_anew(report, "report"), name="loc3r"):
            pinned = pin_inputs(recipe=recipe, init=init, train_data=train_data, test_data=test_data)
            with_data_revision(_anew(place(pinned, size.wait), "pin inputs"))
            inputs = pinned.outputs

            data = _fetched(cluster, inputs)
            start = import_model(folder=inputs["start"], weights=inputs["weights"])
            place(start, size.wait).set_display_name("import start")
            model, weights = start.outputs["model"], inputs["weights"]
            first = _judged(cluster, "start", model, weights, data, accept_first=True)  # something must serve

            trained = train_model(
                recipe=inputs["recipe"],
                start=inputs["start"],
                weights=inputs["weights"],
                data=inputs["train_data"],
                data_hash=data["train_hash"],
                nodes=nodes,
                gpus_per_node=gpus_per_node,
                queue=queue,
                train_data=data["train_data"],
            )
            _retried(place(trained, size.wait, MLFLOW), "train")
            model, weights = trained.outputs["model"], trained.outputs["model_hash"]
            decision = _judged(cluster, "trained", model, weights, data).after(first)

            # Not "was promoted": a champion whose deployment failed is deployed by the next run.
            served = _anew(place(is_served(), size.wait, MLFLOW), "is the champion served?").after(decision)
            with dsl.If(served.output == False, name="another champion"):  # noqa: E712  # Kubeflow compiles it
                _anew(place(deploy_champion(), size.deploy, MLFLOW, S3), "deploy")

    return loc3r_pipeline


def _fetched(cluster: Cluster, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch both splits; as evaluation takes them, ``train_data``, ``train_hash`` and the same of test."""
    data = {}
    for split in ("train", "test"):
        fetched = fetch_data(data=inputs[f"{split}_data"], split=split, recipe=inputs["recipe"])
        with_fetch_script(_retried(cluster.place(fetched, cluster.size.data, S3), f"fetch {split}"))
        data |= {f"{split}_data": fetched.outputs["prepared"], f"{split}_hash": fetched.outputs["data_hash"]}
    return data


def _judged(
    cluster: Cluster, name: str, model: Any, weights: Any, data: Mapping[str, Any], **terms: bool
) -> dsl.PipelineTask:
    """Score a model on the held-out rooms, and let the gate decide on these ``terms``; the gate's task."""
    scores = evaluate_model(model_hash=weights, model=model, **data)
    _retried(cluster.place(scores, cluster.size.evaluate, MLFLOW), f"evaluate {name}")
    evaluation, rooms = scores.outputs["evaluation"], data["test_data"]
    gate = gate_model(model=model, evaluation=evaluation, test_data=rooms, **terms)
    return _anew(cluster.place(gate, cluster.size.gate, MLFLOW), f"gate {name}")


def _anew(task: dsl.PipelineTask, name: str) -> dsl.PipelineTask:
    """A step that reads or changes what lies outside the run: never answered from Kubeflow's cache."""
    return task.set_display_name(name).set_caching_options(False)


def _retried(task: dsl.PipelineTask, name: str) -> dsl.PipelineTask:
    """A step that may be lost with its node or its network, and that finds its work again. Verdicts are not retried."""
    return task.set_display_name(name).set_retry(num_retries=2, backoff_duration="10s", backoff_factor=3)


loc3r_pipeline = define(Cluster(image=None, size=SIZES["production"]))
