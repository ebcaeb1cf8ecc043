"""Who is champion: the alias moves only on a verdict, says why, keeps its history and can go back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from loc3r.errors import RegistryError
from loc3r.files import write_json, write_text
from loc3r.tracking.registry import CHAMPION, ModelVersion, Registry
from loc3r.tracking.runs import TrackedRun

PREVIOUS = "loc3r.champion.previous"
ROLLED_BACK = "loc3r.champion.rolled_back"
NOBODY = "none"


class Verdict(Protocol):
    """What a comparison says: ``loc3r.evaluate.verdict`` makes it, so that this package need not know metrics."""

    @property
    def better(self) -> bool:
        """Whether the alias should move."""

    @property
    def reason(self) -> str:
        """Why, in a sentence."""

    @property
    def against(self) -> str:
        """What the model was compared with."""

    @property
    def evidence(self) -> Mapping[str, Any]:
        """Plain values behind the reason."""


@dataclass(frozen=True)
class Decision:
    """What the gate did."""

    promoted: bool
    version: str
    champion: str | None
    """Version that carries the alias afterwards."""
    reason: str
    against: str
    evidence: Mapping[str, Any]

    def to_markdown(self) -> str:
        """The decision and its evidence, for people."""
        rows = [f"| {name} | {value} |" for name, value in self.evidence.items() if not isinstance(value, Mapping)]
        return "\n".join(
            [
                f"# Gate: version {self.version} was {'promoted' if self.promoted else 'not promoted'}",
                "",
                self.reason,
                "",
                f"Compared with: {self.against}. Champion now: {self.champion or 'nobody'}.",
                "",
                "| evidence | value |",
                "| --- | --- |",
                *rows,
                "",
            ]
        )


def settle(
    registry: Registry, version: ModelVersion, verdict: Verdict, run: TrackedRun | None, *, again: bool = False
) -> Decision:
    """Move the alias if the verdict says so, and store the decision with the version and with its run.

    A version that was rolled back stays out, whatever its scores, unless ``again``: people took it out for a reason.
    """
    champion = registry.champion()
    banned = registry.get(version.number).tags.get(ROLLED_BACK) if not again else None
    promoted = verdict.better and not banned
    reason = verdict.reason
    if verdict.better and banned:
        reason = f"Rolled back on {banned}, so it stays out (loc3r gate --again reconsiders). {reason}"
    if promoted:
        registry.tag(version, {"champion.previous": champion.number if champion else NOBODY, "champion.since": _now()})
        registry.point(CHAMPION, version)
        champion = version
    decision = Decision(
        promoted=promoted,
        version=str(version.number),
        champion=str(champion.number) if champion else None,
        reason=reason,
        against=verdict.against,
        evidence=verdict.evidence,
    )
    _store(registry, version, decision, run)
    return decision


def rollback(registry: Registry) -> tuple[ModelVersion, ModelVersion]:
    """Give the alias back to the version that had it before; the gate will not promote the present one again.

    Returns:
        The version that lost the alias and the one that has it now.

    Raises:
        RegistryError: there is no champion, or it is the first one.
    """
    current, before = champion_before(registry)
    registry.tag(current, {"champion.rolled_back": _now()})
    registry.point(CHAMPION, before)
    return current, before


def champion_before(registry: Registry) -> tuple[ModelVersion, ModelVersion]:
    """The champion, and the one before it.

    Raises:
        RegistryError: there is no champion, or it is the first one.
    """
    current = registry.aliased(CHAMPION)
    previous = current.tags.get(PREVIOUS, NOBODY)
    if previous == NOBODY:
        raise RegistryError("there is no champion before this one", received=current.reference)
    return current, registry.get(int(previous))


def _store(registry: Registry, version: ModelVersion, decision: Decision, run: TrackedRun | None) -> None:
    summary = {
        "gate.decision": "promoted" if decision.promoted else "not promoted",
        "gate.reason": decision.reason,
        "gate.against": decision.against,
        "gate.time": _now(),
    }
    registry.tag(version, summary)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "gate"
        write_json(folder / "decision.json", asdict(decision))
        write_text(folder / "decision.md", decision.to_markdown())
        registry.attach(version, folder, "gate")
        if run:
            run.tag(summary)
            run.log_artifacts(folder, "gate")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
