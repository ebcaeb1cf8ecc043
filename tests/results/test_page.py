"""The page that programs write tables into, between what people wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc3r.errors import DataError
from loc3r.results.page import ABLATION, RESULTS, Block

ROOT = Path(__file__).parents[2]
BLOCK = Block("anything")


def test_only_the_place_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{BLOCK.begin}\nold\n{BLOCK.end}\n\n## B\n")
    for section in ("first \\1\n", "second\n\n"):
        BLOCK.put(page, section)
        assert page.read_text() == f"# A\n\n{BLOCK.begin}\n{section.rstrip()}\n{BLOCK.end}\n\n## B\n"


@pytest.mark.parametrize(
    "text",
    ["", f"{BLOCK.begin}\n", f"{BLOCK.end}\n{BLOCK.begin}", f"{BLOCK.begin}\n{BLOCK.end}\n{BLOCK.begin}\n{BLOCK.end}"],
)
def test_a_page_without_one_place_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(DataError, match="no place"):
        BLOCK.put(page, "section")
    page.write_text(text)
    with pytest.raises(DataError, match="no place"):
        BLOCK.put(page, "section")
    assert page.read_text() == text


@pytest.mark.parametrize("block", [ABLATION, RESULTS])
def test_our_results_page_has_the_places(block: Block, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text((ROOT / "docs" / "results.md").read_text())
    block.put(page, "the tables")
    assert "the tables" in page.read_text()
