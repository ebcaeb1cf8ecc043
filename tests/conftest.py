"""Fixtures that every test folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)  # a busy core is no fault of the test
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of public benchmarks, kept beside the repository; skips the test where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs real benchmark files at {folder}")
    return folder
