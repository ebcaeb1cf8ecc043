"""What a call returns: frozen values in metres, radians and degrees, each with the model that made them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from loc3r.client.wire import Event, LayoutEvent, ModelInfo, PoseEvent, TextEvent


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the speaker stands and looks, on the video's bird's-eye map.

    The origin is the first camera's place, +y its viewing direction, +x to its right.
    """

    x_m: float
    y_m: float
    sigma_x_m: float
    sigma_y_m: float
    heading_rad: float
    """Counter-clockwise from +x, in [-pi, pi)."""
    heading_concentration: float
    """0: the heading may be anything; 1: it is certain."""
    model: ModelInfo
    max_sigma_m: float | None = None
    """What the caller accepts; None accepts every pose."""

    @property
    def sigma_m(self) -> float:
        """The larger standard deviation of the two axes."""
        return max(self.sigma_x_m, self.sigma_y_m)

    @property
    def confident(self) -> bool:
        """False: the uncertainty is above ``max_sigma_m``, so the caller should decline to use the pose."""
        return self.max_sigma_m is None or self.sigma_m <= self.max_sigma_m

    @property
    def heading_deg(self) -> float:
        """The heading in degrees."""
        return math.degrees(self.heading_rad)

    @classmethod
    def of(cls, event: PoseEvent, model: ModelInfo, max_sigma_m: float | None) -> Pose:
        """The pose in an event."""
        return cls(
            event.x_m, event.y_m, event.sigma_x_m, event.sigma_y_m,
            event.heading_rad, event.heading_concentration, model, max_sigma_m,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, and the pose that it was given from."""

    pose: Pose
    text: str

    @property
    def model(self) -> ModelInfo:
        """The model that answered."""
        return self.pose.model


@dataclass(frozen=True, slots=True)
class LayoutMap:
    """Where the model places each patch of the video: equally long tuples."""

    x_m: tuple[float, ...]
    y_m: tuple[float, ...]
    sigma_m: tuple[float, ...]
    rgb: tuple[str, ...] = field(repr=False)
    """The patch's mean colour, ``#rrggbb``."""
    model: ModelInfo

    @classmethod
    def of(cls, event: LayoutEvent, model: ModelInfo) -> LayoutMap:
        """The layout in an event."""
        return cls(event.x_m, event.y_m, event.sigma_m, event.rgb, model)


def stream_item(event: Event, model: ModelInfo, max_sigma_m: float | None) -> Pose | str | None:
    """What ``stream`` yields for an event: the pose, a piece of text, or nothing."""
    if isinstance(event, PoseEvent):
        return Pose.of(event, model, max_sigma_m)
    return event.piece if isinstance(event, TextEvent) else None


def answer_of(items: Iterable[Pose | str]) -> Answer:
    """The pose and the joined text of a whole stream."""
    pose, *pieces = items
    assert isinstance(pose, Pose)  # the contract: the pose comes first
    return Answer(pose, "".join(str(piece) for piece in pieces).strip())
