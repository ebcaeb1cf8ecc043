"""Triton's folder, its state file, and what it says when it does not start; tests/serving runs the real server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loc3r.errors import ServiceError
from loc3r.files import write_json
from loc3r.services.triton import Ports, RunningTriton, TritonHome, TritonServer, is_ready, triton_home


def test_a_python_without_a_stub_is_named(tmp_path: Path):
    stubs = tmp_path / "pytriton/tritonserver/python_backend_stubs"
    for version in ("3.8", "3.7"):
        (stubs / version).mkdir(parents=True)
    with pytest.raises(ServiceError, match=r"expected: 3\.7, 3\.8"):
        TritonHome(tmp_path).backends()


def test_the_backend_runs_this_python_and_is_made_once():
    home = triton_home()
    folder = home.backends()
    assert os.access(folder / "python" / "triton_python_backend_stub", os.X_OK)
    made = folder.stat().st_mtime_ns
    assert home.backends() == folder and folder.stat().st_mtime_ns == made


def test_no_installer_says_what_each_one_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("loc3r.services.triton.PACKAGE", "nvidia-pytriton==0.0.0.dev0")
    for name in ("UV_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(ServiceError, match=r"could not be installed(.|\n)*pip"):
        triton_home(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["another's", "nobody's"])
def test_a_stale_state_file_is_forgotten(tmp_path: Path, pid: int):
    ports = {"grpc": 1, "http": 2, "metrics": 3}
    write_json(tmp_path / "triton.json", {"pid": pid, "repository": "/r", "ports": ports})
    assert RunningTriton.find(tmp_path) is None
    assert not (tmp_path / "triton.json").exists()


def test_nobody_is_not_ready():
    assert not is_ready(Ports.free())


@pytest.mark.timeout(120)
def test_a_model_that_does_not_load_is_the_error(tmp_path: Path):
    model = tmp_path / "repository" / "loc3r"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text("raise ImportError('no module named sofa')\n")
    tensor = '{ name: "X", data_type: TYPE_UINT8, dims: [ -1 ] }'
    (model / "config.pbtxt").write_text(
        f'backend: "python"\ninput [ {tensor} ]\noutput [ {tensor.replace("X", "Y")} ]\n'
    )
    with pytest.raises(ServiceError, match=r"stopped while starting(.|\n)*no module named sofa"):
        TritonServer(tmp_path / "repository", log=tmp_path / "log")
