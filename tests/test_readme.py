"""The README's commands, run as written, in a folder of their own with ports of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loc3r.services.process import free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("readme")
    for name in ("recipes", "checkpoints"):
        (folder / name).symlink_to(ROOT / name)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LOC3R_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "LOC3R_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "LOC3R_TRITON_URL": f"127.0.0.1:{free_port()}",
        "LOC3R_CACHE_DIR": str(ROOT / ".cache"),
    }
    yield folder, environment
    for stop in (["serve", "--stop"], ["down"]):
        subprocess.run([sys.executable, "-m", "loc3r", *stop], cwd=folder, env=environment, check=False)


@pytest.mark.timeout(600)
def test_the_commands_work_from_top_to_bottom(workspace: tuple[Path, dict[str, str]]) -> None:
    folder, environment = workspace
    for command in commands():
        result = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert result.returncode == 0, f"$ {command}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    assert (folder / "runs/readme/map.png").stat().st_size > 10_000
    assert (folder / "runs/readme/evaluation/report.html").is_file()


def test_the_python_in_it_is_python() -> None:
    for block in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        compile(block, "README.md", "exec")


def test_every_path_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)$", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
