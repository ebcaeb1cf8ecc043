"""NVIDIA's Triton Inference Server on this machine: fetched from PyPI, started directly, no container.

The wheel ``nvidia-pytriton`` holds the real ``tritonserver`` (2.51) and its Python backend. It is unpacked into a
folder of its own, so that its ``numpy<2`` pin never meets our environment; only the binaries are used.

    python -m loc3r.services.triton install      # what "make setup" does
    loc3r serve --repository runs/serving        # start it
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loc3r.client.wire import MODEL
from loc3r.errors import ServiceError
from loc3r.files import read_json, write_json
from loc3r.services.process import ServerProcess, free_ports, tools_path
from loc3r.settings import load_settings

PACKAGE = "nvidia-pytriton==0.7.0"
LOOPBACK = "127.0.0.1"
STATE_FILE = "triton.json"


@dataclass(frozen=True)
class Ports:
    """The three loopback ports of one Triton."""

    grpc: int
    http: int
    metrics: int

    @classmethod
    def free(cls) -> Ports:
        """Three ports that are free now."""
        return cls(*free_ports(3))


@dataclass(frozen=True)
class TritonHome:
    """An unpacked wheel.

    Raises:
        ServiceError: (from its methods) the wheel has nothing for this Python.
    """

    folder: Path

    @property
    def server(self) -> Path:
        """The ``tritonserver`` binary."""
        return self.folder / "pytriton/tritonserver/bin/tritonserver"

    @property
    def libraries(self) -> Path:
        """Shared libraries that the server needs; no system package is."""
        return self.folder / "nvidia_pytriton.libs"

    def backends(self) -> Path:
        """A backend folder whose Python backend runs this interpreter's version; made at the first call."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        target = self.folder / f"backends-{version}"
        if target.is_dir():
            return target
        triton = self.folder / "pytriton/tritonserver"
        stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.is_file():
            have = sorted((path.name for path in stub.parents[1].iterdir()), key=lambda name: int(name.split(".")[1]))
            raise ServiceError(
                "Triton's Python backend can't run this Python",
                received=version,
                expected=", ".join(have),
                fix="make the environment with one of these versions",
            )
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            draft = Path(temporary) / "backends"
            shutil.copytree(triton / "backends", draft)
            shutil.copy2(stub, draft / "python")  # the wheel keeps it where the backend does not look
            _rename_unless_there(draft, target)
        return target


def triton_home(cache_dir: Path | None = None) -> TritonHome:
    """Triton's unpacked wheel in the cache folder, installed there at the first call.

    Raises:
        ServiceError: no installer could fetch the wheel; says what each one answered.
    """
    cache = (cache_dir or load_settings().cache_dir).absolute()
    home = TritonHome(cache / PACKAGE.replace("==", "-"))
    if not home.server.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            draft = Path(temporary) / "wheel"
            _install(draft)
            _rename_unless_there(draft, home.folder)
    return home


def _install(target: Path) -> None:
    """Try uv, then pip: uv does not read pip's configured index, and a venv made by uv has no pip."""
    answers = []
    for installer in _installers():
        command = [*installer, "install", "--no-deps", "--target", str(target), PACKAGE]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if result.returncode == 0 and TritonHome(target).server.is_file():
            return
        answers.append(f"{' '.join(installer)}: {result.stderr.strip()[-400:]}")
        shutil.rmtree(target, ignore_errors=True)
    raise ServiceError(
        f"{PACKAGE} could not be installed",
        received="\n".join(answers),
        expected="a wheel for Linux x86-64 with glibc 2.35 or newer",
        fix="check the package index (pip download --no-deps " + PACKAGE + "), or serve in NVIDIA's container",
    )


def _installers() -> list[list[str]]:
    uv = shutil.which("uv", path=tools_path())
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    pips = [[python, "-m", "pip", "--disable-pip-version-check"] for python in (sys.executable, str(base))]
    return [[uv, "pip"], *pips] if uv else pips


def _rename_unless_there(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:  # another process was first
        if not target.is_dir():
            raise


def _python_library_folder() -> Path:
    """Where this interpreter's libpython is: the stub would else take the system's, and fail at ``import ssl``."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folders = [Path(str(sysconfig.get_config_var("LIBDIR"))), Path(sys.base_prefix) / "lib"]
    folders += [folder / str(sysconfig.get_config_var("MULTIARCH")) for folder in folders]
    for folder in folders:
        if (folder / name).is_file():
            return folder
    raise ServiceError(
        "Triton's Python backend needs a Python that was built as a shared library",
        received=sys.base_prefix,
        expected=f"{name} in {folders[0]}",
        fix="install libpython (Debian: libpython3.11), or build with --enable-shared, or use uv's Python",
    )


class TritonServer(ServerProcess):
    """A Triton over a model repository, on the loopback address, with explicit model control.

    Args:
        repository: what ``loc3r export`` writes.
        ports: free ones when absent.
        load: models loaded at start; later ones are loaded by ``loc3r deploy``.

    Raises:
        ServiceError: a port is taken, the wheel is missing, or a model did not load: with the log's tail.
    """

    def __init__(
        self,
        repository: Path,
        *,
        ports: Ports | None = None,
        load: Sequence[str] = (MODEL,),
        log: Path | None = None,
        cache_dir: Path | None = None,
        timeout_s: float = 180,
    ) -> None:
        self.repository = repository.absolute()
        self.ports = ports or Ports.free()
        self.url = f"{LOOPBACK}:{self.ports.grpc}"
        for name, port in asdict(self.ports).items():
            _check_free(name, port)
        home = triton_home(cache_dir)
        super().__init__(
            "Triton",
            _command(home, self.repository, self.ports, load),
            log=log or load_settings().state_dir / "logs" / "triton.log",
            is_ready=lambda: is_ready(self.ports),
            environment=_environment(home),
            timeout_s=timeout_s,
        )

    def tail(self, lines: int = 3) -> str:
        """The last errors in the log, or its last lines where there are none."""
        said = self.log.read_text(errors="replace").replace("\\n", "\n").splitlines()
        errors = [line for line in said if line.startswith("error:") or "failed to load" in line]
        return "\n".join(errors[-lines:]) or super().tail()

    def stop(self, grace_s: float = 15) -> None:
        """Ask Triton to stop; after ``grace_s`` kill it and its backend processes.

        Only Triton is asked: it stops its backend processes itself, and waits in vain for one that is gone.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(grace_s)
        super().stop(grace_s=0)
        _remove_shared_memory(self.ports)

    def detach(self, state_dir: Path) -> RunningTriton:
        """Leave it running; other commands find it through ``triton.json`` in the state folder."""
        running = RunningTriton(self.pid, str(self.repository), self.ports)
        write_json(state_dir / STATE_FILE, asdict(running))
        return running


def _command(home: TritonHome, repository: Path, ports: Ports, load: Sequence[str]) -> list[str]:
    addresses = [f"--{name}-address={LOOPBACK}" for name in asdict(ports)]  # the default is every interface
    numbers = [f"--{name}-port={port}" for name, port in asdict(ports).items()]
    return [
        str(home.server),
        f"--backend-directory={home.backends()}",
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",  # our config is complete; guessing would load every model twice
        "--exit-timeout-secs=8",  # a request cancelled as it ended may never be released (serving/README.md)
        *(f"--load-model={name}" for name in load),
        *addresses,
        *numbers,
        f"--backend-config=python,shm-region-prefix-name={_shared_memory_prefix(ports)}",
    ]


def _shared_memory_prefix(ports: Ports) -> str:
    return f"loc3r_triton_{ports.grpc}_"


def _remove_shared_memory(ports: Ports) -> None:
    """A killed Triton leaves its segments behind, which fill /dev/shm over time."""
    for path in Path("/dev/shm").glob(f"{_shared_memory_prefix(ports)}*"):
        path.unlink(missing_ok=True)


def _environment(home: TritonHome) -> dict[str, str]:
    """The backend finds the models' packages through PATH alone: it ignores PYTHONPATH and VIRTUAL_ENV."""
    libraries = [str(home.libraries), str(_python_library_folder()), os.environ.get("LD_LIBRARY_PATH", "")]
    return {"PATH": tools_path(), "LD_LIBRARY_PATH": ":".join(filter(None, libraries))}


def _check_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ServiceError(
                f"Triton's {name} port is taken",
                received=f"{LOOPBACK}:{port}",
                fix=f"stop what listens there (loc3r serve --stop), or give --{name}-port",
            ) from error


def is_ready(ports: Ports) -> bool:
    """Whether Triton and every model that it was asked to load answer."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{ports.http}/v2/health/ready", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class RunningTriton:
    """What ``loc3r serve --detach`` writes down, so that other commands find and stop the server."""

    pid: int
    repository: str
    ports: Ports

    @property
    def url(self) -> str:
        """Its gRPC address."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    @classmethod
    def find(cls, state_dir: Path) -> RunningTriton | None:
        """The detached Triton of this state folder, if it is alive."""
        path = state_dir / STATE_FILE
        if not path.is_file():
            return None
        values = read_json(path)
        found = cls(values["pid"], values["repository"], Ports(**values["ports"]))
        if found.is_alive():
            return found
        path.unlink(missing_ok=True)
        return None

    def is_alive(self) -> bool:
        """Whether the process runs and is a Triton: a process id may have been given to another since."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return f"--grpc-port={self.ports.grpc}".encode() in command

    def stop(self, state_dir: Path, grace_s: float = 15) -> None:
        """Stop it as ``TritonServer.stop`` does, and forget it."""
        deadline = time.monotonic() + grace_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(0.1)
            os.killpg(self.pid, signal.SIGKILL)
        _remove_shared_memory(self.ports)
        (state_dir / STATE_FILE).unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m loc3r.services.triton install")
    sys.stdout.write(f"{triton_home().server}\n")
