"""Questions that wait for the model at the same time, about the same scene, are answered in one pass.

There is one model and one turn. Whoever gets the turn answers its own question and every waiting one that fits into
the same batch; the others find theirs answered when they wake. A question alone is streamed word by word.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loc3r.client.wire import DoneEvent, ErrorEvent, Event, PoseEvent, TextEvent
from loc3r.errors import Loc3RError
from serving.shelf import OpenedScene


@dataclass(eq=False)
class Ticket:
    """One waiting question."""

    scene: OpenedScene
    query: Any
    """``loc3r.model.inference.Query``."""
    max_new_tokens: int
    """0: only the pose is wanted."""
    emit: Callable[[Event], None]
    is_cancelled: Callable[[], bool]
    taken: bool = field(default=False)

    def fits(self, other: Ticket) -> bool:
        """Whether both can go through the model together."""
        return self.scene is other.scene and self.max_new_tokens == other.max_new_tokens

    def finish(self, pose: Any, text: str) -> None:
        """Send a whole answer."""
        self.emit(pose_event(pose))
        if text:
            self.emit(TextEvent(text))
        self.emit(DoneEvent())


class Batcher:
    """Gives the model to one batch of questions at a time; ``turn`` also guards its other uses."""

    def __init__(self, localiser: Any, largest: int = 16) -> None:
        self.turn = threading.Lock()
        self._localiser = localiser
        self._largest = largest
        self._waiting: list[Ticket] = []
        self._lock = threading.Lock()

    def answer(self, ticket: Ticket) -> None:
        """Send the answer's events; returns when they are sent or the caller is gone."""
        with self._lock:
            self._waiting.append(ticket)
        with self.turn:
            if ticket.taken:
                return
            batch = [one for one in self._take(ticket) if not one.is_cancelled()]
            if len(batch) == 1:
                self._stream(batch[0])
            elif batch:
                self._ask_together(batch)

    def _take(self, ticket: Ticket) -> list[Ticket]:
        with self._lock:
            others = [one for one in self._waiting if one is not ticket and one.fits(ticket)]
            batch = [ticket, *others[: self._largest - 1]]
            self._waiting = [one for one in self._waiting if one not in batch]
            for one in batch:
                one.taken = True
        return batch

    def _stream(self, ticket: Ticket) -> None:
        pieces = self._localiser.stream(ticket.scene.memory, ticket.query, ticket.max_new_tokens)
        with contextlib.closing(pieces):
            for piece in pieces:
                if ticket.is_cancelled():
                    return
                ticket.emit(TextEvent(piece) if isinstance(piece, str) else pose_event(piece))
        ticket.emit(DoneEvent())

    def _ask_together(self, batch: list[Ticket]) -> None:
        first = batch[0]
        queries = [ticket.query for ticket in batch]
        try:
            answers = self._localiser.ask(first.scene.memory, queries, first.max_new_tokens)
        except Loc3RError as error:
            for ticket in batch:
                ticket.emit(ErrorEvent.of(error))
            return
        for ticket, answer in zip(batch, answers, strict=True):
            ticket.finish(answer.pose, answer.text)


def pose_event(pose: Any) -> PoseEvent:
    """The event of a ``loc3r.model.inference.PoseEstimate``."""
    return PoseEvent(
        x_m=float(pose.x_m),
        y_m=float(pose.y_m),
        sigma_x_m=float(pose.sigma_x_m),
        sigma_y_m=float(pose.sigma_y_m),
        heading_rad=float(pose.heading_rad),
        heading_concentration=float(pose.heading_concentration),
    )
