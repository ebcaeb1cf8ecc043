"""The pipeline: prepare, score the model we start from, train, score again, gate, deploy.

loc3r pipeline compile -o loc3r.yaml
kfp run create -e loc3r -f loc3r.yaml recipe=recipes/rooms-demo.yaml
loc3r pipeline run            # the same steps on this machine, with Kubeflow's local runner
"""

from kfp import dsl

from pipelines.components import (
    deploy_champion,
    evaluate_model,
    gate_model,
    import_model,
    prepare_data,
    train_model,
)


@dsl.pipeline(name="loc3r", description="From rooms to a served champion: prepare, train, evaluate, gate, deploy.")
def loc3r_pipeline(
    workspace: str = "/workspace",
    recipe: str = "recipes/rooms-demo.yaml",
    init: str = "checkpoints/rooms-tiny",
    ranks: int = 2,
    repository: str = "runs/serving",
) -> None:
    """Fine-tune ``init`` with ``recipe`` and serve the better of the two.

    Args:
        workspace: Checkout of the repository that every step works in.
        recipe: Recipe file, relative to the workspace.
        init: Checkpoint folder to start from, relative to the workspace.
        ranks: Training processes on the machine of the train step.
        repository: Triton model repository that the deploy step writes.
    """
    train_data = prepare_data(workspace=workspace, split="train").set_display_name("prepare train")
    test_data = prepare_data(workspace=workspace, split="test").set_display_name("prepare test")
    data = {"train_data": train_data.outputs["prepared"], "test_data": test_data.outputs["prepared"]}

    start = import_model(workspace=workspace, folder=init)
    start_scores = evaluate_model(workspace=workspace, model=start.outputs["model"], **data)
    start_scores.set_display_name("evaluate start")
    start_gate = gate_model(
        workspace=workspace,
        model=start.outputs["model"],
        evaluation=start_scores.outputs["evaluation"],
        test_data=data["test_data"],
        accept_first=True,  # something must serve: the model in the box is the one to beat
    ).set_display_name("gate start")

    trained = train_model(workspace=workspace, recipe=recipe, init=init, ranks=ranks, train_data=data["train_data"])
    scores = evaluate_model(workspace=workspace, model=trained.outputs["model"], **data)
    decision = gate_model(
        workspace=workspace,
        model=trained.outputs["model"],
        evaluation=scores.outputs["evaluation"],
        test_data=data["test_data"],
    )
    decision.after(start_gate)
    deploy_champion(workspace=workspace, repository=repository).after(decision)
