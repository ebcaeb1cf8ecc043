"""Hosts of a small network inside this machine, each like a pod: its own network, processes, host name and /etc/hosts,
a read-only root file system, a private /tmp, the volumes that it mounts, no capabilities. Needs root on Linux.

    with hosts("job", 2, {"/workspace": folder}) as (first, second):
        process = first.start(["torchrun", ...], environment)
        process.kill()          # takes every process of that host along
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SUBNET = "10.77.0"
ROOT_SCRIPT = r"""
set -eu
root=$1 host=$2; shift 2
mount --make-rprivate /
mount -t tmpfs none "$root"
for each in /*; do
  here="$root$each"
  if [ -L "$each" ]; then cp -d "$each" "$here"; continue; fi
  if [ ! -d "$each" ]; then continue; fi
  mkdir "$here"
  case "$each" in
    /proc) mount -t proc none "$here" ;;
    /tmp) mount -t tmpfs none "$here" ;;
    /dev | /sys) mount --rbind "$each" "$here" ;;
    *) mount --bind "$each" "$here"; mount -o remount,bind,ro "$here" ;;
  esac
done
mount -t tmpfs none "$root/dev/shm"
if [ -n "$host" ]; then hostname "$host"; mount --bind "$root.hosts" "$root/etc/hosts"; fi
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$2" "$root$1"; shift 2; done
shift
mount -o remount,ro "$root"
exec chroot "$root" setpriv --no-new-privs --bounding-set=-all \
  sh -c 'cd /workspace && exec "$@"' sh "$@"
"""


def missing() -> str | None:
    """Why there can be no such hosts here, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root to make network namespaces"
    tools = [tool for tool in ("ip", "unshare", "mount", "setpriv") if shutil.which(tool) is None]
    if tools:
        return f"needs {', '.join(tools)}"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return f"can't make namespaces: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True)
class Host:
    """One host. ``network`` is its network namespace; without one it shares this machine's."""

    name: str
    folder: Path
    volumes: Mapping[str, Path]
    """Absolute path on the host to a folder here; /workspace must be one."""
    network: str | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list, compare=False)

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a process there; killing it kills all that it started, as a container's end does."""
        inside = ["ip", "netns", "exec", self.network] if self.network else []
        alone = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        mounts = [part for path, folder in self.volumes.items() for part in (path, str(folder))]
        root = self.folder / self.name
        root.mkdir(exist_ok=True)
        script = ["sh", "-c", ROOT_SCRIPT, "sh", str(root), self.name if self.network else "", *mounts, "--"]
        with log.open("ab") as file:
            whole = [*inside, *alone, *script, *command]
            process = subprocess.Popen(whole, env=dict(environment), stdout=file, stderr=subprocess.STDOUT)
        self.started.append(process)
        return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the first process of a host, as the kubelet stops a container."""
    (first,) = psutil.Process(process.pid).children()
    first.send_signal(signal.SIGTERM)


@contextmanager
def hosts(job: str, count: int, volumes: Mapping[str, Path]) -> Iterator[list[Host]]:
    """The pods ``<job>-node-0-<i>`` of a JobSet, on one switch, that know each other's names; gone at the end."""
    with ExitStack() as made:
        folder = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="hosts-")))
        prefix = f"l3r{os.getpid()}"
        _namespace(made, f"{prefix}-switch")
        _ip("-n", f"{prefix}-switch", "link", "add", "br0", "up", "type", "bridge")
        names = [f"{job}-node-0-{index}" for index in range(count)]
        lines = [f"{SUBNET}.{index + 1} {name}.{job} {name}" for index, name in enumerate(names)]
        found = []
        for index, name in enumerate(names):
            (folder / f"{name}.hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
            network = _namespace(made, f"{prefix}-{index}")
            _connect(network, f"{prefix}-switch", index)
            found.append(Host(name, folder, volumes, network))
        try:
            yield found
        finally:
            for process in (each for host in found for each in host.started):
                process.kill()
                process.wait()


def _namespace(made: ExitStack, name: str) -> str:
    _ip("netns", "add", name)
    made.callback(_ip, "netns", "delete", name)
    return name


def _connect(network: str, switch: str, index: int) -> None:
    _ip("-n", switch, "link", "add", f"port{index}", "type", "veth", "peer", "name", "eth0", "netns", network)
    _ip("-n", switch, "link", "set", f"port{index}", "master", "br0", "up")
    _ip("-n", network, "address", "add", f"{SUBNET}.{index + 1}/24", "dev", "eth0")
    _ip("-n", network, "link", "set", "eth0", "up")
    _ip("-n", network, "link", "set", "lo", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)
