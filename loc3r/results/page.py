"""A Markdown page that people and programs write together: a program owns what is between its two markers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from loc3r.errors import DataError
from loc3r.files import write_text


@dataclass(frozen=True)
class Block:
    """The place of one verb in a page."""

    verb: str

    @property
    def begin(self) -> str:
        """The line above it."""
        return f"<!-- loc3r {self.verb}: begin -->"

    @property
    def end(self) -> str:
        """The line below it."""
        return f"<!-- loc3r {self.verb}: end -->"

    def put(self, page: Path, section: str) -> None:
        """Replace what is between the markers.

        Raises:
            DataError: the page has no place for it.
        """
        before, after = self.around(page)
        write_text(page, f"{before}{self.begin}\n{section.rstrip()}\n{self.end}{after}")

    def around(self, page: Path) -> tuple[str, str]:
        """What is before and behind the place.

        Raises:
            DataError: the page is missing, or does not hold the markers once and in order.
        """
        text = page.read_text() if page.is_file() else ""
        parts = re.split(f"{re.escape(self.begin)}.*?{re.escape(self.end)}", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise DataError(
                f"{page} has no place for loc3r {self.verb}", received=f"{len(parts) - 1} places",
                expected=f"{self.begin} … {self.end}",
            )  # fmt: skip
        return parts[0], parts[1]


ABLATION = Block("ablate")
RESULTS = Block("results")
