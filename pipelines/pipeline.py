"""The pipeline: pin the inputs, fetch, score the model we start from, train, score again, gate, deploy, report.

loc3r pipeline compile -o loc3r.yaml
kfp run submit -e loc3r -f loc3r.yaml recipe=recipes/rooms-demo.yaml
loc3r pipeline run            # the same steps on this machine, with Kubeflow's local runner

One package for both: what only a cluster has (``pipelines.platform``) is in the package's second document.
"""

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

            splits, hashes = {}, {}
            for split in ("train", "test"):
                fetched = fetch_data(data=inputs[f"{split}_data"], split=split, recipe=inputs["recipe"])
                with_fetch_script(_retried(place(fetched, size.data, S3), f"fetch {split}"))
                splits[f"{split}_data"] = fetched.outputs["prepared"]
                hashes[f"{split}_hash"] = fetched.outputs["data_hash"]

            start = import_model(folder=inputs["start"], weights=inputs["weights"])
            place(start, size.wait).set_display_name("import start")
            start_scores = evaluate_model(
                model_hash=inputs["weights"], model=start.outputs["model"], **hashes, **splits
            )
            _retried(place(start_scores, size.evaluate, MLFLOW), "evaluate start")
            start_gate = gate_model(
                model=start.outputs["model"],
                evaluation=start_scores.outputs["evaluation"],
                test_data=splits["test_data"],
                accept_first=True,  # something must serve
            )
            _anew(place(start_gate, size.gate, MLFLOW), "gate start")

            trained = train_model(
                recipe=inputs["recipe"],
                start=inputs["start"],
                weights=inputs["weights"],
                data=inputs["train_data"],
                data_hash=hashes["train_hash"],
                nodes=nodes,
                gpus_per_node=gpus_per_node,
                queue=queue,
                train_data=splits["train_data"],
            )
            _retried(place(trained, size.wait, MLFLOW), "train")
            scores = evaluate_model(
                model_hash=trained.outputs["model_hash"], model=trained.outputs["model"], **hashes, **splits
            )
            _retried(place(scores, size.evaluate, MLFLOW), "evaluate trained")
            decision = gate_model(
                model=trained.outputs["model"],
                evaluation=scores.outputs["evaluation"],
                test_data=splits["test_data"],
            )
            _anew(place(decision, size.gate, MLFLOW), "gate trained").after(start_gate)

            # Not "was promoted": a champion whose deployment failed is deployed by the next run.
            served = _anew(place(is_served(), size.wait, MLFLOW), "is the champion served?").after(decision)
            with dsl.If(served.output == False, name="another champion"):  # noqa: E712  # Kubeflow compiles it
                _anew(place(deploy_champion(), size.deploy, MLFLOW, S3), "deploy")

    return loc3r_pipeline


def _anew(task: dsl.PipelineTask, name: str) -> dsl.PipelineTask:
    """A step that reads or changes what lies outside the run: never answered from Kubeflow's cache."""
    return task.set_display_name(name).set_caching_options(False)


def _retried(task: dsl.PipelineTask, name: str) -> dsl.PipelineTask:
    """A step that may be lost with its node or its network, and that finds its work again. Verdicts are not retried."""
    return task.set_display_name(name).set_retry(num_retries=2, backoff_duration="10s", backoff_factor=3)


loc3r_pipeline = define(Cluster(image=None, size=SIZES["production"]))
