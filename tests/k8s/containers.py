"""Images and pods without a registry and without a daemon: mmdebstrap, buildah and podman, with a store of their own.

Needs root on Linux. The store is kept (LOC3R_CACHE_DIR, .cache): a second build goes through its layers in two minutes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from manifests import REPOSITORY, Object
from rendering import expand

from loc3r.settings import load_settings

BASE = "localhost/python:3.11-bookworm"
PACKAGES = ("ca-certificates", "libpython3.11", "python3", "python3-pip")
TOOLS = ("buildah", "podman", "runc", "mmdebstrap", "catatonit")
SERVICES = ("loc3r-postgres",)
"""Names that pods find at their own address."""
Environment = Mapping[str, Mapping[str, str]]
"""Data of ConfigMaps and Secrets, by their names."""
CLONE_NEWNET = 0x40000000
CONFIGURATION = """
[containers]
base_hosts_file = "{folder}/hosts"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def missing() -> str | None:
    """Why no image can be built here, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root to build and run images"
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"needs {', '.join(lacking)}: apt-get install --no-install-recommends {' '.join(TOOLS)}" if lacking else None


class Engine:
    """buildah and podman over one store."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or load_settings().cache_dir / "images").absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configuration = self.folder / "containers.conf"
        self._configuration.write_text(CONFIGURATION.format(folder=self.folder))
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {' '.join(SERVICES)}\n")

    def base(self) -> str:
        """A Debian with Python and pip, made from Debian's packages: what python:slim is, without a registry."""
        tar = self.folder / "base.tar"
        if not tar.is_file():
            draft = self.folder / "draft.tar"
            command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(draft)]
            self._call(command, 1800)
            draft.rename(tar)
        if not self.has(BASE):
            self.podman("import", str(tar), BASE, timeout_s=600)
        return BASE

    def has(self, image: str) -> bool:
        """Whether the store holds it."""
        command = self._with_store("podman", "image", "exists", image)
        return subprocess.run(command, env=self._environment, timeout=60).returncode == 0

    def build(self, tag: str, *, file: Path, context: Path = REPOSITORY, target: str = "", **arguments: str) -> str:
        """Build an image and tag it; layers that did not change are taken from the store."""
        options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        options += [f"--target={target}"] if target else []
        options += [part for volume in self._build_volumes() for part in ("--volume", volume)]
        command = ["bud", "--isolation=chroot", "--layers", "--quiet", f"--tag={tag}", f"--file={file}", *options]
        self._call(self._with_store("buildah", *command, str(context)), 3000)
        return tag

    def run(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """What a command prints in a container as k8s/ runs them: read-only, no capabilities, no network."""
        entrypoint, *arguments = command
        restricted = ["--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        return self.podman("run", *restricted, *options, f"--entrypoint={entrypoint}", image, *arguments)

    @contextmanager
    def playing(self, pod: Object, others: Sequence[Object], folder: Path) -> Iterator[str]:
        """``podman play kube`` of a pod, in the network of this process; its name, until it is taken down."""
        path, name = folder / f"{pod['metadata']['name']}.yaml", pod["metadata"]["name"]
        path.write_text(yaml.safe_dump_all([*others, pod]))
        try:
            self.podman("play", "kube", "--network=host", str(path), timeout_s=600)
            yield name
        finally:
            self.podman("pod", "rm", "--force", "--ignore", "--time=2", name)

    def podman(self, *arguments: str, timeout_s: float = 300) -> str:
        """Standard output of podman."""
        return self._call(self._with_store("podman", *arguments), timeout_s)

    def _build_volumes(self) -> list[str]:
        """This machine's certificates and uv's configuration, folders of wheels and cache: mounted, in no layer."""
        wheels = [Path(each) for each in os.environ.get("UV_FIND_LINKS", "").split(",") if each.startswith("/")]
        quoted = ", ".join(f'"{each}"' for each in wheels)
        (self.folder / "uv.toml").write_text(f"system-certs = true\nfind-links = [{quoted}]\n")
        cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache/uv"))
        mounted = [f"{each}:{each}:ro" for each in (Path("/etc/ssl/certs"), *wheels) if each.is_dir()]
        return [*mounted, f"{self.folder}/uv.toml:/etc/uv/uv.toml:ro", f"{cache}:/root/.cache/uv"]

    def _with_store(self, tool: str, *arguments: str) -> list[str]:
        store = [f"--root={self.folder}/store", f"--runroot={self.folder}/run", "--storage-driver=overlay"]
        return [tool, *store, *arguments]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CONTAINERS_CONF": str(self._configuration), "TMPDIR": str(self.folder)}

    def _call(self, command: Sequence[str], timeout_s: float) -> str:
        told = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=timeout_s)
        assert told.returncode == 0, f"{' '.join(command)}\n{told.stdout[-2000:]}\n{told.stderr[-4000:]}"
        return told.stdout


@contextmanager
def own_network() -> Iterator[None]:
    """A loopback interface for this thread and what it starts: a pod may take the ports that its manifest names."""
    libc, before = ctypes.CDLL(None, use_errno=True), os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(before)


def playable(name: str, template: Object, environment: Environment, images: Mapping[str, str], folder: Path) -> Object:
    """A Pod that podman starts, of a pod template of k8s/: what the kubelet does before it starts containers, done.

    Variables come from ``environment`` (data by the name of its ConfigMap or Secret), $(NAME) is expanded, the pod's
    security context is each container's, an emptyDir is a folder in ``folder`` that any user may write to. Left out is
    what podman has nothing for: probes, hooks, accounts.

    Raises:
        KeyError: a reference that is not optional leads nowhere.
    """
    spec = template["spec"]
    parts = {
        part: [_container(each, spec.get("securityContext", {}), environment, images) for each in spec[part]]
        for part in ("initContainers", "containers")
        if part in spec
    }
    volumes = [_volume(each, folder / name) for each in spec.get("volumes", [])]
    kept = {"restartPolicy": "Never", "volumes": volumes, **parts}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": kept}


def _container(each: Object, outer: Object, environment: Environment, images: Mapping[str, str]) -> Object:
    variables = _variables(each, environment)
    command = [expand(part, variables) for part in (*each.get("command", []), *each.get("args", []))]
    return {
        "name": each["name"],
        "image": images[each["image"]],
        "imagePullPolicy": "Never",
        "command": command,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": {"limits": each["resources"]["limits"]},
        "securityContext": {**outer, **each["securityContext"]},
        "volumeMounts": each.get("volumeMounts", []),
    }


def _volume(each: Object, folder: Path) -> Object:
    if "emptyDir" not in each:
        return each
    path = folder / each["name"]
    path.mkdir(parents=True)
    path.chmod(0o777)
    return {"name": each["name"], "hostPath": {"path": str(path), "type": "Directory"}}


def _variables(container: Object, environment: Environment) -> dict[str, str]:
    """As the kubelet finds them: those of ``envFrom`` first, then each by itself, which may name those before it."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        (reference,) = source.values()
        if reference["name"] in environment or not reference.get("optional"):
            found |= environment[reference["name"]]
    for each in container.get("env", []):
        if "value" in each:
            found[each["name"]] = expand(each["value"], found)
        else:
            (reference,) = each["valueFrom"].values()
            found[each["name"]] = environment[reference["name"]][reference["key"]]
    return found
