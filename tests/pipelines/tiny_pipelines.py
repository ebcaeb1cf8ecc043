"""Pipelines of a few trivial steps, for the endpoint: what succeeds, what fails, what waits, what decides."""

# No postponed annotations here: Kubeflow reads those of the components.

from pathlib import Path
from typing import List, NamedTuple  # noqa: UP035  # the step's source sees typing's names

from kfp import dsl, kubernetes
from kfp.compiler import Compiler
from kfp.dsl import HTML, Dataset, Input, Metrics, Output, PipelineTaskFinalStatus

STEP = {"base_image": "python:3.11", "install_kfp_package": False}


@dsl.component(**STEP)
def measure(room: str, chairs: int, metrics: Output[Metrics], page: Output[HTML], room_file: Output[Dataset]) -> None:
    from pathlib import Path

    print(f"counting chairs in the {room}")  # noqa: T201  # the step's log
    metrics.log_metric("chairs", chairs)
    Path(page.path).write_text(f"<h1>{room}</h1>")
    Path(room_file.path).write_text(room)


@dsl.component(**STEP)
def shout(room_file: Input[Dataset]) -> str:
    with open(room_file.path) as file:
        return file.read().upper()


@dsl.pipeline(name="hello", description="Two steps that hand on an artifact.")
def hello(room: str, chairs: int = 2) -> str:
    measured = measure(room=room, chairs=chairs).set_display_name("count the chairs")
    return shout(room_file=measured.outputs["room_file"]).output


@dsl.component(**STEP)
def fall(why: str) -> None:
    raise ValueError(why)


@dsl.component(**STEP)
def after(stood: int) -> int:
    return stood


@dsl.component(**STEP)
def tell(status: PipelineTaskFinalStatus) -> str:
    return status.state


@dsl.pipeline(name="broken", description="A step fails; the exit handler runs all the same.")
def broken(why: str = "no sofa in this room") -> None:
    with dsl.ExitHandler(tell()):
        after(stood=1).after(fall(why=why))


@dsl.component(**STEP)
def linger(folder: str) -> str:
    """Start children, one in a session of its own and one without a parent; wait for the file ``go``."""
    import os
    import subprocess
    import time

    children = [subprocess.Popen(["sleep", "600"]), subprocess.Popen(["sleep", "600"], start_new_session=True)]
    orphan = subprocess.check_output(["sh", "-c", "setsid sleep 600 >/dev/null & echo $!"])
    pids = [os.getpid(), int(orphan), *(child.pid for child in children)]
    with open(f"{folder}/pids.new", "w") as file:
        file.write(" ".join(map(str, pids)))
    os.rename(f"{folder}/pids.new", f"{folder}/pids")
    while not os.path.exists(f"{folder}/go"):
        time.sleep(0.1)
    for pid in pids[1:]:
        os.kill(pid, 9)
    return "went"


@dsl.pipeline(name="lingering", description="A step that waits.")
def lingering(folder: str) -> str:
    return linger(folder=folder).output


@dsl.component(**STEP)
def judge() -> NamedTuple("Verdict", [("promoted", bool), ("reason", str), ("rooms", List[str])]):  # type: ignore[valid-type]  # noqa: UP006
    from collections import namedtuple

    return namedtuple("Verdict", ["promoted", "reason", "rooms"])(True, "better", ["den", "hall"])


@dsl.component(**STEP)
def note(text: str, out: Output[Dataset]) -> str:
    with open(out.path, "w") as file:
        file.write(text)
    return text


@dsl.component(**STEP)
def read_file(file: Input[Dataset]) -> str:
    with open(file.path) as opened:
        return opened.read()


@dsl.pipeline(name="noting")
def noting(text: str) -> Dataset:
    return note(text=text).outputs["out"]


@dsl.pipeline(name="deciding", description="Named outputs in a condition and a loop; a pipeline called twice.")
def deciding() -> None:
    verdict = judge()
    with dsl.If(verdict.outputs["promoted"] == True, name="promoted"):  # noqa: E712, SIM117
        with dsl.If(verdict.outputs["reason"] == "better", name="better"):
            note(text="deploy").set_display_name("deploy")
    with dsl.Else(name="kept"):
        note(text="keep").set_display_name("keep")
    with dsl.ParallelFor(verdict.outputs["rooms"]) as room:
        note(text=room).set_display_name("visit")
    first, second = noting(text="first"), noting(text="second")
    read_file(file=first.output).after(second).set_display_name("read first")


@dsl.container_component
def boxed() -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="alpine", command=["echo", "hello"])


@dsl.pipeline(name="containers")
def containers() -> None:
    boxed()


@dsl.pipeline(name="on-a-cluster", description="A step with settings that only Kubernetes understands.")
def on_a_cluster() -> None:
    task = after(stood=1)
    kubernetes.use_secret_as_env(task, secret_name="loc3r-s3", secret_key_to_env={"key": "AWS_ACCESS_KEY_ID"})


def compiled(pipeline: object, folder: Path) -> Path:
    """The package of a pipeline, as ``kfp dsl compile`` writes it."""
    path = folder / f"{pipeline.name}.yaml"  # type: ignore[attr-defined]
    Compiler().compile(pipeline, str(path))
    return path
