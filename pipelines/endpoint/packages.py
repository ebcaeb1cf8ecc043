"""Packages: read as Kubeflow's server does, and held against Kubeflow's own protobuf messages, field by field."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.dsl.component_factory import CONTAINERIZED_PYTHON_COMPONENT_COMMAND, EXECUTOR_MODULE
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentSpec,
    DagSpec,
    PipelineDeploymentConfig,
    PipelineSpec,
    PlatformSpec,
)

from pipelines.endpoint.shapes import Json
from pipelines.endpoint.status import InvalidError

M = TypeVar("M", bound=Message)
PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_DOUBLE": (int, float), "NUMBER_INTEGER": (int,), "STRING": (str,), "BOOLEAN": (bool,), "LIST": (list,),
    "STRUCT": (dict,),
}  # fmt: skip
"""What JSON values a parameter of each type takes."""


@dataclass(frozen=True)
class Package:
    """A compiled pipeline that Kubeflow's messages accept, and what the platform shall add to its steps."""

    pipeline: Json
    platform: Json

    @property
    def name(self) -> str:
        """The pipeline's own name."""
        return str(self.pipeline["pipelineInfo"]["name"])

    @property
    def description(self) -> str:
        """The pipeline's own description, or nothing."""
        return str(self.pipeline["pipelineInfo"].get("description", ""))

    def document(self) -> Json:
        """As the API shows it: the pipeline alone, or both with their names."""
        return {"pipeline_spec": self.pipeline, "platform_spec": self.platform} if self.platform else self.pipeline

    def spec(self) -> PipelineSpec:
        """The pipeline as Kubeflow's message."""
        return json_format.ParseDict(self.pipeline, PipelineSpec())


def read_package(data: bytes) -> Package:
    """A package file: YAML, or a zip or tar.gz with ``pipeline.yaml`` in it.

    Raises:
        InvalidError: no such file, not YAML, or a field that Kubeflow's messages do not have.
    """
    try:
        documents = [each for each in yaml.safe_load_all(_yaml_in(data)) if each is not None]
    except (yaml.YAMLError, UnicodeDecodeError, tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise InvalidError(
            "the package can't be read",
            received=error,
            expected="YAML, zip or tar.gz",
            fix="kfp dsl compile writes one",
        ) from error
    if not documents or not all(isinstance(each, dict) for each in documents):
        raise InvalidError("the package holds no pipeline", fix="kfp dsl compile --py FILE --output PACKAGE.yaml")
    platform: Json = {}
    for each in documents[1:]:
        platform.update(each)
    return parse_package({"pipeline_spec": documents[0], "platform_spec": platform})


def parse_package(document: Mapping[str, Any]) -> Package:
    """The ``pipeline_spec`` of a run: the pipeline alone, or with a ``platform_spec`` beside it.

    Raises:
        InvalidError: a field that Kubeflow's messages do not have, of the pipeline, its executors or the platform.
    """
    both = document if "pipeline_spec" in document else {"pipeline_spec": document}
    pipeline = _parsed(both["pipeline_spec"], PipelineSpec(), "pipeline")
    if not pipeline.pipeline_info.name or not pipeline.root.dag.tasks:
        raise InvalidError(
            "the package holds no pipeline", received=sorted(both["pipeline_spec"]),
            expected="pipelineInfo.name and root.dag.tasks",
        )  # fmt: skip
    _parsed(json_format.MessageToDict(pipeline.deployment_spec), PipelineDeploymentConfig(), "deploymentSpec")
    platform = _parsed(both.get("platform_spec") or {}, PlatformSpec(), "platform")
    for name, single in platform.platforms.items():
        for label, executor in single.deployment_spec.executors.items():
            if name == "kubernetes":
                _parsed(json_format.MessageToDict(executor), KubernetesExecutorConfig(), f"platform of {label}")
    return Package(json_format.MessageToDict(pipeline), json_format.MessageToDict(platform))


def check_runnable(package: Package) -> None:
    """Whether Kubeflow's local runner can run every step here, as a child process.

    Raises:
        InvalidError: a reference that leads nowhere, or a construct that it can't run; names it.
    """
    spec = package.spec()
    executors = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), PipelineDeploymentConfig()
    ).executors
    for where, dag in _dags(spec):
        for name, task in dag.tasks.items():
            _check(task.component_ref.name in spec.components, where, name, "names a component that does not exist")
            _check(set(task.dependent_tasks) <= set(dag.tasks), where, name, "waits for a task that does not exist")
        for output, selectors in dag.outputs.artifacts.items():
            several = len(selectors.artifact_selectors) > 1
            _check(not several, where, output, "is a dsl.OneOf of artifacts, which the local runner can't choose from")
    for name, component in spec.components.items():
        if component.WhichOneof("implementation") == "executor_label":
            _check(component.executor_label in executors, "components", name, "names an executor that does not exist")
            _check_executor(name, executors[component.executor_label])


def resolve_arguments(package: Package, given: Mapping[str, Any]) -> Json:
    """The pipeline's arguments: what was given, checked against the parameters; defaults are left to the runner.

    Raises:
        InvalidError: an argument that the pipeline does not take, of the wrong type, or one that is missing.
    """
    parameters: Json = package.pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in given.items():
        if name not in parameters:
            raise InvalidError(f"the pipeline takes no argument {name!r}", expected=sorted(parameters))
        _check_type(name, parameters[name]["parameterType"], value)
    missing = [
        name for name, each in parameters.items()
        if name not in given and "defaultValue" not in each and not each.get("isOptional")
    ]  # fmt: skip
    if missing:
        raise InvalidError("arguments are missing", received=sorted(given), expected=sorted(missing))
    return dict(given)


def _check_type(name: str, parameter_type: str, value: Any) -> None:
    expected = PARAMETER_TYPES.get(parameter_type, (object,))
    is_bool_as_number = isinstance(value, bool) and bool not in expected and object not in expected
    if not isinstance(value, expected) or is_bool_as_number:
        raise InvalidError(
            f"argument {name!r} has the wrong type", received=repr(value), expected=parameter_type,
            fix=f"""kfp reads {name}=3 as a number and '{name}="3"' as a string""",
        )  # fmt: skip


def _check(holds: bool, where: str, name: str, what: str) -> None:
    if not holds:
        raise InvalidError(f"{where}: {name!r} {what}", fix="compile the pipeline again, or run it on a cluster")


def _check_executor(component: str, executor: PipelineDeploymentConfig.ExecutorSpec) -> None:
    kind = executor.WhichOneof("spec")
    command = list(executor.container.command)
    lightweight = any(EXECUTOR_MODULE in part for part in command) and (
        command[: len(CONTAINERIZED_PYTHON_COMPONENT_COMMAND)] != CONTAINERIZED_PYTHON_COMPONENT_COMMAND
    )
    if kind != "importer" and not (kind == "container" and lightweight):
        raise InvalidError(
            f"{component!r} is a {kind} component, which needs its image: this endpoint runs steps as child processes",
            expected="lightweight Python components (@dsl.component) and dsl.importer", fix="run it on a cluster",
        )  # fmt: skip


def _dags(spec: PipelineSpec) -> Iterator[tuple[str, DagSpec]]:
    components: list[tuple[str, ComponentSpec]] = [("root", spec.root), *spec.components.items()]
    yield from ((name, each.dag) for name, each in components if each.WhichOneof("implementation") == "dag")


def _parsed(value: Any, message: M, what: str) -> M:
    try:
        json_format.ParseDict(value, message)
    except (json_format.ParseError, AttributeError, TypeError) as error:
        raise InvalidError(
            f"the package's {what} is not what Kubeflow's {type(message).__name__} accepts", received=error,
            fix="compile it with the kfp of this environment",
        ) from error  # fmt: skip
    return message


def _yaml_in(data: bytes) -> str:
    """The pipeline's YAML in a package file, archive or not."""
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(_pipeline_file(archive.namelist())).decode()
    if data.startswith(b"\x1f\x8b"):
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            member = tar.extractfile(_pipeline_file([each.name for each in tar if each.isfile()]))
            assert member is not None  # a regular file
            return member.read().decode()
    return data.decode()


def _pipeline_file(names: list[str]) -> str:
    yamls = [name for name in names if name.endswith((".yaml", ".yml"))]
    if "pipeline.yaml" in names or len(yamls) == 1:
        return "pipeline.yaml" if "pipeline.yaml" in names else yamls[0]
    raise InvalidError("the archive holds no pipeline.yaml", received=names)
