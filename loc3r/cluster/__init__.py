"""Training on Kubernetes: plan a job, submit it as a TrainJob, follow it to its end.

    plan = plan_training(Path("recipes/loc3r-7b.yaml"), data="data/prepared/train", nodes=2, gpus_per_node=4)
    name = submit(plan)          # creates the TrainJob, or finds the one that this very plan made before
    code = wait(name)            # the training's exit code; 0 when its model is in the work volume

A job works in ``/workspace/jobs/<name>`` of the volume ``loc3r-work``: ``data/``, ``run/checkpoints``, ``run/model``.
"""

from loc3r.cluster.api import Cluster
from loc3r.cluster.jobs import resume, stop, submit, wait
from loc3r.cluster.plan import TrainingPlan, plan_training

__all__ = ["Cluster", "TrainingPlan", "plan_training", "resume", "stop", "submit", "wait"]
