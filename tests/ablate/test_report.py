"""The page that the tables go into."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc3r.ablate.report import BEGIN, END, put_section
from loc3r.errors import DataError

ROOT = Path(__file__).parents[2]


def test_only_the_place_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{BEGIN}\nold\n{END}\n\n## B\n")
    for section in ("first \\1\n", "second\n\n"):
        put_section(page, section)
        assert page.read_text() == f"# A\n\n{BEGIN}\n{section.rstrip()}\n{END}\n\n## B\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_a_page_without_one_place_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(DataError, match="no place"):
        put_section(page, "section")
    page.write_text(text)
    with pytest.raises(DataError, match="no place"):
        put_section(page, "section")
    assert page.read_text() == text


def test_our_results_page_has_the_place(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text((ROOT / "docs" / "results.md").read_text())
    put_section(page, "the tables")
    assert "the tables" in page.read_text()
