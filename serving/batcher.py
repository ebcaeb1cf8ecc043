"""Questions that wait for the model at the same time, about the same scene, are answered in one pass.

There is one model and one turn. Whoever gets the turn answers its own question and every waiting one that fits into
the same batch; the others find theirs answered when they wake. A question alone is streamed word by word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic

from loc3r.client.wire import DoneEvent, Event, PoseEvent, TextEvent
from loc3r.model.inference import Answer, Localiser, PoseEstimate, Query
from serving.shelf import OpenedScene


@dataclass(eq=False)
class Ticket:
    """One waiting question."""

    scene: OpenedScene
    query: Query
    emit: Callable[[Event], None]
    is_cancelled: Callable[[], bool]
    max_new_tokens: int = 16
    since_s: float = field(default_factory=monotonic)
    taken: bool = False
    error: Exception | None = None

    def fits(self, other: Ticket) -> bool:
        """Whether both can go through the model together."""
        return self.scene is other.scene and self.max_new_tokens == other.max_new_tokens

    def finish(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.emit(pose_event(answer.pose))
        if answer.text:
            self.emit(TextEvent(answer.text))
        self.emit(DoneEvent())


class Batcher:
    """Gives the model to one batch of questions at a time; ``turn`` also guards its other uses.

    Args:
        localiser: the model.
        largest: questions in a batch.
        on_wait: told how many seconds each question, or other use, waited for its turn.
    """

    def __init__(
        self, localiser: Localiser, largest: int = 16, on_wait: Callable[[float], None] = lambda wait_s: None
    ) -> None:
        self.turn = threading.Lock()
        self._localiser = localiser
        self._largest = largest
        self._on_wait = on_wait
        self._waiting: list[Ticket] = []
        self._lock = threading.Lock()

    def answer(self, ticket: Ticket) -> None:
        """Send the answer's events; returns when they are sent or the caller is gone.

        Raises:
            Exception: what went wrong with the batch that this question was in.
        """
        with self._lock:
            self._waiting.append(ticket)
        with self.turn:
            if not ticket.taken:
                self._answer_batch([one for one in self._take(ticket) if not one.is_cancelled()])
        if ticket.error is not None:
            raise ticket.error

    @contextmanager
    def own_turn(self) -> Iterator[None]:
        """The model for a use that can't be batched."""
        since_s = monotonic()
        with self.turn:
            self._on_wait(monotonic() - since_s)
            yield

    def _answer_batch(self, batch: list[Ticket]) -> None:
        """Each question's error waits for its own caller."""
        try:
            if len(batch) == 1:
                self._stream(batch[0])
            elif batch:
                self._ask_together(batch)
        except Exception as error:
            for ticket in batch:
                ticket.error = error

    def _take(self, ticket: Ticket) -> list[Ticket]:
        with self._lock:
            others = [one for one in self._waiting if one is not ticket and one.fits(ticket)]
            batch = [ticket, *others[: self._largest - 1]]
            self._waiting = [one for one in self._waiting if one not in batch]
            for one in batch:
                one.taken = True
        now_s = monotonic()
        for one in batch:
            self._on_wait(now_s - one.since_s)
        return batch

    def _stream(self, ticket: Ticket) -> None:
        for piece in self._localiser.stream(ticket.scene.memory, ticket.query, ticket.max_new_tokens):
            if ticket.is_cancelled():
                return
            ticket.emit(TextEvent(piece) if isinstance(piece, str) else pose_event(piece))
        ticket.emit(DoneEvent())

    def _ask_together(self, batch: list[Ticket]) -> None:
        first = batch[0]
        answers = self._localiser.ask(first.scene.memory, [ticket.query for ticket in batch], first.max_new_tokens)
        for ticket, answer in zip(batch, answers, strict=True):
            try:
                ticket.finish(answer)
            except Exception as error:  # one caller's lost connection, or pose that is not finite
                ticket.error = error


def pose_event(pose: PoseEstimate) -> PoseEvent:
    """The event of a pose."""
    return PoseEvent(**asdict(pose))
